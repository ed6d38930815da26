/** The database is lost at the end of a transaction: whether it was committed nobody knows, and nothing is left half done for it. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@holdfast/kernel";
import { BEAT_MS } from "@holdfast/protocol";
import pg from "pg";
import type { Transaction } from "../src/database/database.ts";
import { openPostgres } from "../src/database/open-postgres.ts";
import { noteCreations } from "../src/http/creations.ts";
import { forEachDatabase } from "./databases.ts";
import { leaseKeys, startService } from "./device-fixture.ts";
import { assertProblem, PASSWORD, type Reply, startTestServer, type TestServer } from "./http-fixture.ts";
import { postgresMissing, startPostgres } from "./postgres-server.ts";
import { connectAgent, enrolDevice } from "./scripted-agent.ts";
import { unsteady } from "./unsteady-database.ts";

const STEP_MS = 1000;

async function createsUser(transaction: Transaction): Promise<boolean> {
  const row = await transaction.selectFrom("users").select("id").where("name", "=", "bob").executeTakeFirst();
  return row !== undefined;
}

function createBob(server: TestServer, as: string): Promise<Reply> {
  const body = { name: "bob", role: "viewer", rights: [], password: PASSWORD };
  return server.send("POST", "/users", { as, body, headers: { "idempotency-key": "key" } });
}

/** As a client does that is told to try again. */
async function createBobAgain(server: TestServer, as: string): Promise<Reply> {
  for (;;) {
    const reply = await createBob(server, as);
    if (reply.body.code !== "ERR_IN_PROGRESS") return reply;
    await sleep(10);
  }
}

forEachDatabase("a creation whose end is lost", (open) => {
  test("is done once its repetition comes, when it was not committed", async () => {
    const database = unsteady(await open());
    await using server = await startTestServer(noteCreations(database));
    const { token } = await server.person("ann", "administrator");
    database.breakConnection("before", createsUser);
    assertProblem(await createBob(server, token), 503, "ERR_DATABASE_UNREACHABLE");
    assert.equal((await createBobAgain(server, token)).status, 201);
  });

  test("is not done twice when it was committed, which its repetition is told", async () => {
    const database = unsteady(await open());
    await using server = await startTestServer(noteCreations(database));
    const { token } = await server.person("ann", "administrator");
    database.breakConnection("behind", createsUser);
    assertProblem(await createBob(server, token), 503, "ERR_DATABASE_UNREACHABLE");
    const again = await createBobAgain(server, token);
    assertProblem(again, 422, "ERR_IDEMPOTENCY_KEY");
    assert.match(again.body.detail, /carried out/u);
    assert.equal((await server.send("GET", "/users", { as: token })).body.items.length, 2);
  });

  test("is not done again after its process has died", async () => {
    await using database = await open();
    await using server = await startTestServer(noteCreations(database));
    const { token } = await server.person("ann", "administrator");
    assert.equal((await createBob(server, token)).status, 201);
    // Committed, and not answered yet.
    await database.db.updateTable("idempotency_keys").set({ status: 1 }).execute();
    assertProblem(await createBob(server, token), 409, "ERR_IN_PROGRESS");
    server.clock.advance(11 * 60_000);
    assertProblem(await createBob(server, token), 422, "ERR_IDEMPOTENCY_KEY");
  });
});

forEachDatabase("work for a device", (open) => {
  test("that was given out reaches it, though the database was lost at that moment", async () => {
    const database = unsteady(await open());
    await using service = await startService(database);
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    database.breakConnection("behind", async (transaction) => {
      const run = await transaction.selectFrom("runs").select("id").executeTakeFirst();
      return run !== undefined;
    });
    const id = await service.createTask(identity.deviceId);
    await service.dispatcher.dispatch();
    assert.equal(service.failures.length, 1);
    assert.equal(agent.heard.filter(({ type }) => type === "start").length, 0);
    for (let passed = 0; passed <= 2 * BEAT_MS; passed += STEP_MS) {
      service.clock.move(STEP_MS);
      agent.send({ type: "beat" });
      await agent.next("beat");
      await service.dispatcher.tick();
    }
    assert.equal((await agent.next("start")).task.id, id);
    await agent.close();
  });

  test("is not failed by a lease that the database could not give: the device asks again", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const id = await service.createTask(identity.deviceId);
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "started" });
    const { grant } = service.kinds;
    Object.assign(service.kinds, {
      grant: async () => {
        throw new AppError("ERR_DATABASE_OVERLOADED", "All connections were at work.");
      },
    });
    const { publicKey } = leaseKeys(Buffer.alloc(32, 1));
    agent.send({ type: "request", id: 1, request: { kind: "lease", run, publicKey } });
    assert.equal(await agent.closed, 1011);
    assert.equal(agent.heard.filter(({ type }) => type === "refusal").length, 0);
    Object.assign(service.kinds, { grant });
    const again = await connectAgent(service, identity, [{ run, nextEvent: 2 }]);
    again.send({ type: "request", id: 1, request: { kind: "lease", run, publicKey } });
    assert.equal((await again.next("answer")).answer.kind, "lease");
    const { state } = await service.database.db
      .selectFrom("tasks")
      .select("state")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    assert.equal(state, "running");
    await again.close();
  });
});

suite("a word to the other processes", { skip: postgresMissing }, () => {
  test("fails nobody who has done his work when the database is gone, and comes later", {
    timeout: 240_000,
  }, async () => {
    await using server = await startPostgres();
    await server.administer("create role app login");
    const listener = new pg.Client(server.url("postgres"));
    await listener.connect();
    const heard = new Map(["live", "tasks"].map((topic) => [topic, Promise.withResolvers<void>()]));
    listener.on("notification", ({ payload }) => heard.get(payload ?? "")?.resolve());
    await listener.query("listen holdfast");
    {
      await using database = openPostgres(server.url("postgres").replace("//holdfast@", "//app@"));
      await database.notify("live");
      await heard.get("live")?.promise;
      await server.administer("alter role app nologin");
      await server.administer("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'");
      await database.notify("tasks");
      await server.administer("alter role app login");
      await heard.get("tasks")?.promise;
    }
    await listener.end();
  });
});
