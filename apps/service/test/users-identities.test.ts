/**
 * Accounts at a real provider: linked, and asked again in place of a password.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, PASSWORD } from "./http-fixture.ts";
import { Browser, type ProviderFixture, startProvider } from "./oidc-provider-fixture.ts";
import { forging, startSignOn, visitorOf, without } from "./users-single-sign-on-fixture.ts";

let provider: ProviderFixture;

before(async () => {
  provider = await startProvider();
  provider.people.set("1", { preferred_username: "Ann", email: "ann@example.com", email_verified: true });
});

after(async () => {
  await provider[Symbol.asyncDispose]();
});

forEachDatabase("accounts at providers", (open) => {
  test("an account is linked by who is signed in and gives the password, and then signs in", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const { server } = fixture;
    const id = await fixture.addProvider({ createsUsers: false });
    const carl = await server.person("carl", "viewer");
    const visitor = visitorOf(fixture);
    visitor.session = carl.token;
    const refused = await server.send("POST", "/identities", {
      as: carl.token,
      body: { provider: id, password: "wrong" },
    });
    assertProblem(refused, 403, "ERR_PASSWORD_WRONG");
    const url = await visitor.start("/identities", { provider: id, password: PASSWORD });
    const linked = await visitor.finish(await visitor.browser.visit(url, "1"));
    assert.deepEqual(linked.body, { purpose: "link" });
    assert.equal(linked.cookie, undefined);
    const list = await server.send("GET", "/identities", { as: carl.token });
    assert.deepEqual(
      list.body.items.map(({ provider: at, label }: { provider: string; label: string }) => [at, label]),
      [[id, "Ann"]],
    );
    const reply = await visitorOf(fixture).signIn(id, "1");
    assert.equal(reply.body.session.user.id, carl.id);
    // The same account cannot be somebody else's too.
    const dora = visitorOf(fixture);
    dora.session = (await server.person("dora", "viewer")).token;
    const again = await dora.start("/identities", { provider: id, password: PASSWORD });
    assertProblem(await dora.finish(await dora.browser.visit(again, "1")), 409, "ERR_NAME_TAKEN");
    assert.equal((await server.send("DELETE", `/identities/${id}`, { as: carl.token })).status, 204);
    assertProblem(await visitorOf(fixture).signIn(id, "1"), 403, "ERR_FORBIDDEN");
  });

  test("a link that was begun ends with the session that began it", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider({ createsUsers: false });
    const carl = await fixture.server.person("carl", "viewer");
    const visitor = visitorOf(fixture);
    visitor.session = carl.token;
    const url = await visitor.start("/identities", { provider: id, password: PASSWORD });
    const query = await visitor.browser.visit(url, "1");
    await fixture.server.send("DELETE", "/session", { as: carl.token });
    assertProblem(await visitor.finish(query), 401, "ERR_SIGN_IN_NEEDED");
    assert.deepEqual(await database.db.selectFrom("identities").selectAll().execute(), []);
  });

  test("who has no password proves it by a fresh sign-in, which serves once and for five minutes", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const { server } = fixture;
    const id = await fixture.addProvider();
    const visitor = visitorOf(fixture);
    await visitor.signIn(id, "1");
    const as = visitor.session;
    const protectedCall = () => server.send("POST", "/session/second-factor", { as, body: { password: "" } });
    assertProblem(await protectedCall(), 403, "ERR_FRESH_SIGN_IN_NEEDED");
    const confirm = async (subject: string) => {
      const url = await visitor.start("/session/confirmation", {});
      assert.equal(new URL(url).searchParams.get("prompt"), "login");
      const asked = visitor.browser.askedCount;
      const query = await visitor.browser.visit(url, subject);
      assert.equal(visitor.browser.askedCount, asked + 1, "the provider asks again");
      return visitor.finish(query);
    };
    assert.deepEqual((await confirm("1")).body, { purpose: "confirm" });
    assert.equal((await protectedCall()).status, 201);
    assertProblem(await protectedCall(), 403, "ERR_FRESH_SIGN_IN_NEEDED");
    await confirm("1");
    server.clock.advance(5 * 60_000);
    assertProblem(await protectedCall(), 403, "ERR_FRESH_SIGN_IN_NEEDED");
    // Another session of the same person is not confirmed by it.
    await confirm("1");
    const there = await visitorOf(fixture).signIn(id, "1");
    const elsewhere = await server.send("POST", "/session/second-factor", {
      as: there.cookie,
      body: { password: "" },
    });
    assertProblem(elsewhere, 403, "ERR_FRESH_SIGN_IN_NEEDED");
    // Not by somebody else's account.
    provider.people.set("9", { preferred_username: "zoe" });
    const url = await visitor.start("/session/confirmation", {});
    assertProblem(await visitor.finish(await new Browser().visit(url, "9")), 403, "ERR_FORBIDDEN");
  });

  test("an old sign-in at the provider, or one without its time, confirms nothing", async () => {
    await using database = await open();
    await using fixture = await startSignOn(database, provider);
    const id = await fixture.addProvider();
    const seconds = Math.floor(Date.now() / 1000);
    for (const forgery of [
      forging(provider, (claims) => ({ ...claims, auth_time: seconds - 3600 })),
      forging(provider, without("auth_time")),
    ]) {
      fixture.between((fetch) => fetch);
      const visitor = visitorOf(fixture);
      await visitor.signIn(id, "1");
      fixture.between(forgery);
      const url = await visitor.start("/session/confirmation", {});
      const reply = await visitor.finish(await visitor.browser.visit(url, "1"));
      assertProblem(reply, 401, "ERR_SIGN_IN_FAILED");
    }
  });
});
