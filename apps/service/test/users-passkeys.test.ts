import assert from "node:assert/strict";
import { test } from "node:test";
import { forEachDatabase } from "./databases.ts";
import { assertProblem, PASSWORD, type Reply, startTestServer, type TestServer } from "./http-fixture.ts";
import { type Authenticator, type Lies, softwareAuthenticator, VERIFIED } from "./software-authenticator.ts";

async function optionsToMake(server: TestServer, as: string): Promise<string> {
  const reply = await server.send("POST", "/passkeys/options", { as, body: { password: PASSWORD } });
  assert.equal(reply.status, 200);
  return reply.body.challenge;
}

async function make(
  server: TestServer,
  as: string,
  authenticator: Authenticator,
  lies?: Lies,
): Promise<Reply> {
  const challenge = await optionsToMake(server, as);
  const body = { name: "key", ...authenticator.create(challenge, lies) };
  return server.send("POST", "/passkeys", { as, body });
}

async function challengeToSignIn(server: TestServer): Promise<string> {
  const reply = await server.send("POST", "/session/passkey/options");
  assert.equal(reply.body.rpId, "service.test");
  return reply.body.challenge;
}

async function signIn(server: TestServer, authenticator: Authenticator, lies?: Lies): Promise<Reply> {
  const challenge = await challengeToSignIn(server);
  return server.send("POST", "/session/passkey", { body: authenticator.get(challenge, lies) });
}

const LIES: readonly (readonly [string, Lies])[] = [
  ["for another origin", { origin: "https://evil.test" }],
  ["for another port", { origin: "https://service.test:444" }],
  ["without TLS", { origin: "http://service.test" }],
  ["in a frame of another site", { crossOrigin: true }],
  ["for another relying party", { rpId: "evil.test" }],
  ["of another ceremony", { type: "webauthn.other" }],
  ["to a challenge of its own", { challenge: "A".repeat(43) }],
  ["without its user being present", { flags: 4 }],
  ["without its user being verified", { flags: 1 }],
];

