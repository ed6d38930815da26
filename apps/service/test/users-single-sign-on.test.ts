/**
 * Signing in at a real provider of OpenID Connect.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Outbound } from "../src/outbound/outbound.ts";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, PASSWORD } from "./http-fixture.ts";
import { type ProviderFixture, REDIRECT_URI, startProvider } from "./oidc-provider-fixture.ts";
import {
  forging,
  startSignOn,
  unsigned,
  userOf,
  visitorOf,
  without,
} from "./users-single-sign-on-fixture.ts";

type Fetch = Outbound["fetch"];

let provider: ProviderFixture;

before(async () => {
  provider = await startProvider();
  provider.people.set("1", { preferred_username: "Ann", email: "ann@example.com", email_verified: true });
});

after(async () => {
  await provider[Symbol.asyncDispose]();
});

forEachDatabase("single sign-on", (open) => {
  test("the first sign-in makes a user, the second finds it, whatever it is called by then", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    const listed = await fixture.server.send("GET", "/session/single-sign-on");
    assert.deepEqual(listed.body, { items: [{ id, name: "Example" }] });
    provider.people.set("2", { preferred_username: "Bob" });
    const first = await visitorOf(fixture).signIn(id, "2");
    const made = await userOf(first, fixture);
    assert.equal(made["name"], "bob");
    assert.equal(made["role"], "viewer");
    assert.equal(first.body.purpose, "sign-in");
    assert.equal((await fixture.server.send("GET", "/session", { as: first.cookie })).status, 200);
    provider.people.set("2", { preferred_username: "robert" });
    const second = await userOf(await visitorOf(fixture).signIn(id, "2"), fixture);
    assert.equal(second["id"], made["id"]);
    assert.equal(second["name"], "bob");
    assert.ok((await fixture.actions()).includes("user.create"));
    const log = JSON.stringify(fixture.server.log);
    assert.ok(!/code=|state=/u.test(log));
  });

  test("nobody signs in with an empty password", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    await visitorOf(fixture).signIn(id, "1");
    for (const password of ["", " ", PASSWORD]) {
      const reply = await fixture.server.send("POST", "/session", { body: { name: "ann", password } });
      assertProblem(reply, 401, "ERR_SIGN_IN_FAILED");
    }
  });

  test("a user with the same name or address is not taken over", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    await fixture.server.person("ann", "administrator");
    assertProblem(await visitorOf(fixture).signIn(id, "1"), 409, "ERR_NAME_TAKEN");
    assert.deepEqual(await database.db.selectFrom("identities").selectAll().execute(), []);
  });

  test("unknown people do not get in unless users are made", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider({ createsUsers: false });
    assertProblem(await visitorOf(fixture).signIn(id, "1"), 403, "ERR_FORBIDDEN");
    assert.ok((await fixture.actions()).includes("session.refuse"));
  });

  test("the answer belongs to one question, one browser, one time", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    const visitor = visitorOf(fixture);
    const url = await visitor.start("/session/single-sign-on", { provider: id });
    const parameters = new URL(url).searchParams;
    assert.equal(parameters.get("code_challenge_method"), "S256");
    assert.equal(parameters.get("redirect_uri"), REDIRECT_URI);
    const query = await visitor.browser.visit(url, "1");
    assert.ok(new URLSearchParams(query).has("iss"));
    const other = visitorOf(fixture);
    assertProblem(await other.finish(query), 422, "ERR_CONFIRMATION");
    await other.start("/session/single-sign-on", { provider: id });
    assertProblem(await other.finish(query), 422, "ERR_CONFIRMATION");
    const wrong = new URLSearchParams(query);
    wrong.set("state", "x".repeat(43));
    assertProblem(await visitor.finish(`?${String(wrong)}`), 422, "ERR_CONFIRMATION");
    assertProblem(
      await visitor.finish(`${query}&state=${String(parameters.get("state"))}`),
      422,
      "ERR_CONFIRMATION",
    );
    const { binding } = visitor;
    assert.equal((await visitor.finish(query)).status, 200);
    visitor.binding = binding;
    assertProblem(await visitor.finish(query), 422, "ERR_CONFIRMATION");
    const rows = await database.db.selectFrom("sign_in_flows").selectAll().execute();
    for (const secret of [parameters.get("state"), binding])
      assert.ok(!JSON.stringify(rows).includes(secret ?? "?"));
  });

  test("a code that was redeemed is refused with another state", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    const visitor = visitorOf(fixture);
    const query = await visitor.browser.visit(
      await visitor.start("/session/single-sign-on", { provider: id }),
      "1",
    );
    assert.equal((await visitor.finish(query)).status, 200);
    const url = await visitor.start("/session/single-sign-on", { provider: id });
    const mixed = new URLSearchParams(query);
    mixed.set("state", new URL(url).searchParams.get("state") ?? "");
    assertProblem(await visitor.finish(`?${String(mixed)}`), 401, "ERR_SIGN_IN_FAILED");
  });

  test("an answer after ten minutes is too late", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    const visitor = visitorOf(fixture);
    const query = await visitor.browser.visit(
      await visitor.start("/session/single-sign-on", { provider: id }),
      "1",
    );
    fixture.server.clock.advance(10 * 60_000);
    assertProblem(await visitor.finish(query), 422, "ERR_CONFIRMATION");
  });

  test("another issuer in the answer is refused, and so is a refusal of the provider", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    for (const change of [
      (parameters: URLSearchParams) => parameters.set("iss", "https://evil.example"),
      (parameters: URLSearchParams) => parameters.delete("iss"),
      (parameters: URLSearchParams) => {
        parameters.delete("code");
        parameters.set("error", "access_denied");
      },
    ]) {
      const visitor = visitorOf(fixture);
      const url = await visitor.start("/session/single-sign-on", { provider: id });
      const parameters = new URLSearchParams(await visitor.browser.visit(url, "1"));
      change(parameters);
      assertProblem(await visitor.finish(`?${String(parameters)}`), 401, "ERR_SIGN_IN_FAILED");
    }
    assert.deepEqual(await database.db.selectFrom("identities").selectAll().execute(), []);
  });

  test("an ID token that was altered is refused", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    const seconds = Math.floor(Date.now() / 1000);
    const forgeries: Record<string, (fetch: Fetch) => Fetch> = {
      "wrong key": forging(provider, (claims) => claims, "another"),
      "wrong nonce": forging(provider, (claims) => ({ ...claims, nonce: "another" })),
      "no nonce": forging(provider, without("nonce")),
      "for another client": forging(provider, (claims) => ({ ...claims, aud: "another" })),
      "of another issuer": forging(provider, (claims) => ({ ...claims, iss: "https://evil.example" })),
      expired: forging(provider, (claims) => ({ ...claims, iat: seconds - 7200, exp: seconds - 3600 })),
      "another subject than userinfo": forging(provider, (claims) => ({ ...claims, sub: "other" })),
      "not signed": unsigned(),
    };
    for (const [what, forgery] of Object.entries(forgeries)) {
      fixture.between(forgery);
      const reply = await visitorOf(fixture).signIn(id, "1");
      assert.equal(reply.body.code, "ERR_SIGN_IN_FAILED", `${what}: ${JSON.stringify(reply.body)}`);
      assert.equal(reply.cookie, undefined);
      // Each counts as a failed attempt from this address.
      fixture.server.clock.advance(3_600_001);
    }
    fixture.between(forging(provider, (claims) => claims));
    assert.equal(
      (await visitorOf(fixture).signIn(id, "1")).status,
      200,
      "the forger signs as the provider does",
    );
  });

  test("a disabled user is refused, and so is everybody when the provider is switched off", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const { server, admin } = fixture;
    const id = await fixture.addProvider();
    const made = await userOf(await visitorOf(fixture).signIn(id, "1"), fixture);
    const disable = (disabled: boolean, revision: number) =>
      server.send("PATCH", `/users/${String(made["id"])}`, {
        as: admin.token,
        body: { disabled },
        headers: { "if-match": `"${String(revision)}"` },
      });
    assert.equal((await disable(true, 1)).status, 200);
    assertProblem(await visitorOf(fixture).signIn(id, "1"), 403, "ERR_FORBIDDEN");
    assert.equal((await disable(false, 2)).status, 200);
    assert.equal((await visitorOf(fixture).signIn(id, "1")).status, 200);
    const visitor = visitorOf(fixture);
    const query = await visitor.browser.visit(
      await visitor.start("/session/single-sign-on", { provider: id }),
      "1",
    );
    const off = await server.send("PATCH", `/identity-providers/${id}`, {
      as: admin.token,
      body: { enabled: false },
      headers: { "if-match": '"1"' },
    });
    assert.equal(off.body.enabled, false);
    assertProblem(await visitor.finish(query), 404, "ERR_NOT_FOUND");
    assert.deepEqual((await server.send("GET", "/session/single-sign-on")).body.items, []);
  });

  test("only verified addresses of the listed domains get in", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider({ emailDomains: ["example.com"] });
    provider.people.set("3", { preferred_username: "eve", email: "eve@evil.example", email_verified: true });
    provider.people.set("4", { preferred_username: "mal", email: "mal@example.com", email_verified: false });
    provider.people.set("5", {
      preferred_username: "sub",
      email: "sub@not-example.com",
      email_verified: true,
    });
    provider.people.set("6", { preferred_username: "none" });
    for (const subject of ["3", "4", "5", "6"])
      assertProblem(await visitorOf(fixture).signIn(id, subject), 403, "ERR_FORBIDDEN");
    assert.equal((await visitorOf(fixture).signIn(id, "1")).status, 200);
  });

  test("the role follows the groups at each sign-in; who is in none loses the sessions", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider({
      groupsClaim: "groups",
      roleMapping: [
        { group: "backup-admins", role: "administrator" },
        { group: "operators", role: "backup-operator" },
      ],
      defaultRole: null,
    });
    const signInWith = async (groups: unknown) => {
      provider.people.set("7", { preferred_username: "gil", groups });
      return visitorOf(fixture).signIn(id, "7");
    };
    assertProblem(await signInWith(undefined), 403, "ERR_FORBIDDEN");
    assertProblem(await signInWith(["others"]), 403, "ERR_FORBIDDEN");
    const first = await signInWith(["others", "operators"]);
    assert.equal((await userOf(first, fixture))["role"], "backup-operator");
    const second = await signInWith(["operators", "backup-admins"]);
    assert.equal((await userOf(second, fixture))["role"], "administrator");
    assert.ok(second.body.session.rights.includes("users.edit"));
    // A session from before has the rights of now.
    const earlier = await fixture.server.send("GET", "/session", { as: first.cookie });
    assert.ok(earlier.body.rights.includes("users.edit"));
    const third = await signInWith("operators");
    assert.equal((await userOf(third, fixture))["role"], "backup-operator");
    assertProblem(await signInWith([]), 403, "ERR_FORBIDDEN");
    assert.equal((await fixture.server.send("GET", "/session", { as: third.cookie })).status, 401);
  });

  test("the last administrator stays one, whatever the groups say", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider({
      groupsClaim: "groups",
      roleMapping: [{ group: "backup-admins", role: "administrator" }],
      defaultRole: null,
    });
    provider.people.set("8", { preferred_username: "kim", groups: ["backup-admins"] });
    const made = await userOf(await visitorOf(fixture).signIn(id, "8"), fixture);
    await database.db.updateTable("users").set({ disabled: 1 }).where("id", "=", fixture.admin.id).execute();
    provider.people.set("8", { preferred_username: "kim", groups: [] });
    const reply = await visitorOf(fixture).signIn(id, "8");
    assert.equal(reply.status, 200);
    assert.equal(reply.body.session.user.id, made["id"]);
    assert.equal(reply.body.session.user.role, "administrator");
    assert.ok((await fixture.actions()).includes("user.role-kept"));
  });
});
