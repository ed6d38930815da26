/**
 * What administrators do with providers of single sign-on.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isAppError, systemClock } from "@holdfast/kernel";
import type { OutboundPolicy } from "@holdfast/protocol";
import { createOutbound } from "../src/outbound/outbound.ts";
import { PUBLIC_ONLY } from "../src/outbound/outbound-policy.ts";
import { findUses, USES_BY_DOMAINS } from "../src/secrets/secret-uses.ts";
import { createIssuers } from "../src/users/single-sign-on/issuer.ts";
import { createProviderProposalTest } from "../src/users/single-sign-on/proposed-secret.ts";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, type Reply } from "./http-fixture.ts";
import { CLIENT_SECRET, type ProviderFixture, REDIRECT_URI, startProvider } from "./oidc-provider-fixture.ts";
import { startSignOn, visitorOf } from "./users-single-sign-on-fixture.ts";
import { testAuthority } from "./tls-fixture.ts";

let provider: ProviderFixture;

before(async () => {
  provider = await startProvider();
  provider.people.set("1", { preferred_username: "Ann", email: "ann@example.com", email_verified: true });
});

after(async () => {
  await provider[Symbol.asyncDispose]();
});

forEachDatabase("providers of single sign-on", (open) => {
  test("an issuer is https, or on this machine", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    for (const issuer of [
      "http://login.example.com",
      "http://127.0.0.1.example.com",
      "https://user:pw@login.example.com",
      "https://login.example.com/?a=b",
      "https://login.example.com/#a",
      "https://login.example.com/.well-known/openid-configuration",
      "javascript:alert(1)",
      "file:///etc/passwd",
      "no address",
    ]) {
      const reply = await fixture.server.send("POST", "/identity-providers", {
        as: fixture.admin.token,
        body: { name: "x", issuer, clientId: "c" },
      });
      assertProblem(reply, 422, "ERR_USAGE");
    }
  });

  test("the test says whether the provider answers and knows the client", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const { server, admin } = fixture;
    const check = (id: string) => server.send("POST", `/identity-providers/${id}/test`, { as: admin.token });
    const good = await check(await fixture.addProvider());
    assert.deepEqual(good.body.problems, []);
    assert.equal(good.body.ok, true);
    assert.equal(good.body.signingKeys, 1);
    const noSecret = await check(await fixture.addProvider({ name: "b", secret: null }));
    assert.equal(noSecret.body.ok, false);
    assert.match(noSecret.body.problems.join(" "), /invalid_client/u);
    const nowhere = await check(await fixture.addProvider({ name: "c", issuer: "http://127.0.0.1:1" }));
    assert.equal(nowhere.body.ok, false);
    const other = await check(await fixture.addProvider({ name: "d", issuer: `${provider.issuer}/other` }));
    assert.equal(other.body.ok, false);
    const claims = await check(
      await fixture.addProvider({ name: "e", groupsClaim: "nothing", scopes: ["odd"] }),
    );
    assert.equal(claims.body.problems.length, 2, JSON.stringify(claims.body));
  });

  test("the issuer's certificate is verified, and its address has to be one that may be called", async () => {
    const authority = await testAuthority();
    await using secure = await startProvider(await authority.issue([], ["127.0.0.1"]));
    await using database = await open();
    await using fixture = await startSignOn(database, secure);
    const id = await fixture.addProvider();
    const withPolicy = async (policy: Partial<OutboundPolicy>): Promise<Reply> => {
      const { fetch } = createOutbound({ readPolicy: async () => ({ ...PUBLIC_ONLY, ...policy }) });
      fixture.between(() => fetch);
      return fixture.server.send("POST", "/session/single-sign-on", { body: { provider: id } });
    };
    assertProblem(await withPolicy({}), 422, "ERR_OUTBOUND_REFUSED");
    const untrusted = await withPolicy({ networks: ["127.0.0.1"] });
    assertProblem(untrusted, 502, "ERR_OUTBOUND_FAILED");
    assert.match(untrusted.body.detail, /certificate/u);
    const trusted = await withPolicy({ networks: ["127.0.0.1"], authorities: authority.certificate });
    assert.equal(trusted.status, 200, JSON.stringify(trusted.body));
    assert.ok(trusted.body.url.startsWith(`${secure.issuer}/auth?`));
  });

  test("the client secret is a password that shows where it is used, and cannot be deleted", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    assert.deepEqual(await findUses(database.db, USES_BY_DOMAINS, fixture.secretId), [
      { kind: "identity-provider", id, name: "Example" },
    ]);
    const rows = await database.db.selectFrom("identity_providers").selectAll().execute();
    assert.ok(!JSON.stringify(rows).includes("client secret"));
    await database.db
      .updateTable("secrets")
      .set({ disabled: 1 })
      .where("id", "=", fixture.secretId)
      .execute();
    const reply = await fixture.server.send("POST", "/session/single-sign-on", { body: { provider: id } });
    assertProblem(reply, 409, "ERR_SECRET_DISABLED");
  });

  test("a new client secret is tried there, and counts for that client of that issuer", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const proposal = createProviderProposalTest(database, createIssuers({ ...fixture, clock: systemClock }));
    const use = (id: string) => ({ kind: "identity-provider", id, name: "Example" });
    const good = use(await fixture.addProvider());
    await proposal.run(good, fixture.secretId, Buffer.from(CLIENT_SECRET));
    await assert.rejects(proposal.run(good, fixture.secretId, Buffer.from("another secret")), (error) => {
      assert(isAppError(error, "ERR_SIGN_IN_FAILED"), String(error));
      assert.match(error.message, /^Example refuses the new client secret \(invalid_client\)\.$/u);
      return true;
    });
    const gone = use(await fixture.addProvider({ name: "gone", issuer: "http://127.0.0.1:1" }));
    await assert.rejects(proposal.run(gone, fixture.secretId, Buffer.from(CLIENT_SECRET)), (error) =>
      isAppError(error, "ERR_OUTBOUND_FAILED"),
    );
    const place = await proposal.placeOf(database.db, good);
    assert.notEqual(place, await proposal.placeOf(database.db, gone));
    await database.db
      .updateTable("identity_providers")
      .set({ client_id: "b" })
      .where("id", "=", good.id)
      .execute();
    assert.notEqual(place, await proposal.placeOf(database.db, good));
  });

  test("one that somebody needs to sign in is not removed", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const { server, admin } = fixture;
    const id = await fixture.addProvider();
    const visitor = visitorOf(fixture);
    const made = await visitor.signIn(id, "1");
    const remove = () => server.send("DELETE", `/identity-providers/${id}`, { as: admin.token });
    assertProblem(await remove(), 409, "ERR_IN_USE");
    assertProblem(
      await server.send("DELETE", `/identities/${id}`, { as: visitor.session }),
      409,
      "ERR_IN_USE",
    );
    const password = { password: "a new long password" };
    const user = String(made.body.session.user.id);
    await server.send("POST", `/users/${user}/password`, { as: admin.token, body: password });
    assert.equal((await remove()).status, 204);
    assertProblem(
      await server.send("GET", `/identity-providers/${id}`, { as: admin.token }),
      404,
      "ERR_NOT_FOUND",
    );
  });

  test("the last administrator is not shut out by switching it off, nor by one who was only invited", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const { server, admin } = fixture;
    const id = await fixture.addProvider({ defaultRole: "administrator" });
    const visitor = visitorOf(fixture);
    await visitor.signIn(id, "1");
    await server.send("POST", "/users/invitations", {
      as: admin.token,
      body: { name: "ivy", role: "administrator" },
    });
    const patch = (path: string, body: unknown) =>
      server.send("PATCH", path, { as: visitor.session, body, headers: { "if-match": '"1"' } });
    assert.equal((await patch(`/users/${admin.id}`, { disabled: true })).status, 200);
    assertProblem(
      await patch(`/identity-providers/${id}`, { enabled: false }),
      409,
      "ERR_LAST_ADMINISTRATOR",
    );
    const me = (await server.send("GET", "/session", { as: visitor.session })).body.user.id;
    assertProblem(await patch(`/users/${String(me)}`, { role: "viewer" }), 409, "ERR_LAST_ADMINISTRATOR");
    assert.equal((await server.send("GET", "/setup")).body.needed, false);
  });

  test("a change needs the revision that was seen, and keeps what it does not name", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const { server, admin } = fixture;
    const id = await fixture.addProvider({ emailDomains: ["example.com"] });
    const change = (body: unknown, ifMatch?: string) =>
      server.send("PATCH", `/identity-providers/${id}`, {
        as: admin.token,
        body,
        headers: ifMatch === undefined ? {} : { "if-match": ifMatch },
      });
    assertProblem(await change({ name: "New" }), 428, "ERR_REVISION_NEEDED");
    assertProblem(await change({ name: "New" }, '"7"'), 412, "ERR_CHANGED_MEANWHILE");
    assertProblem(await change({ issuer: "https://other.example" }, '"1"'), 422, "ERR_INPUT");
    const reply = await change({ name: "New" }, '"1"');
    assert.deepEqual(
      [reply.body.name, reply.body.emailDomains, reply.body.revision, reply.body.redirectUri],
      ["New", ["example.com"], 2, REDIRECT_URI],
    );
  });
});
