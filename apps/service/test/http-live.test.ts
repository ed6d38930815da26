import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KyselyPlugin } from "kysely";
import type { Database } from "../src/database/database.ts";
import { liveRoutes } from "../src/http/live.ts";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, startTestServer, type TestServer } from "./http-fixture.ts";

interface Watcher {
  readonly response: IncomingMessage;
  /** Resolves with the event's data. */
  readonly next: () => Promise<string>;
}

async function watch(server: TestServer, token: string): Promise<Watcher> {
  const address = server.app.server.address();
  assert.ok(typeof address === "object" && address !== null);
  const request = get({
    host: "127.0.0.1",
    port: address.port,
    path: "/api/v1/live",
    headers: { cookie: `__Host-holdfast=${token}` },
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve).once("error", reject);
  });
  response.setEncoding("utf8");
  let text = "";
  response.on("data", (part: string) => {
    text += part;
  });
  response.on("error", () => {});
  const next = async (): Promise<string> => {
    for (;;) {
      const match = /event: change\ndata: (.*)\n\n/u.exec(text);
      if (match?.[1] !== undefined) {
        text = text.slice(match.index + match[0].length);
        return match[1];
      }
      await once(response, "data");
    }
  };
  return { response, next };
}

forEachDatabase("live events", (open) => {
  test("a change is told to those who watch", async () => {
    await using database = await open();
    await using server = await startTestServer(database, liveRoutes({ database }));
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { token } = await server.person("ann", "viewer");
    const watcher = await watch(server, token);
    assert.equal(watcher.response.headers["content-type"], "text/event-stream; charset=utf-8");
    if (database.kind === "postgres") await watcher.next();
    await Promise.all([database.notify("tasks"), database.notify("live"), database.notify("tasks")]);
    const told = new Set<string>();
    while (told.size < 2) for (const topic of JSON.parse(await watcher.next())) told.add(topic);
    assert.deepEqual(told, new Set(["live", "tasks"]));
    watcher.response.destroy();
  });

  test("stopping the server ends the streams", async () => {
    await using database = await open();
    await using server = await startTestServer(database, liveRoutes({ database }));
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { token } = await server.person("ann", "viewer");
    const { response } = await watch(server, token);
    const ended = new Promise((resolve) => {
      response.once("close", resolve);
    });
    await server.app.close();
    await ended;
  });

  test("it ends with the session, whose hour without use it does not prolong", async () => {
    await using database = await open();
    await using server = await startTestServer(database, liveRoutes({ database }), { streamCheckMs: 20 });
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { id, token } = await server.person("ann", "viewer");
    const { response } = await watch(server, token);
    const ended = new Promise((resolve) => {
      response.once("close", resolve);
    });
    const used = async () => database.db.selectFrom("sessions").select("used_at").execute();
    const before = await used();
    server.clock.advance(30 * 60_000);
    await sleep(100);
    assert.equal(response.closed, false);
    assert.deepEqual(await used(), before);
    await database.db.updateTable("users").set({ disabled: 1 }).where("id", "=", id).execute();
    await ended;
  });

  test("it bears a database that is lost for a moment, and no more", async () => {
    await using database = await open();
    let failures = 0;
    let looks = 0;
    const plugin: KyselyPlugin = {
      transformQuery: ({ node }) => {
        looks += 1;
        failures -= 1;
        if (failures >= 0) throw new Error("Connection terminated unexpectedly");
        return node;
      },
      transformResult: async ({ result }) => result,
    };
    const moody: Database = { ...database, db: database.db.withPlugin(plugin) };
    await using server = await startTestServer(moody, liveRoutes({ database }), { streamCheckMs: 20 });
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { token } = await server.person("ann", "viewer");
    const { response } = await watch(server, token);
    const ended = new Promise((resolve) => {
      response.once("close", resolve);
    });
    looks = 0;
    failures = 2;
    const isOver = (): boolean => looks >= 8 || response.closed;
    while (!isOver()) await sleep(10);
    assert.equal(response.closed, false);
    failures = Number.POSITIVE_INFINITY;
    await ended;
  });

  test("it is for who is signed in, and for twelve pages of each", async () => {
    await using database = await open();
    await using server = await startTestServer(database, liveRoutes({ database }));
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { token } = await server.person("ann", "viewer");
    assertProblem(await server.send("GET", "/live"), 401, "ERR_SIGN_IN_NEEDED");
    const watchers = await Promise.all(Array.from({ length: 12 }, () => watch(server, token)));
    assertProblem(await server.send("GET", "/live", { as: token }), 429, "ERR_TOO_MANY_ATTEMPTS");
    for (const { response } of watchers) {
      assert.equal(response.statusCode, 200);
      response.destroy();
    }
  });
});
