/**
 * Invitations by link.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, type Reply, startTestServer, type TestServer } from "./http-fixture.ts";

const CHOSEN = "chosen by myself";
const DAY_MS = 24 * 3_600_000;

const accept = (server: TestServer, token: unknown, password = CHOSEN): Promise<Reply> =>
  server.send("POST", "/session/invitation", { body: { token, password } });

async function invite(server: TestServer, as: string, name = "ivy"): Promise<Reply> {
  const reply = await server.send("POST", "/users/invitations", {
    as,
    body: { name, role: "viewer", rights: ["secrets.list"] },
  });
  assert.equal(reply.status, 201, JSON.stringify(reply.body));
  return reply;
}

forEachDatabase("invitations", (open) => {
  test("a link makes somebody choose a password, once", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("root", "administrator");
    const { body } = await invite(server, as);
    assert.equal(body.expiresAt, server.clock.now() + 7 * DAY_MS);
    assert.deepEqual(
      [body.user.hasPassword, body.user.invitedUntil, body.user.lastSignInAt],
      [false, body.expiresAt, null],
    );
    const rows = await database.db.selectFrom("invitations").selectAll().execute();
    assert.ok(!JSON.stringify(rows).includes(body.token));
    for (const password of ["", " ", "x"]) {
      const early = await server.send("POST", "/session", { body: { name: "ivy", password } });
      assertProblem(early, 401, "ERR_SIGN_IN_FAILED");
    }
    assertProblem(await accept(server, "x".repeat(43)), 403, "ERR_INVITATION");
    assertProblem(await accept(server, body.token, "short"), 422, "ERR_PASSWORD_WEAK");
    const accepted = await accept(server, body.token);
    assert.equal(accepted.status, 201);
    assert.equal(accepted.body.user.name, "ivy");
    assert.ok(accepted.body.rights.includes("secrets.list"));
    assert.equal((await server.send("GET", "/session", { as: accepted.cookie })).status, 200);
    assertProblem(await accept(server, body.token), 403, "ERR_INVITATION");
    const signedIn = await server.send("POST", "/session", { body: { name: "ivy", password: CHOSEN } });
    assert.equal(signedIn.status, 201);
    const { body: user } = await server.send("GET", `/users/${String(body.user.id)}`, { as });
    assert.deepEqual(
      [user.hasPassword, user.invitedUntil, user.lastSignInAt],
      [true, null, server.clock.now()],
    );
  });

  test("at the same time it serves one alone", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("root", "administrator");
    const { body } = await invite(server, as);
    const replies = await Promise.all(
      [1, 2, 3].map((n) => accept(server, body.token, `${CHOSEN} ${String(n)}`)),
    );
    assert.equal(replies.filter(({ status }) => status === 201).length, 1);
    assert.equal(replies.filter(({ body: answer }) => answer.code === "ERR_INVITATION").length, 2);
  });

  test("it ends after seven days, by a new one, by being withdrawn, with the user, and with a password", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const root = await server.person("root", "administrator");
    const { as } = { as: root.token };
    const first = await invite(server, as);
    const id = String(first.body.user.id);
    const renew = () => server.send("POST", `/users/${id}/invitation`, { as });
    const second = await renew();
    assert.equal(second.status, 201);
    assertProblem(await accept(server, first.body.token), 403, "ERR_INVITATION");
    assert.equal((await server.send("DELETE", `/users/${id}/invitation`, { as })).status, 204);
    assertProblem(await server.send("DELETE", `/users/${id}/invitation`, { as }), 404, "ERR_NOT_FOUND");
    assertProblem(await accept(server, second.body.token), 403, "ERR_INVITATION");
    const third = await renew();
    server.clock.advance(7 * DAY_MS);
    assertProblem(await accept(server, third.body.token), 403, "ERR_INVITATION");
    // The administrator's own session is over by now as well.
    const again = await server.send("POST", "/session", {
      body: { name: "root", password: "correct horse battery" },
    });
    const later = { as: again.cookie };
    const fourth = await server.send("POST", `/users/${id}/invitation`, later);
    const { body: user } = await server.send("GET", `/users/${id}`, later);
    const disable = (disabled: boolean, revision: number) =>
      server.send("PATCH", `/users/${id}`, {
        ...later,
        body: { disabled },
        headers: { "if-match": `"${String(revision)}"` },
      });
    await disable(true, user.revision);
    assertProblem(await accept(server, fourth.body.token), 403, "ERR_INVITATION");
    await disable(false, user.revision + 1);
    const set = await server.send("POST", `/users/${id}/password`, { ...later, body: { password: CHOSEN } });
    assert.equal(set.status, 204);
    assertProblem(await accept(server, fourth.body.token), 403, "ERR_INVITATION");
    assertProblem(await server.send("POST", `/users/${id}/invitation`, later), 409, "ERR_IN_USE");
  });

  test("a name that is taken is not invited, and tokens cannot be guessed for long", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("root", "administrator");
    const taken = await server.send("POST", "/users/invitations", {
      as,
      body: { name: "root", role: "viewer" },
    });
    assertProblem(taken, 409, "ERR_NAME_TAKEN");
    for (let count = 0; count < 10; count += 1) await accept(server, "x".repeat(43));
    assertProblem(await accept(server, "x".repeat(43)), 429, "ERR_TOO_MANY_ATTEMPTS");
  });

  test("the same Idempotency-Key invites once, with the same token", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("root", "administrator");
    const send = () =>
      server.send("POST", "/users/invitations", {
        as,
        body: { name: "ivy", role: "viewer" },
        headers: { "idempotency-key": "once" },
      });
    const [one, two] = [await send(), await send()];
    assert.equal(two.status, 201);
    assert.equal(one.body.token, two.body.token);
  });
});
