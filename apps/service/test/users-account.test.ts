/**
 * Second factor and API tokens.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { totpCode } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import { route } from "../src/http/route.ts";
import { resetPasswordByCommand } from "../src/users/reset-by-command.ts";
import { verifyVault } from "../src/secrets/verify-vault.ts";
import { vouchForOldFactors } from "../src/users/second-factor-head.ts";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, PASSWORD, type Reply, startTestServer, type TestServer } from "./http-fixture.ts";

/** Base 32 of RFC 4648, as an app reads it. */
function decode(text: string): Buffer {
  const bits = Array.from(text, (character) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(character).toString(2).padStart(5, "0"),
  ).join("");
  return Buffer.from(bits.match(/.{8}/gu)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

const codeAt = (server: TestServer, secret: Buffer): string =>
  totpCode(secret, Math.floor(server.clock.now() / 30_000));

const signIn = (
  server: TestServer,
  code?: string,
  password = PASSWORD,
  address = "192.0.2.1",
): Promise<Reply> =>
  server.send("POST", "/session", {
    body: { name: "ann", password, ...(code === undefined ? {} : { code }) },
    address,
  });

async function withSecondFactor(server: TestServer): Promise<{ id: string; token: string; secret: Buffer }> {
  const { id, token } = await server.person("ann", "viewer");
  const prepared = await server.send("POST", "/session/second-factor", {
    as: token,
    body: { password: PASSWORD },
  });
  assert.equal(prepared.status, 201);
  const secret = decode(prepared.body.secret);
  assert.equal(secret.length, 20);
  assert.ok(prepared.body.uri.startsWith(`otpauth://totp/Holdfast:ann?secret=${prepared.body.secret}`));
  const confirmed = await server.send("POST", "/session/second-factor/confirm", {
    as: token,
    body: { code: codeAt(server, secret) },
  });
  assert.equal(confirmed.status, 204);
  server.clock.advance(30_000);
  return { id, token, secret };
}

forEachDatabase("second factor", (open) => {
  test("signing in then needs a code, and each code serves once", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { secret } = await withSecondFactor(server);
    assertProblem(await signIn(server), 401, "ERR_SECOND_FACTOR_NEEDED");
    assertProblem(await signIn(server, "000000"), 401, "ERR_SIGN_IN_FAILED");
    const code = codeAt(server, secret);
    assertProblem(await signIn(server, code, "wrong password"), 401, "ERR_SIGN_IN_FAILED");
    assert.equal((await signIn(server, code)).status, 201);
    assertProblem(await signIn(server, code), 401, "ERR_SIGN_IN_FAILED");
    server.clock.advance(30_000);
    assert.equal((await signIn(server, codeAt(server, secret))).status, 201);
  });

  test("the same code at the same time signs in once", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { secret } = await withSecondFactor(server);
    const code = codeAt(server, secret);
    const replies = await Promise.all([signIn(server, code), signIn(server, code), signIn(server, code)]);
    assert.equal(replies.filter(({ status }) => status === 201).length, 1);
  });

  test("codes cannot be guessed for long, nor by asking without one in between", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await withSecondFactor(server);
    let guesses = 0;
    for (let round = 0; round < 20; round += 1) {
      const reply = await signIn(server, "123456", PASSWORD, `203.0.113.${String(round)}`);
      if (reply.status === 401) guesses += 1;
      await signIn(server, undefined, PASSWORD, `203.0.113.${String(round)}`);
    }
    assert.equal(guesses, 5);
  });

  test("asking for the code is no failed attempt", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { secret } = await withSecondFactor(server);
    for (let count = 0; count < 25; count += 1) {
      assertProblem(await signIn(server), 401, "ERR_SECOND_FACTOR_NEEDED");
    }
    assert.equal((await signIn(server, codeAt(server, secret))).status, 201);
  });

  test("it takes the password to make or remove one, and a code to confirm it", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("ann", "viewer");
    const post = (path: string, body: unknown) =>
      server.send("POST", `/session/second-factor${path}`, { as, body });
    assertProblem(await post("", { password: "wrong" }), 403, "ERR_PASSWORD_WRONG");
    assertProblem(await post("/confirm", { code: "000000" }), 404, "ERR_NOT_FOUND");
    await post("", { password: PASSWORD });
    assertProblem(await post("/confirm", { code: "000000" }), 422, "ERR_CONFIRMATION");
    // Not confirmed: nothing has changed.
    assert.equal((await signIn(server)).status, 201);
    const again = await post("", { password: PASSWORD });
    await post("/confirm", { code: codeAt(server, decode(again.body.secret)) });
    assertProblem(await signIn(server), 401, "ERR_SECOND_FACTOR_NEEDED");
    assertProblem(await post("/remove", { password: "wrong" }), 403, "ERR_PASSWORD_WRONG");
    assert.equal((await post("/remove", { password: PASSWORD })).status, 204);
    assert.equal((await signIn(server)).status, 201);
    const left = await database.db
      .selectFrom("vault_values")
      .select("object_id")
      .where("object_kind", "=", "totp")
      .execute();
    assert.deepEqual(left, []);
  });

  test("an administrator removes that of somebody who has lost the app", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id } = await withSecondFactor(server);
    const { token: as } = await server.person("root", "administrator");
    assert.equal((await server.send("GET", `/users/${id}`, { as })).body.secondFactor, true);
    assert.equal((await server.send("DELETE", `/users/${id}/second-factor`, { as })).status, 204);
    assert.equal((await signIn(server)).status, 201);
  });

  test("an older one that is put back into the database, or taken off there, signs nobody in", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { db } = database;
    await vouchForOldFactors({ ...server.users, vault: server.vault });
    const { id, token, secret: old } = await withSecondFactor(server);
    const rowOf = () => db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
    const values = () =>
      db.selectFrom("vault_values").selectAll().where("object_kind", "=", "totp").execute();
    const [oldUser, oldValues] = [await rowOf(), await values()];
    const post = (path: string, body: unknown) =>
      server.send("POST", `/session/second-factor${path}`, { as: token, body });
    await post("/remove", { password: PASSWORD });
    server.clock.advance(1000);
    const { body } = await post("", { password: PASSWORD });
    const secret = decode(body.secret);
    assert.equal((await post("/confirm", { code: codeAt(server, secret) })).status, 204);
    server.clock.advance(60_000);
    const newUser = await rowOf();
    const factor = ({ totp_version, totp_pending_version, totp_head_box }: typeof newUser) => ({
      totp_version,
      totp_pending_version,
      totp_head_box,
    });
    const setUser = (set: Partial<typeof newUser>) =>
      db.updateTable("users").set(set).where("id", "=", id).execute();
    const refused = async (code: string | undefined, what: string): Promise<void> => {
      const reply = await signIn(server, code);
      assert.deepEqual([reply.status, reply.body.code], [500, "ERR_VAULT_DAMAGED"], what);
      const { problems } = await verifyVault(db, server.vault);
      assert(
        problems.some(({ subject }) => subject.includes(id)),
        what,
      );
    };
    // The row alone, with the older secret beside the newer one, and without the box.
    await setUser(factor(oldUser));
    await refused(codeAt(server, old), "the row");
    await db.insertInto("vault_values").values(oldValues).execute();
    await refused(codeAt(server, old), "row and secret");
    await setUser({ ...factor(oldUser), totp_head_box: newUser.totp_head_box });
    await refused(codeAt(server, old), "with the newer box");
    await setUser({ ...factor(newUser), totp_head_box: null });
    await refused(codeAt(server, secret), "without a box");
    // Taken off, which would need no code at all.
    await setUser({ totp_version: null, totp_head_box: null });
    await refused(undefined, "taken off");
    await setUser(factor(newUser));
    server.clock.advance(30_000);
    assert.equal((await signIn(server, codeAt(server, secret))).status, 201);
    assert(oldValues[0]?.version !== (await rowOf()).totp_version, "a version is not used twice");
  });

  test("one that is older than the boxes is vouched for once", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id, secret } = await withSecondFactor(server);
    const forget = () =>
      database.db.updateTable("users").set({ totp_head_box: null }).where("id", "=", id).execute();
    await forget();
    assert.equal((await signIn(server, codeAt(server, secret))).body.code, "ERR_VAULT_DAMAGED");
    assert.equal(await vouchForOldFactors({ ...server.users, vault: server.vault }), 1);
    assert.equal((await signIn(server, codeAt(server, secret))).status, 201);
    await forget();
    assert.equal(await vouchForOldFactors({ ...server.users, vault: server.vault }), 0);
    server.clock.advance(30_000);
    assert.equal((await signIn(server, codeAt(server, secret))).body.code, "ERR_VAULT_DAMAGED");
  });

  test("the database does not have the secret in clear", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { secret } = await withSecondFactor(server);
    const rows = await database.db.selectFrom("vault_values").selectAll().execute();
    assert.ok(rows.some(({ object_kind }) => object_kind === "totp"));
    for (const { value_box, key_box } of rows) {
      assert.ok(!value_box.includes(secret) && !key_box.includes(secret));
    }
  });
});

