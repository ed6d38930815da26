/**
 * Set-up, sign-in, sessions and users over HTTP.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "../src/database/database.ts";
import { nameSubject } from "../src/users/attempts.ts";
import { createSetupToken } from "../src/users/setup.ts";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, PASSWORD, type Reply, startTestServer, type TestServer } from "./http-fixture.ts";

const NEW_PASSWORD = "another good password";

async function actionsOf(database: Database): Promise<string[]> {
  const rows = await database.db.selectFrom("audit_rows").select("action").orderBy("number").execute();
  return rows.map(({ action }) => action);
}

const signIn = (server: TestServer, name: string, password: string, address?: string): Promise<Reply> =>
  server.send("POST", "/session", {
    body: { name, password },
    ...(address === undefined ? {} : { address }),
  });

forEachDatabase("set-up", (open) => {
  test("the token makes the first administrator, once, and signs in", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    assert.deepEqual((await server.send("GET", "/setup")).body, { needed: true });
    const token = await createSetupToken(server.users);
    const body = { token, name: "root", password: PASSWORD };
    const made = await server.send("POST", "/setup", { body });
    assert.equal(made.status, 201);
    assert.equal(made.body.user.name, "root");
    assert.equal(made.body.user.role, "administrator");
    assert.equal((await server.send("GET", "/session", { as: made.cookie })).body.user.name, "root");
    assert.deepEqual((await server.send("GET", "/setup")).body, { needed: false });
    assertProblem(
      await server.send("POST", "/setup", { body: { ...body, name: "second" } }),
      403,
      "ERR_SETUP",
    );
    assert.equal(await createSetupToken(server.users), undefined);
    assert.equal((await signIn(server, "root", PASSWORD)).status, 201);
    assert.deepEqual(await actionsOf(database), ["service.setup", "session.start"]);
  });

  test("of two at once with valid tokens one becomes administrator", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const tokens = [await createSetupToken(server.users), await createSetupToken(server.users)];
    const replies = await Promise.all(
      tokens.map((token, index) =>
        server.send("POST", "/setup", { body: { token, name: `root${String(index)}`, password: PASSWORD } }),
      ),
    );
    assert.deepEqual(
      replies.map(({ status }) => status).toSorted((a, b) => a - b),
      [201, 403],
    );
    assert.equal((await database.db.selectFrom("users").select("id").execute()).length, 1);
  });

  test("a wrong or expired token, and one after many wrong ones, is refused", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const token = await createSetupToken(server.users);
    const attempt = (given: string | undefined, password = PASSWORD) =>
      server.send("POST", "/setup", { body: { token: given, name: "root", password } });
    assertProblem(await attempt("x".repeat(43)), 403, "ERR_SETUP");
    assertProblem(await attempt(token, "short"), 422, "ERR_PASSWORD_WEAK");
    for (let count = 0; count < 9; count += 1) await attempt("x".repeat(43));
    assertProblem(await attempt(token), 429, "ERR_TOO_MANY_ATTEMPTS");
    server.clock.advance(24 * 3_600_000);
    assertProblem(await attempt(token), 403, "ERR_SETUP");
    assert.deepEqual(await database.db.selectFrom("users").selectAll().execute(), []);
  });
});

forEachDatabase("sign-in", (open) => {
  test("the cookie is for this host alone, over TLS, and for no script", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    const reply = await signIn(server, "Ann ", PASSWORD);
    assert.equal(reply.status, 201);
    const header = String(reply.headers["set-cookie"]);
    assert.match(header, /^__Host-holdfast=[A-Za-z0-9_-]{43}; /u);
    for (const attribute of ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"])
      assert.ok(header.includes(attribute));
    assert.ok(!/Domain|Max-Age|Expires/iu.test(header));
    const rows = await database.db.selectFrom("sessions").selectAll().execute();
    assert.ok(!JSON.stringify(rows).includes(reply.cookie ?? "?"));
    assert.deepEqual(
      reply.body.rights,
      (await server.send("GET", "/session", { as: reply.cookie })).body.rights,
    );
  });

  test("a wrong password, an unknown name and a disabled user get the same answer", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id } = await server.person("ann", "viewer");
    await server.person("bob", "viewer");
    await database.db.updateTable("users").set({ disabled: 1 }).where("id", "=", id).execute();
    const replies = [
      await signIn(server, "bob", "wrong password"),
      await signIn(server, "nobody", PASSWORD),
      await signIn(server, "ann", PASSWORD),
      await signIn(server, "", ""),
    ];
    for (const reply of replies) {
      assertProblem(reply, 401, "ERR_SIGN_IN_FAILED");
      assert.deepEqual(reply.body, replies[0]?.body);
      assert.equal(reply.cookie, undefined);
    }
  });

  test("an unknown name costs the same work", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    const worked: (string | undefined)[] = [];
    const { verify } = server.users.passwords;
    Object.assign(server.users.passwords, {
      verify: async (password: string, phc: string | undefined) => {
        worked.push(phc === undefined ? "nobody" : "somebody");
        return verify(password, phc);
      },
    });
    await signIn(server, "ann", "x");
    await signIn(server, "nobody", "x");
    assert.deepEqual(worked, ["somebody", "nobody"]);
  });

  test("neither log nor database has a password, or a name that nobody has", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    await signIn(server, "my secret password", "typed in the wrong field");
    const tables = await Promise.all(
      (["users", "sessions", "sign_in_failures", "audit_rows"] as const).map((table) =>
        database.db.selectFrom(table).selectAll().execute(),
      ),
    );
    const text = JSON.stringify([tables, server.log]);
    for (const secret of ["my secret password", "typed in the wrong", PASSWORD])
      assert.ok(!text.includes(secret));
  });

  test("a session ends after twelve hours, an hour without use, and at sign-out", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    const look = async (token: string | undefined): Promise<number> =>
      (await server.send("GET", "/session", { as: token })).status;
    const used = (await signIn(server, "ann", PASSWORD)).cookie;
    for (let minutes = 0; minutes < 12 * 60 - 30; minutes += 30) {
      assert.equal(await look(used), 200);
      server.clock.advance(30 * 60_000);
    }
    server.clock.advance(31 * 60_000);
    assert.equal(await look(used), 401);

    const unused = (await signIn(server, "ann", PASSWORD)).cookie;
    server.clock.advance(61 * 60_000);
    assert.equal(await look(unused), 401);

    const left = (await signIn(server, "ann", PASSWORD)).cookie;
    const other = (await signIn(server, "ann", PASSWORD)).cookie;
    const out = await server.send("DELETE", "/session", { as: left });
    assert.deepEqual([out.status, out.cookie], [204, ""]);
    assert.equal(await look(left), 401);
    assert.equal(await look(other), 200);
  });

  test("failures make the next attempt wait, longer each time, for known and unknown names alike", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    for (const name of ["ann", "nobody"]) {
      let waited = 0;
      let previous = 0;
      for (let count = 0; count < 12; count += 1) {
        // Another address each time: only the name counts.
        const reply = await signIn(server, name, "wrong", `203.0.113.${String(count)}`);
        if (reply.status === 401) continue;
        assertProblem(reply, 429, "ERR_TOO_MANY_ATTEMPTS");
        assert.equal(String(reply.headers["retry-after"]), String(reply.body.retryAfter));
        assert.ok(reply.body.retryAfter >= previous);
        previous = reply.body.retryAfter;
        waited += 1;
        server.clock.advance(reply.body.retryAfter * 1000);
      }
      assert.ok(waited >= 3, `${name}: ${String(waited)}`);
      assert.ok(previous <= 60);
    }
  });

  test("the right password passes when the time is over, and forgives", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    for (let count = 0; count < 5; count += 1) await signIn(server, "ann", "wrong");
    assertProblem(await signIn(server, "ann", PASSWORD), 429, "ERR_TOO_MANY_ATTEMPTS");
    server.clock.advance(2000);
    assert.equal((await signIn(server, "ann", PASSWORD)).status, 201);
    const rows = await database.db
      .selectFrom("sign_in_failures")
      .select("subject")
      .where("subject", "=", nameSubject("ann"))
      .execute();
    assert.deepEqual(rows, []);
  });

  test("who fails with many names from one address waits there, and nobody else", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    for (let count = 0; count < 10; count += 1) await signIn(server, `name${String(count)}`, "wrong");
    assertProblem(await signIn(server, "ann", PASSWORD), 429, "ERR_TOO_MANY_ATTEMPTS");
    assert.equal((await signIn(server, "ann", PASSWORD, "203.0.113.9")).status, 201);
  });

  test("one's own successes buy no attempts at others", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    let refused = 0;
    for (let count = 0; count < 30 && refused === 0; count += 1) {
      const { status } = await signIn(server, `victim${String(count)}`, "wrong");
      if (status === 429) refused += 1;
      await signIn(server, "ann", PASSWORD);
    }
    assert.equal(refused, 1);
  });

  test("an outsider cannot keep somebody out who signs in from where they were before", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    assert.equal((await signIn(server, "ann", PASSWORD, "203.0.113.5")).status, 201);
    for (let count = 0; count < 8; count += 1)
      await signIn(server, "ann", "wrong", `192.0.2.${String(count)}`);
    assertProblem(await signIn(server, "ann", PASSWORD, "192.0.2.100"), 429, "ERR_TOO_MANY_ATTEMPTS");
    assert.equal((await signIn(server, "ann", PASSWORD, "203.0.113.5")).status, 201);
  });

  test("attempts at the same time do not slip through", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, index) => signIn(server, "ann", "wrong", `203.0.113.${String(index)}`)),
    );
    assert.equal(replies.filter(({ status }) => status === 401).length, 5);
  });

  test("changing the password needs the old one, and ends the other sessions", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    await server.person("ann", "viewer");
    const here = (await signIn(server, "ann", PASSWORD)).cookie;
    const there = (await signIn(server, "ann", PASSWORD)).cookie;
    const change = (current: string, password: string) =>
      server.send("POST", "/session/password", { as: here, body: { current, password } });
    assertProblem(await change("wrong", NEW_PASSWORD), 403, "ERR_PASSWORD_WRONG");
    assertProblem(await change(PASSWORD, "ann ann ann ann"), 422, "ERR_PASSWORD_WEAK");
    assert.equal((await change(PASSWORD, NEW_PASSWORD)).status, 204);
    assert.equal((await server.send("GET", "/session", { as: here })).status, 200);
    assert.equal((await server.send("GET", "/session", { as: there })).status, 401);
    assertProblem(await signIn(server, "ann", PASSWORD), 401, "ERR_SIGN_IN_FAILED");
    assert.equal((await signIn(server, "ann", NEW_PASSWORD)).status, 201);
    assert.ok((await actionsOf(database)).includes("user.password"));
  });
});

forEachDatabase("users", (open) => {
  test("an administrator adds, lists, reads and changes users", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("root", "administrator");
    const body = { name: "olga", role: "backup-operator", rights: ["secrets.reveal"], password: PASSWORD };
    const made = await server.send("POST", "/users", { as, body });
    assert.equal(made.status, 201);
    assert.deepEqual(made.body.rights, ["secrets.reveal"]);
    assert.ok(!("password" in made.body));
    const { id, revision } = made.body;
    const list = await server.send("GET", "/users?limit=1", { as });
    assert.deepEqual(
      list.body.items.map(({ name }: { name: string }) => name),
      ["olga"],
    );
    const rest = await server.send("GET", `/users?limit=1&cursor=${list.body.next}`, { as });
    assert.deepEqual(
      [rest.body.items.length, rest.body.items[0].name, rest.body.next],
      [1, "root", undefined],
    );
    const change = (match: number, changes: unknown) =>
      server.send("PATCH", `/users/${id}`, {
        as,
        body: changes,
        headers: { "if-match": `"${String(match)}"` },
      });
    const changed = await change(revision, { role: "viewer", rights: ["secrets.list"] });
    assert.deepEqual(
      [changed.status, changed.body.role, changed.body.rights],
      [200, "viewer", ["secrets.list"]],
    );
    assertProblem(await change(revision, { role: "viewer" }), 412, "ERR_CHANGED_MEANWHILE");
    assertProblem(await server.send("POST", "/users", { as, body }), 409, "ERR_NAME_TAKEN");
    assert.deepEqual(await actionsOf(database), ["user.create", "user.change"]);
    const olga = await signIn(server, "olga", PASSWORD);
    assert.ok(olga.body.rights.includes("secrets.list") && !olga.body.rights.includes("plans.edit"));
  });

  test("taking a right, or disabling, acts on sessions at once", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("root", "administrator");
    const { id, token } = await server.person("ann", "administrator");
    const change = (revision: number, body: unknown) =>
      server.send("PATCH", `/users/${id}`, { as, body, headers: { "if-match": `"${String(revision)}"` } });
    assert.equal((await server.send("GET", "/users", { as: token })).status, 200);
    await change(1, { role: "viewer" });
    assertProblem(await server.send("GET", "/users", { as: token }), 403, "ERR_FORBIDDEN");
    await change(2, { disabled: true });
    assertProblem(await server.send("GET", "/session", { as: token }), 401, "ERR_SIGN_IN_NEEDED");
    await change(3, { disabled: false });
    assertProblem(await server.send("GET", "/session", { as: token }), 401, "ERR_SIGN_IN_NEEDED");
  });

  test("the last administrator stays one", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id, token: as } = await server.person("root", "administrator");
    const change = (body: unknown) =>
      server.send("PATCH", `/users/${id}`, { as, body, headers: { "if-match": '"1"' } });
    assertProblem(await change({ disabled: true }), 409, "ERR_LAST_ADMINISTRATOR");
    assertProblem(await change({ role: "viewer" }), 409, "ERR_LAST_ADMINISTRATOR");
    await server.person("second", "administrator");
    assert.equal((await change({ role: "viewer" })).status, 200);
  });

  test("two administrators cannot take each other's role at once", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const people = [await server.person("one", "administrator"), await server.person("two", "administrator")];
    const replies = await Promise.all(
      people.map(({ token }, index) =>
        server.send("PATCH", `/users/${people[1 - index]?.id ?? ""}`, {
          as: token,
          body: { role: "viewer" },
          headers: { "if-match": '"1"' },
        }),
      ),
    );
    assert.equal(replies.filter(({ status }) => status === 200).length, 1);
  });

  test("a reset sets the password and ends the sessions", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("root", "administrator");
    const { id, token } = await server.person("ann", "viewer");
    const reply = await server.send("POST", `/users/${id}/password`, {
      as,
      body: { password: NEW_PASSWORD },
    });
    assert.equal(reply.status, 204);
    assertProblem(await server.send("GET", "/session", { as: token }), 401, "ERR_SIGN_IN_NEEDED");
    assert.equal((await signIn(server, "ann", NEW_PASSWORD)).status, 201);
  });

  test("names that look alike, rights that roles have, and weak passwords are refused", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("root", "administrator");
    const add = (changes: object) =>
      server.send("POST", "/users", {
        as,
        body: { name: "ann", role: "viewer", password: PASSWORD, ...changes },
      });
    for (const name of ["Ann", "аnn", "ann ", "", "-ann", "a\u0000", "x".repeat(101)]) {
      assertProblem(await add({ name }), 422, "ERR_INPUT");
    }
    assertProblem(await add({ rights: ["users.edit"] }), 422, "ERR_INPUT");
    assertProblem(await add({ rights: ["secrets.list", "secrets.list"] }), 422, "ERR_INPUT");
    for (const password of ["", "short", "elevenchars", "ann", "annannannann", "aaaaaaaaaaaaaaaa"]) {
      assertProblem(await add({ password }), 422, "ERR_PASSWORD_WEAK");
    }
    assert.equal((await add({})).status, 201);
  });
});
