/** What happens at the same moment: a transaction that is done again, and what others do between a look and a change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "@holdfast/kernel";
import { newPlan, restoreRequest } from "@holdfast/protocol";
import { openRepositoryWithKeys, storePreparedObjects } from "@holdfast/repository";
import { MemoryStorage } from "@holdfast/storage";
import { restoreCopy } from "../src/copies/copy-tasks.ts";
import { createLog } from "../src/http/log.ts";
import { problemOf } from "../src/http/problems.ts";
import { createPlan } from "../src/plans/plans.ts";
import { leaseCapability } from "../src/repositories/capability.ts";
import { findRepository, refOf } from "../src/repositories/repositories.ts";
import type { PlaceTest } from "../src/secrets/place-tests.ts";
import { listProposals } from "../src/secrets/proposal-rows.ts";
import { proposeValue, testProposal } from "../src/secrets/proposals.ts";
import { verifyVault } from "../src/secrets/verify-vault.ts";
import { createStorage } from "../src/storages/storages.ts";
import { prepareSecondFactor, removeSecondFactor } from "../src/users/second-factor.ts";
import { signIn } from "../src/users/sign-in.ts";
import { changeUser, resetPassword } from "../src/users/users.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { PASSWORD, startTestServer, type TestServer } from "./http-fixture.ts";
import { ACTOR, create, fixtureOf } from "./secrets-fixture.ts";
import { PORTS } from "./vault-fixture.ts";
import { unsteady } from "./unsteady-database.ts";

const OTHER_PASSWORD = "quite another password";
const VISITOR = { address: "192.0.2.1", userAgent: "" };

async function encryptedPlan(fixture: Catalogue): Promise<string> {
  const storage = { name: "nas", description: "", location: "/srv/nas", identity: {}, secrets: {} };
  const { id } = await createStorage(fixture, fixture.actor, storage);
  const secret = await fixture.addSecret("encryption-key", "correct horse battery");
  const encryption = { method: "gcm", level: "high", secret };
  const given = planOf({ devices: [await fixture.addDevice()], storage: id, encryption });
  return (await createPlan(fixture, fixture.actor, newPlan.parse(given))).repository;
}

forEachDatabase("a transaction that has lost a race", (open) => {
  test("stores the root secret of a repository that its slots hold", async () => {
    const database = unsteady(await open());
    await using fixture = await catalogue(database);
    database.loseRaces();
    const id = await encryptedPlan(fixture);
    const { prepared } = await refOf(database.db, await findRepository(database.db, id));
    const memory = new MemoryStorage();
    await storePreparedObjects(
      memory,
      prepared.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes, "base64") })),
    );
    const leased = await leaseCapability(database.db, fixture.vault, id, "read");
    const keys = {
      repository: Buffer.from(leased.repository, "hex"),
      tableKey: Buffer.from(leased.tableKey, "base64"),
      privateSeed: Buffer.from(leased.privateSeed ?? "", "base64"),
    };
    const process = { host: "x", bootId: "", processId: 1, startTime: "" };
    const ports = { ...PORTS, storage: memory, process, hasEnded: () => false };
    await openRepositoryWithKeys(ports, keys);
    assert.deepEqual((await verifyVault(database.db, fixture.vault)).problems, []);
  });

  test("shows a repository whose root secret was wiped before it was stored", async () => {
    await using fixture = await catalogue(await open());
    const { database, vault } = fixture;
    const id = "0a".repeat(16);
    await database.transaction((transaction) =>
      vault.put(transaction, { kind: "repository", id, version: 1, field: "value" }, Buffer.alloc(32)),
    );
    const { problems } = await verifyVault(database.db, vault);
    assert.equal(problems.length, 1);
    assert.match(problems[0]?.reason ?? "", /is empty/u);
  });
});

/** Signs in as ann; `work` is done by others while the password is verified. */
async function signInWhile(
  server: TestServer,
  work: () => Promise<unknown>,
  isOutdated = false,
): ReturnType<typeof signIn> {
  const { passwords } = server.users;
  return signIn(
    {
      ...server.users,
      passwords: {
        hash: passwords.hash,
        verify: async (password, phc) => {
          const isRight = await passwords.verify(password, phc);
          await work();
          return isRight;
        },
        isOutdated: () => isOutdated,
      },
    },
    { name: "ann", password: PASSWORD },
    VISITOR,
  );
}

