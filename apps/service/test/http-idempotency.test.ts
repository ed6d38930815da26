import assert from "node:assert/strict";
import { test } from "node:test";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, type Reply, type TestServer } from "./http-fixture.ts";
import { startWithSamples } from "./http-samples.ts";

forEachDatabase("Idempotency-Key", (open) => {
  const post = (server: TestServer, as: string, key: string, name: string): Promise<Reply> =>
    server.send("POST", "/things", { as, body: { name }, headers: { "idempotency-key": key } });

  test("a repetition gets the first answer and creates nothing", async () => {
    await using database = await open();
    const calls: unknown[] = [];
    await using server = await startWithSamples(calls, database);
    const { token } = await server.person("ann", "administrator");
    const first = await post(server, token, "key", "x");
    const second = await post(server, token, "key", "x");
    assert.deepEqual([second.status, second.body, second.headers["etag"]], [201, first.body, '"7"']);
    assert.equal(second.headers["idempotency-replayed"], "true");
    assert.equal(calls.length, 1);
    assert.equal((await post(server, token, "other", "x")).body.id, "2");
  });

  test("another body under the same key is refused", async () => {
    await using database = await open();
    const calls: unknown[] = [];
    await using server = await startWithSamples(calls, database);
    const { token } = await server.person("ann", "administrator");
    await post(server, token, "key", "x");
    assertProblem(await post(server, token, "key", "y"), 422, "ERR_IDEMPOTENCY_KEY");
    assert.equal(calls.length, 1);
  });

  test("of several at once one creates", async () => {
    await using database = await open();
    const calls: unknown[] = [];
    await using server = await startWithSamples(calls, database);
    const { token } = await server.person("ann", "administrator");
    const replies = await Promise.all(Array.from({ length: 5 }, () => post(server, token, "key", "x")));
    assert.equal(calls.length, 1);
    for (const { status, body } of replies) {
      assert.ok(status === 201 || (status === 409 && body.code === "ERR_IN_PROGRESS"));
    }
  });

  test("a failed request leaves its key free, and the key of one person is not that of another", async () => {
    await using database = await open();
    const calls: unknown[] = [];
    await using server = await startWithSamples(calls, database);
    const ann = await server.person("ann", "administrator");
    const bob = await server.person("bob", "administrator");
    assertProblem(await post(server, ann.token, "key", "refuse"), 409, "ERR_IN_USE");
    assert.equal((await post(server, ann.token, "key", "x")).body.id, "2");
    assert.equal((await post(server, bob.token, "key", "x")).body.id, "3");
  });

  test("after a day a key is new, and a reservation that was left is taken over", async () => {
    await using database = await open();
    const calls: unknown[] = [];
    await using server = await startWithSamples(calls, database);
    const { token } = await server.person("ann", "administrator");
    await post(server, token, "key", "x");
    await database.db
      .updateTable("idempotency_keys")
      .set((eb) => ({ created_at: eb("created_at", "-", 86_400_001) }))
      .execute();
    assert.equal((await post(server, token, "key", "y")).body.id, "2");
    await database.db.updateTable("idempotency_keys").set({ status: 0 }).execute();
    assertProblem(await post(server, token, "key", "y"), 409, "ERR_IN_PROGRESS");
    server.clock.advance(11 * 60_000);
    assert.equal((await post(server, token, "key", "y")).body.id, "3");
  });

  test("the database learns neither request nor answer", async () => {
    await using database = await open();
    await using server = await startWithSamples([], database);
    const { token } = await server.person("ann", "administrator");
    await post(server, token, "key", "plainly");
    const [row] = await database.db.selectFrom("idempotency_keys").selectAll().execute();
    const text = JSON.stringify(row) + Buffer.from(row?.body ?? "", "base64").toString("latin1");
    assert.ok(!text.includes("plainly") && !text.includes("shown"));
  });

  test("malformed keys are refused", async () => {
    await using database = await open();
    await using server = await startWithSamples([], database);
    const { token } = await server.person("ann", "administrator");
    for (const key of ["", "a b", "x".repeat(256), "ä"]) {
      assertProblem(await post(server, token, key, "x"), 422, "ERR_INPUT");
    }
  });
});