const readPlans = route({
  method: "GET",
  path: "/sample",
  operation: "sample",
  summary: "",
  tag: "sample",
  right: "plans.edit",
  handle: async () => {},
});

forEachDatabase("API tokens", (open) => {
  const create = (server: TestServer, as: string, body: object = {}): Promise<Reply> =>
    server.send("POST", "/tokens", {
      as,
      body: { name: "script", scopes: ["plans.edit"], expiresAt: null, ...body },
    });
  const use = (server: TestServer, token: string, path = "/sample"): Promise<Reply> =>
    server.send("GET", path, { headers: { authorization: `Bearer ${token}` } });

  test("a token acts for its person within its scopes, and is kept as a hash", async () => {
    await using database = await open();
    await using server = await startTestServer(database, [readPlans]);
    const { token: as } = await server.person("ann", "administrator");
    const made = await create(server, as);
    assert.equal(made.status, 201);
    const { token, id } = made.body;
    assert.match(token, /^holdfast_[A-Za-z0-9_-]{43}$/u);
    assert.equal((await use(server, token)).status, 204);
    assert.deepEqual((await use(server, token, "/session")).body.rights, ["plans.edit"]);
    assertProblem(await use(server, token, "/users"), 403, "ERR_FORBIDDEN");
    const list = await server.send("GET", "/tokens", { as });
    assert.deepEqual(
      [list.body.items.length, list.body.items[0].id, list.body.items[0].token],
      [1, id, undefined],
    );
    assert.equal(list.body.items[0].usedAt, server.clock.now());
    const rows = await database.db.selectFrom("api_tokens").selectAll().execute();
    assert.ok(!JSON.stringify([rows, server.log]).includes(token));
    assert.equal((await server.send("DELETE", `/tokens/${id}`, { as })).status, 204);
    assertProblem(await use(server, token), 401, "ERR_SIGN_IN_NEEDED");
  });

  test("it never does more than its person may now", async () => {
    await using database = await open();
    await using server = await startTestServer(database, [readPlans]);
    const { token: root } = await server.person("root", "administrator");
    const { id, token: as } = await server.person("ann", "backup-operator");
    assertProblem(await create(server, as, { scopes: ["users.edit"] }), 403, "ERR_FORBIDDEN");
    const { token } = (await create(server, as)).body;
    const change = (revision: number, body: unknown) =>
      server.send("PATCH", `/users/${id}`, {
        as: root,
        body,
        headers: { "if-match": `"${String(revision)}"` },
      });
    await change(1, { role: "viewer" });
    assertProblem(await use(server, token), 403, "ERR_FORBIDDEN");
    await change(2, { role: "backup-operator" });
    assert.equal((await use(server, token)).status, 204);
    await change(3, { disabled: true });
    assertProblem(await use(server, token), 401, "ERR_SIGN_IN_NEEDED");
  });

  test("it ends at its time, and when an administrator sets the password", async () => {
    await using database = await open();
    await using server = await startTestServer(database, [readPlans]);
    const { token: root } = await server.person("root", "administrator");
    const { id, token: as } = await server.person("ann", "backup-operator");
    const past = server.clock.now() - 1;
    assertProblem(await create(server, as, { expiresAt: past }), 422, "ERR_USAGE");
    const short = (await create(server, as, { expiresAt: server.clock.now() + 60_000 })).body.token;
    const long = (await create(server, as)).body.token;
    assert.equal((await use(server, short)).status, 204);
    server.clock.advance(60_001);
    assertProblem(await use(server, short), 401, "ERR_SIGN_IN_NEEDED");
    assert.equal((await use(server, long)).status, 204);
    await server.send("POST", `/users/${id}/password`, {
      as: root,
      body: { password: "another good password" },
    });
    assertProblem(await use(server, long), 401, "ERR_SIGN_IN_NEEDED");
  });

  test("it makes no tokens, changes no password, and reads none of others", async () => {
    await using database = await open();
    await using server = await startTestServer(database, [readPlans]);
    const { token: as } = await server.person("ann", "administrator");
    const { token: other } = await server.person("bob", "administrator");
    const { token, id } = (await create(server, as)).body;
    const headers = { authorization: `Bearer ${token}` };
    for (const [path, body] of [
      ["/tokens", { name: "x", scopes: ["plans.edit"], expiresAt: null }],
      ["/session/password", { current: PASSWORD, password: "another good password" }],
      ["/session/second-factor", { password: PASSWORD }],
    ] as const) {
      assertProblem(await server.send("POST", path, { headers, body }), 403, "ERR_FORBIDDEN");
    }
    assertProblem(await server.send("DELETE", "/session", { headers }), 403, "ERR_FORBIDDEN");
    assertProblem(await server.send("DELETE", `/tokens/${id}`, { as: other }), 404, "ERR_NOT_FOUND");
    assert.deepEqual((await server.send("GET", "/tokens", { as: other })).body.items, []);
  });

  test("a repeated creation gives the same token, which no database has", async () => {
    await using database = await open();
    await using server = await startTestServer(database, [readPlans]);
    const { token: as } = await server.person("ann", "administrator");
    const body = { name: "x", scopes: ["plans.edit"], expiresAt: null };
    const headers = { "idempotency-key": "one" };
    const first = await server.send("POST", "/tokens", { as, body, headers });
    const second = await server.send("POST", "/tokens", { as, body, headers });
    assert.deepEqual(second.body, first.body);
    const rows = await database.db.selectFrom("idempotency_keys").selectAll().execute();
    assert.ok(!Buffer.from(rows[0]?.body ?? "", "base64").includes(first.body.token));
  });

  test("another scheme, an empty or a wrong token is nobody, whatever the cookie says", async () => {
    await using database = await open();
    await using server = await startTestServer(database, [readPlans]);
    const { token: as } = await server.person("ann", "administrator");
    for (const authorization of ["Basic YTpi", "Bearer", "Bearer x", `Bearer ${as}`, "Bearer a b"]) {
      assertProblem(
        await server.send("GET", "/sample", { as, headers: { authorization } }),
        401,
        "ERR_SIGN_IN_NEEDED",
      );
    }
  });

  test("a program needs no Origin, and none is held against it", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("ann", "administrator");
    const { token } = (await create(server, as, { scopes: ["users.edit"] })).body;
    const headers = { authorization: `Bearer ${token}`, "sec-fetch-site": "cross-site" };
    const body = { name: "new", role: "viewer", password: PASSWORD };
    assert.equal((await server.send("POST", "/users", { headers, body })).status, 201);
  });
});

forEachDatabase("reset of a password by the command", (open) => {
  test("lets somebody in again who has lost everything, and nobody else", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id, token } = await withSecondFactor(server);
    await database.db.updateTable("users").set({ disabled: 1 }).where("id", "=", id).execute();
    const password = "another good password";
    const missing = resetPasswordByCommand(server.users, "nobody", password);
    await assert.rejects(missing, (error) => isAppError(error, "ERR_NOT_FOUND"));
    const weak = resetPasswordByCommand(server.users, "ann", "short");
    await assert.rejects(weak, (error) => isAppError(error, "ERR_PASSWORD_WEAK"));
    await resetPasswordByCommand(server.users, "ann", password);
    assertProblem(await server.send("GET", "/session", { as: token }), 401, "ERR_SIGN_IN_NEEDED");
    assert.equal((await signIn(server, undefined, password)).status, 201);
    const row = await database.db
      .selectFrom("audit_rows")
      .select(["actor_kind", "action"])
      .where("actor_kind", "=", "command")
      .executeTakeFirst();
    assert.deepEqual(row, { actor_kind: "command", action: "user.password" });
  });
});