const refused = (error: unknown): boolean => isAppError(error, "ERR_SIGN_IN_FAILED");

forEachDatabase("a sign-in that is under way", (open) => {
  const actorOf = (id: string) =>
    ({
      userId: id,
      name: "root",
      role: "administrator",
      rights: new Set<never>(),
      sessionId: undefined,
      address: "192.0.2.9",
    }) as const;

  test("does not bring back a password that was reset meanwhile", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const root = await server.person("root", "administrator");
    const ann = await server.person("ann", "viewer");
    const reset = () => resetPassword(server.users, actorOf(root.id), ann.id, { password: OTHER_PASSWORD });
    await assert.rejects(signInWhile(server, reset, true), refused);
    const again = { name: "ann", password: OTHER_PASSWORD };
    await signIn(server.users, again, { ...VISITOR, address: "192.0.2.2" });
  });

  test("opens no session of somebody who was shut out meanwhile", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const root = await server.person("root", "administrator");
    const ann = await server.person("ann", "viewer");
    const shutOut = () => changeUser(server.users, actorOf(root.id), ann.id, { disabled: true }, 1);
    const sessions = () =>
      database.db.selectFrom("sessions").select("id").where("user_id", "=", ann.id).execute();
    const before = await sessions();
    // The user is read before, and looked at again when the session is opened.
    await assert.rejects(signInWhile(server, shutOut), refused);
    assert.equal((await sessions()).length, before.length);
  });

  test("takes a second factor that is being set up, or was removed, for no damage of the vault", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id } = await server.person("ann", "viewer");
    const ann = { ...actorOf(id), name: "ann" };
    await signInWhile(server, () => prepareSecondFactor(server.users, ann));
    await signInWhile(server, () => removeSecondFactor(server.users, ann, id));
  });
});

forEachDatabase("between a look and a change", (open) => {
  test("a device that is removed gets no restore that would wait for ever", async () => {
    const database = unsteady(await open());
    await using fixture = await catalogue(database);
    const repository = await encryptedPlan(fixture);
    const device = await fixture.addDevice();
    const copy = "a1".repeat(32);
    await database.db
      .insertInto("copies")
      .values({
        id: copy,
        repository_id: repository,
        plan_id: null,
        device_id: device,
        task_id: null,
        time: 1,
        host: "x",
        kind: "files",
        paths: "[]",
        tags: "[]",
        size: 1,
        files: 1,
        stored: 1,
        forgotten_at: null,
      })
      .execute();
    database.meanwhile(() => database.db.deleteFrom("devices").where("id", "=", device).execute());
    const request = restoreRequest.parse({});
    await assert.rejects(restoreCopy(fixture, fixture.actor, copy, request), (error) =>
      isAppError(error, "ERR_NOT_FOUND"),
    );
    assert.deepEqual(fixture.queued, []);
  });
});

forEachDatabase("a test of a proposed value", (open) => {
  test("is made again when its process has died, or its result was lost", async () => {
    let runs = 0;
    const mail: PlaceTest = {
      by: "service",
      placeOf: async () => "mail.example",
      run: async () => {
        runs += 1;
        // Its process dies.
        if (runs === 1) await Promise.withResolvers<never>().promise;
      },
    };
    await using fixture = await fixtureOf(open, {
      findUses: [async () => [{ kind: "mail", id: "mail", name: "the mail server" }]],
      placeTests: { mail },
    });
    const { dependencies } = fixture;
    const { db } = dependencies.database;
    const { id } = await create(fixture);
    const given = { value: "another value", confirmation: "another value" };
    const proposal = await proposeValue(dependencies, ACTOR, id, given);
    await testProposal(dependencies, ACTOR, id, proposal.id);
    for (;;) {
      const [view] = await listProposals(db, id, fixture.clock.now());
      if (view?.finished === true) break;
      await sleep(10);
    }
    assert.equal(runs, 2);
  });
});

test("a single statement that PostgreSQL has ended for others is answered with a calm problem", () => {
  const lines: string[] = [];
  const log = createLog({ now: () => 0 }, (line) => lines.push(line));
  for (const code of ["40P01", "40001"]) {
    const problem = problemOf(Object.assign(new Error("deadlock detected"), { code }), log);
    assert.deepEqual([problem.status, problem.code], [503, "ERR_DATABASE_BUSY"]);
  }
});
