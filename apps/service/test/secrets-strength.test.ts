/** How hard a value is to guess: what is said, what is refused, and that nothing of it stays. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Worker } from "node:worker_threads";
import { newVaultSlot } from "@holdfast/protocol";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { secretRoutes } from "../src/secrets/routes.ts";
import { ESTIMATED_CHARACTERS_MAX } from "../src/secrets/strength/messages.ts";
import { strengthOf } from "../src/secrets/strength/strength.ts";
import { watchProcessor } from "../src/secrets/strength/processor-time.ts";
import { createStrengthThread, type EstimateText } from "../src/secrets/strength/strength-thread.ts";
import { addPassphraseSlot } from "../src/secrets/vault-slots.ts";
import { assertProblem, startTestServer, type TestServer } from "./http-fixture.ts";
import { ACTOR, create, type Fixture, fixtureOf, OWN_PASSWORD, refusal } from "./secrets-fixture.ts";
import { assertNowhereStored } from "./stored-text.ts";

const open = Object.assign(() => openDatabase(":memory:"), {
  kind: "sqlite",
  newUrl: async () => ":memory:",
} as const);

const STRONG = "Zq4-lantern-oboe-gravel-tundra-mitten";
const WEAK = "tundra-oboe";
const HOPELESS = "password1234";

suite("the strength of a value", { timeout: 600_000 }, () => {
  let estimate: EstimateText;
  before(() => {
    estimate = createStrengthThread();
  });

  test("tells the hopeless from the weak and the good, with figures and advice", async () => {
    const hopeless = await strengthOf(estimate, HOPELESS);
    assert.equal(hopeless.verdict, "hopeless");
    assert(hopeless.secondsToGuess <= 100, JSON.stringify(hopeless));
    assert(hopeless.suggestions.length > 0);
    const weak = await strengthOf(estimate, WEAK);
    assert.equal(weak.verdict, "weak", JSON.stringify(weak));
    const good = await strengthOf(estimate, STRONG);
    assert.equal(good.verdict, "good");
    assert(good.guessesLog10 > weak.guessesLog10 && weak.guessesLog10 > hopeless.guessesLog10);
    // Typed on another system it is the same text.
    assert.deepEqual(await strengthOf(estimate, "Kase\u0301x9"), await strengthOf(estimate, "Kas\u00e9x9"));
  });

  test("looks at a bounded part, one after the other, while the service goes on", async () => {
    const long = "Zq9#".repeat(ESTIMATED_CHARACTERS_MAX);
    const cut = long.slice(0, ESTIMATED_CHARACTERS_MAX);
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    turn();
    const [whole, part] = await Promise.all([strengthOf(estimate, long), strengthOf(estimate, cut)]);
    isOver = true;
    assert.deepEqual(whole, part);
    assert(turns > 10, "the event loop stood still");
  });

  test("does not wait for ever, nor for too many, and works again afterwards", async () => {
    const impatient = createStrengthThread({ answerMs: 1 });
    await assert.rejects(impatient("x"), refusal("ERR_INTERNAL"));
    const busy = createStrengthThread();
    const asked = Array.from({ length: 21 }, () => busy("Zq4"));
    const answers = await Promise.allSettled(asked);
    assert.equal(answers.filter(({ status }) => status === "fulfilled").length, 20);
    assert.equal((await busy("Zq4")).score, 0);
  });

  test("may take its time of the clock, not of a processor", async (context) => {
    const waits = new Worker("setInterval(() => {}, 1000)", { eval: true });
    const works = new Worker("for (;;);", { eval: true });
    context.after(() => Promise.all([waits.terminate(), works.terminate()]));
    let ended = 0;
    using _ = watchProcessor(waits, 1000, () => {
      ended += 1;
    });
    await new Promise<void>((resolve) => {
      const watched = watchProcessor(works, 2000, () => {
        watched[Symbol.dispose]();
        resolve();
      });
    });
    assert.equal(ended, 0);
  });

  test("decides about encryption keys that are typed, and not about passwords of others", async () => {
    await using fixture: Fixture = await fixtureOf(open, { estimate });
    const key = (value: string, name = value) =>
      create(fixture, { kind: "encryption-key", name: `key ${name.length}`, value, confirmation: value });
    await assert.rejects(key(HOPELESS), refusal("ERR_PASSWORD_WEAK", /is guessed in about/u));
    const weak = await key(WEAK);
    assert.equal(weak.warnings.length, 1);
    assert.deepEqual((await key(STRONG)).warnings, []);
    await create(fixture, { name: "of the old NAS", value: HOPELESS, confirmation: HOPELESS });
    const { db } = fixture.dependencies.database;
    await assertNowhereStored(db, [HOPELESS, WEAK, STRONG]);
  });

  test("refuses a hopeless passphrase for the vault before anything else", async () => {
    await using fixture = await fixtureOf(open, { estimate });
    const passphrase = "qwertyuiop12";
    const given = { label: "p", passphrase, confirmation: passphrase, password: OWN_PASSWORD };
    const dependencies = { ...fixture.dependencies, vault: fixture.base.vault };
    await assert.rejects(
      addPassphraseSlot(dependencies, ACTOR, newVaultSlot.parse(given)),
      refusal("ERR_PASSWORD_WEAK", /This passphrase is guessed/u),
    );
  });
});

suite("the strength over HTTP", { timeout: 600_000 }, () => {
  let database: Database;
  let server: TestServer;
  before(async () => {
    database = await openDatabase(":memory:");
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    server = await startTestServer(
      database,
      secretRoutes({ ...dependencies, estimate: createStrengthThread() }),
    );
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
  });

  test("is for everybody who is signed in, and neither log nor database nor error has the value", async () => {
    const { token } = await server.person("vera", "viewer");
    const body = { value: STRONG };
    const answer = await server.send("POST", "/secrets/strength", { as: token, body });
    assert.deepEqual([answer.status, answer.body.verdict], [200, "good"]);
    assertProblem(await server.send("POST", "/secrets/strength", { body }), 401, "ERR_SIGN_IN_NEEDED");
    const tooLong = { value: STRONG.repeat(50) };
    const refused = await server.send("POST", "/secrets/strength", { as: token, body: tooLong });
    assertProblem(refused, 422, "ERR_INPUT");
    const said = JSON.stringify([answer.body, refused.body, server.log]);
    assert(!said.includes(STRONG) && !said.includes("Zq4"));
    await assertNowhereStored(database.db, [STRONG]);
  });
});
