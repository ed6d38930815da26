/**
 * Lists of sessions, their end, and the one limit on asking for a person's own password.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "../src/database/database.ts";
import { requireOwnPassword } from "../src/users/own-password.ts";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, PASSWORD, startTestServer, type TestServer } from "./http-fixture.ts";

async function signIn(server: TestServer, name: string, address: string, agent: string): Promise<string> {
  const reply = await server.send("POST", "/session", {
    body: { name, password: PASSWORD },
    address,
    headers: { "user-agent": agent },
  });
  assert.equal(reply.status, 201);
  return reply.cookie ?? "";
}

const isAlive = async (server: TestServer, token: string): Promise<boolean> =>
  (await server.send("GET", "/session", { as: token })).status === 200;

async function endings(database: Database): Promise<unknown[]> {
  const rows = await database.db
    .selectFrom("audit_rows")
    .select(["actor_id", "subject_id", "details"])
    .where("action", "=", "session.end")
    .orderBy("number")
    .execute();
  return rows.map((row) => [row.actor_id, row.subject_id, JSON.parse(row.details).count]);
}

forEachDatabase("sessions", (open) => {
  test("people see where they are signed in, and end one or all others", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const ann = await server.person("ann", "viewer");
    const bob = await server.person("bob", "viewer");
    const here = await signIn(server, "ann", "192.0.2.7", "Browser A");
    server.clock.advance(60_000);
    const there = await signIn(server, "ann", "2001:db8:1:2:3::4", "Browser B");
    server.clock.advance(60_000);
    const { body } = await server.send("GET", "/sessions", { as: here });
    assert.deepEqual(
      body.items.map(({ current, method, address, userAgent }: Record<string, unknown>) => [
        current,
        method,
        address,
        userAgent,
      ]),
      [
        [true, "password", "192.0.2.7", "Browser A"],
        [false, "password", "2001:db8:1:2::/64", "Browser B"],
        [false, "password", "198.51.100.1", ""],
      ],
    );
    assert.ok(!JSON.stringify(body).includes(there));
    const other = body.items[1].id;
    assertProblem(await server.send("DELETE", `/sessions/${other}`, { as: bob.token }), 404, "ERR_NOT_FOUND");
    assert.equal((await server.send("DELETE", `/sessions/${other}`, { as: here })).status, 204);
    assert.equal(await isAlive(server, there), false);
    assertProblem(await server.send("DELETE", `/sessions/${other}`, { as: here }), 404, "ERR_NOT_FOUND");
    assert.equal((await server.send("DELETE", "/sessions", { as: here })).status, 204);
    assert.deepEqual(
      [await isAlive(server, here), await isAlive(server, ann.token), await isAlive(server, bob.token)],
      [true, false, true],
    );
    assert.deepEqual(await endings(database), [
      [ann.id, ann.id, 1],
      [ann.id, ann.id, 1],
    ]);
    const left = await server.send("GET", "/sessions", { as: here });
    assert.equal(left.body.items.length, 1);
  });

  test("a session that was not used for an hour is none any more", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    const here = await signIn(server, "ann", "192.0.2.7", "A");
    server.clock.advance(59 * 60_000);
    const { body } = await server.send("GET", "/sessions", { as: here });
    assert.equal(body.items.length, 2);
    server.clock.advance(2 * 60_000);
    const later = await server.send("GET", "/sessions", { as: here });
    assert.deepEqual(
      later.body.items.map(({ userAgent }: { userAgent: string }) => userAgent),
      ["A"],
    );
  });

  test("administrators see and end those of others, and keep their own", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const root = await server.person("root", "administrator");
    const ann = await server.person("ann", "viewer");
    const here = await signIn(server, "ann", "192.0.2.7", "A");
    const url = `/users/${ann.id}/sessions`;
    assertProblem(await server.send("GET", url, { as: ann.token }), 403, "ERR_FORBIDDEN");
    const { body } = await server.send("GET", url, { as: root.token });
    assert.equal(body.items.length, 2);
    const wrong = `/users/${root.id}/sessions/${body.items[0].id}`;
    assertProblem(await server.send("DELETE", wrong, { as: root.token }), 404, "ERR_NOT_FOUND");
    const first = await server.send("DELETE", `${url}/${body.items[0].id}`, { as: root.token });
    assert.equal(first.status, 204);
    assert.equal((await isAlive(server, ann.token)) !== (await isAlive(server, here)), true);
    await server.send("DELETE", url, { as: root.token });
    assert.deepEqual([await isAlive(server, ann.token), await isAlive(server, here)], [false, false]);
    assert.equal((await server.send("DELETE", `/users/${root.id}/sessions`, { as: root.token })).status, 204);
    assert.equal(await isAlive(server, root.token), true);
    assert.deepEqual(await endings(database), [
      [root.id, ann.id, 1],
      [root.id, ann.id, 1],
      [root.id, root.id, 0],
    ]);
  });

  test("an API token ends no session", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const root = await server.person("root", "administrator");
    const made = await server.send("POST", "/tokens", {
      as: root.token,
      body: { name: "t", scopes: ["users.read"], expiresAt: null },
    });
    const headers = { authorization: `Bearer ${String(made.body.token)}` };
    assertProblem(await server.send("DELETE", "/sessions", { headers }), 403, "ERR_FORBIDDEN");
  });
});

forEachDatabase("one's own password, asked again", (open) => {
  test("wrong ones count together, whatever they were asked for, and leave the sign-in alone", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id, token: as } = await server.person("ann", "viewer");
    const change = (current: string) =>
      server.send("POST", "/session/password", { as, body: { current, password: "another long one" } });
    const factor = (password: string) =>
      server.send("POST", "/session/second-factor", { as, body: { password } });
    const actor = {
      userId: id,
      name: "ann",
      role: "viewer",
      rights: new Set<never>(),
      sessionId: undefined,
      address: "192.0.2.9",
    } as const;
    const reveal = (password: string) => requireOwnPassword(server.users, actor, password, "secret.reveal");
    assertProblem(await change("wrong"), 403, "ERR_PASSWORD_WRONG");
    assertProblem(await factor("wrong"), 403, "ERR_PASSWORD_WRONG");
    await assert.rejects(reveal("wrong"), { code: "ERR_PASSWORD_WRONG" });
    assertProblem(await change(""), 403, "ERR_PASSWORD_WRONG");
    assertProblem(await factor("wrong"), 403, "ERR_PASSWORD_WRONG");
    assertProblem(await change(PASSWORD), 429, "ERR_TOO_MANY_ATTEMPTS");
    await assert.rejects(reveal(PASSWORD), { code: "ERR_TOO_MANY_ATTEMPTS" });
    await signIn(server, "ann", "192.0.2.200", "A");
    server.clock.advance(15 * 60_000);
    await reveal(PASSWORD);
    const rows = await database.db
      .selectFrom("audit_rows")
      .select("details")
      .where("action", "=", "user.password-refused")
      .orderBy("number")
      .execute();
    assert.deepEqual(
      rows.map(({ details }) => JSON.parse(details).for),
      ["user.password", "user.second-factor", "secret.reveal", "user.password", "user.second-factor"],
    );
  });

  test("changing one's own name needs it, and a name that is free", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("ann", "viewer");
    await server.person("bob", "viewer");
    const change = (name: string, password: string) =>
      server.send("POST", "/session/name", { as, body: { name, password } });
    assertProblem(await change("anna", "wrong"), 403, "ERR_PASSWORD_WRONG");
    assertProblem(await change("bob", PASSWORD), 409, "ERR_NAME_TAKEN");
    assertProblem(await change("Anna", PASSWORD), 422, "ERR_INPUT");
    assert.equal((await change("anna", PASSWORD)).status, 204);
    assert.equal((await server.send("GET", "/session", { as })).body.user.name, "anna");
    await signIn(server, "anna", "192.0.2.1", "A");
    const old = await server.send("POST", "/session", { body: { name: "ann", password: PASSWORD } });
    assertProblem(old, 401, "ERR_SIGN_IN_FAILED");
  });
});