forEachDatabase("passkeys", (open) => {
  test("one that was made signs in, without name, password or code", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id, token: as } = await server.person("ann", "viewer");
    const authenticator = softwareAuthenticator();
    const made = await make(server, as, authenticator);
    assert.equal(made.status, 201);
    const reply = await signIn(server, authenticator);
    assert.equal(reply.status, 201);
    assert.equal(reply.body.user.id, id);
    assert.equal((await server.send("GET", "/session", { as: reply.cookie })).body.user.name, "ann");
    const list = await server.send("GET", "/passkeys", { as });
    assert.deepEqual(list.body.items, [{ ...made.body, usedAt: server.clock.now() }]);
    const actions = await database.db.selectFrom("audit_rows").select("action").orderBy("number").execute();
    assert.deepEqual(
      actions.map(({ action }) => action),
      ["user.passkey", "session.start"],
    );
  });

  test("making one needs the password, and names those that are there", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("ann", "viewer");
    const wrong = await server.send("POST", "/passkeys/options", { as, body: { password: "wrong" } });
    assertProblem(wrong, 403, "ERR_PASSWORD_WRONG");
    const authenticator = softwareAuthenticator();
    await make(server, as, authenticator);
    const { body } = await server.send("POST", "/passkeys/options", { as, body: { password: PASSWORD } });
    assert.deepEqual(body.excludeCredentials, [{ type: "public-key", id: authenticator.credentialId }]);
    assert.deepEqual(body.rp, { id: "service.test", name: "Holdfast" });
    assertProblem(await make(server, as, authenticator), 409, "ERR_NAME_TAKEN");
  });

  for (const [name, lies] of LIES) {
    test(`a proof ${name} is refused`, async () => {
      await using database = await open();
      await using server = await startTestServer(database);
      const { token: as } = await server.person("ann", "viewer");
      const authenticator = softwareAuthenticator();
      assertProblem(await make(server, as, authenticator, lies), 422, "ERR_CONFIRMATION");
      assert.equal((await make(server, as, authenticator)).status, 201);
      const reply = await signIn(server, authenticator, lies);
      assertProblem(reply, 422, "ERR_CONFIRMATION");
      assert.equal(reply.cookie, undefined);
      assert.equal((await signIn(server, authenticator)).status, 201);
    });
  }

  test("a proof serves once, and not for somebody else's challenge", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: ann } = await server.person("ann", "viewer");
    const { token: bob } = await server.person("bob", "viewer");
    const authenticator = softwareAuthenticator();
    const stolen = await optionsToMake(server, bob);
    const body = { name: "key", ...authenticator.create(stolen) };
    assertProblem(await server.send("POST", "/passkeys", { as: ann, body }), 422, "ERR_CONFIRMATION");
    assert.equal((await make(server, ann, authenticator)).status, 201);
    const proof = authenticator.get(await challengeToSignIn(server));
    assert.equal((await server.send("POST", "/session/passkey", { body: proof })).status, 201);
    assertProblem(await server.send("POST", "/session/passkey", { body: proof }), 422, "ERR_CONFIRMATION");
    const other = authenticator.get(await optionsToMake(server, ann));
    assertProblem(await server.send("POST", "/session/passkey", { body: other }), 422, "ERR_CONFIRMATION");
  });

  test("a challenge ends after five minutes", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("ann", "viewer");
    const authenticator = softwareAuthenticator();
    await make(server, as, authenticator);
    const proof = authenticator.get(await challengeToSignIn(server));
    server.clock.advance(5 * 60_000 + 1);
    assertProblem(await server.send("POST", "/session/passkey", { body: proof }), 422, "ERR_CONFIRMATION");
  });

  test("another key, an unknown passkey and a changed signature are refused", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("ann", "viewer");
    const authenticator = softwareAuthenticator();
    await make(server, as, authenticator);
    assertProblem(await signIn(server, softwareAuthenticator()), 401, "ERR_SIGN_IN_FAILED");
    const forged = softwareAuthenticator().get(await challengeToSignIn(server));
    const body = { ...forged, credentialId: authenticator.credentialId };
    assertProblem(await server.send("POST", "/session/passkey", { body }), 422, "ERR_CONFIRMATION");
  });

  test("an authenticator that counts backwards is refused; one that does not count is not", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("ann", "viewer");
    const counting = softwareAuthenticator();
    await make(server, as, counting);
    assert.equal((await signIn(server, counting, { counter: 10 })).status, 201);
    assertProblem(await signIn(server, counting, { counter: 10 }), 422, "ERR_CONFIRMATION");
    assertProblem(await signIn(server, counting, { counter: 9 }), 422, "ERR_CONFIRMATION");
    assert.equal((await signIn(server, counting, { counter: 11, flags: VERIFIED })).status, 201);
    const uncounted = softwareAuthenticator();
    await make(server, as, uncounted, { counter: 0 });
    assert.equal((await signIn(server, uncounted, { counter: 0 })).status, 201);
    assert.equal((await signIn(server, uncounted, { counter: 0 })).status, 201);
  });

  test("it goes with its deletion, a reset of the password, and is nothing while the user is disabled", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { id, token: as } = await server.person("ann", "viewer");
    const { token: root } = await server.person("root", "administrator");
    const authenticator = softwareAuthenticator();
    const made = await make(server, as, authenticator);
    assertProblem(
      await server.send("DELETE", `/passkeys/${made.body.id}`, { as: root }),
      404,
      "ERR_NOT_FOUND",
    );
    await database.db.updateTable("users").set({ disabled: 1 }).where("id", "=", id).execute();
    assertProblem(await signIn(server, authenticator), 401, "ERR_SIGN_IN_FAILED");
    await database.db.updateTable("users").set({ disabled: 0 }).execute();
    assert.equal((await server.send("DELETE", `/passkeys/${made.body.id}`, { as })).status, 204);
    assertProblem(await signIn(server, authenticator), 401, "ERR_SIGN_IN_FAILED");
    await make(server, as, authenticator);
    await server.send("POST", `/users/${id}/password`, {
      as: root,
      body: { password: "another good password" },
    });
    assertProblem(await signIn(server, authenticator), 401, "ERR_SIGN_IN_FAILED");
  });

  test("failures by passkey make their address wait", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const stranger = softwareAuthenticator();
    let last: Reply | undefined;
    for (let count = 0; count < 11; count += 1) last = await signIn(server, stranger);
    assert.ok(last);
    assertProblem(last, 429, "ERR_TOO_MANY_ATTEMPTS");
  });

  test("malformed proofs are refused", async () => {
    await using database = await open();
    await using server = await startTestServer(database);
    const { token: as } = await server.person("ann", "viewer");
    const challenge = await optionsToMake(server, as);
    const good = softwareAuthenticator().create(challenge);
    const post = (changes: object) =>
      server.send("POST", "/passkeys", { as, body: { name: "key", ...good, ...changes } });
    assertProblem(await post({ clientDataJSON: "e30" }), 422, "ERR_CONFIRMATION");
    assertProblem(await post({ clientDataJSON: "!" }), 422, "ERR_INPUT");
    // Each takes the challenge out of use.
    for (const cut of [10, 60, 150, 200]) {
      const fresh = softwareAuthenticator().create(await optionsToMake(server, as));
      const attestationObject = fresh.attestationObject.slice(0, cut);
      const reply = await server.send("POST", "/passkeys", {
        as,
        body: { name: "key", ...fresh, attestationObject },
      });
      assert.equal(reply.status, 422, String(cut));
    }
    assert.deepEqual((await server.send("GET", "/passkeys", { as })).body.items, []);
  });
});
