import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { suite, test } from "node:test";
import {
  assertError,
  type Bench,
  environment,
  eventsOf,
  MAIN,
  newBench,
  objectsOf,
  outcomeOf,
  PASSPHRASE,
  summaryOf,
} from "./run-holdfast.ts";

suite("init", { concurrency: 2 }, () => {
  test("makes a repository, and says how it is encrypted and how not to lose it", async (context) => {
    const { ok, storage } = newBench(context, "passphrase");
    const { stdout, stderr } = await ok(["init", storage]);
    assert.match(stdout, /^Made the repository [0-9a-f]{8} at /u);
    assert.match(stdout, /AES-GCM high \(256 bits\)/u);
    assert.match(stdout, /lose the key and the data is lost/u);
    assert.match(stdout, /--recovery-kit/u);
    assert.equal(stderr, "");
  });

  test("knows every method and level", async (context) => {
    const { ok, path } = newBench(context, "passphrase");
    for (const method of ["gcm", "cbc"]) {
      for (const level of ["low", "normal", "high"]) {
        const made = await ok(["init", path(method + level), "--method", method, "--level", level, "--json"]);
        assert.deepEqual(summaryOf(made)["encryption"], { method, level });
      }
    }
  });

  test("makes a repository without encryption only when told to, and then without a key", async (context) => {
    const { ok, run, storage } = newBench(context, "passphrase");
    const noKey = { env: { HOLDFAST_KEY_FILE: "" } };
    assertError(await run(["init", storage, "--no-encryption"]), 7, /A key was given/u);
    const { stdout } = await ok(["init", storage, "--no-encryption"], noKey);
    assert.match(stdout, /NOT encrypted/u);
    assert.deepEqual(summaryOf(await ok(["copies", storage, "--json"], noKey))["copies"], []);
  });

  test("refuses a second repository at the same place, and contradictions", async (context) => {
    const { ok, run, storage } = newBench(context, "passphrase");
    await ok(["init", storage]);
    const before = readFileSync(`${storage}/config`);
    assertError(await run(["init", storage]), 7, /There is a repository at/u);
    assert.deepEqual(readFileSync(`${storage}/config`), before);
    const contradiction = await run(["init", `${storage}2`, "--no-encryption", "--level", "low"]);
    assertError(contradiction, 2, /neither --method nor --level/u);
    assert(!existsSync(`${storage}2/config`));
  });
});

suite("The key of a repository", { concurrency: 2 }, () => {
  test("comes from an option, from a file or variable that the environment names, or from the configuration", async (context) => {
    const { ok, run, storage, keyFile, path } = newBench(context, "passphrase");
    await ok(["init", storage]);
    const none = { HOLDFAST_KEY_FILE: "" };
    await ok(["copies", storage, "--key-file", keyFile], { env: none });
    await ok(["copies", storage], { env: { HOLDFAST_KEY_FILE: keyFile } });
    await ok(["copies", storage], { env: { ...none, HOLDFAST_KEY: PASSPHRASE } });
    writeFileSync(
      path("config.json"),
      JSON.stringify({ storages: { here: { location: storage, keyFile } } }),
    );
    await ok(["copies", "@here"], { env: { ...none, HOLDFAST_CONFIG: path("config.json") } });
    assertError(await run(["copies", "@there"], { env: none }), 2, /no storage called @there/u);
    assertError(await run(["copies", storage], { env: none }), 2, /is encrypted; its key is needed/u);
  });

  test("that is wrong, or given where none is needed, is told apart from damage", async (context) => {
    const { ok, run, storage, path } = newBench(context, "passphrase");
    await ok(["init", storage]);
    await ok(["init", path("open"), "--no-encryption"], { env: { HOLDFAST_KEY_FILE: "" } });
    writeFileSync(path("wrong"), "wrong\n");
    assertError(await run(["copies", storage, "--key-file", path("wrong")]), 4, /The key does not open/u);
    assertError(await run(["copies", path("open")]), 7, /is not encrypted, but a key was given/u);
    assertError(await run(["copies", storage, "--key-file", path("none")]), 2, /cannot be read/u);
    const [slot = ""] = readdirSync(path("storage", "slots"));
    const bytes = readFileSync(path("storage", "slots", slot));
    bytes[60] = (bytes[60] ?? 0) ^ 1;
    rmSync(path("storage", "slots", slot));
    writeFileSync(path("storage", "slots", slot), bytes);
    assertError(await run(["copies", storage]), 5, /damaged/u);
  });

  test("can be one of several, is named by the list, and the last one stays", async (context) => {
    const { ok, run, storage, path } = newBench(context, "passphrase");
    await ok(["init", storage]);
    writeFileSync(path("second"), "second passphrase");
    const added = await ok([
      "key",
      "add",
      storage,
      "--new-key-file",
      path("second"),
      "--label",
      "of Ada",
      "--json",
    ]);
    const second = summaryOf(added)["id"];
    const slots = eventsOf(await ok(["key", "list", storage, "--json"]), "slot");
    assert.deepEqual(
      slots.map(({ kind, label }) => [kind, label]),
      [
        ["passphrase", "first key"],
        ["passphrase", "of Ada"],
      ],
    );
    assert.equal(slots[1]?.["id"], second);
    const bySecond = { env: { HOLDFAST_KEY_FILE: path("second") } };
    assert.match((await ok(["key", "check", storage], bySecond)).stdout, /"of Ada"/u);
    const [first] = slots;
    await ok(["key", "remove", storage, String(first?.["id"]).slice(0, 8)], bySecond);
    assertError(await run(["copies", storage]), 4, /The key does not open/u);
    assertError(await run(["key", "remove", storage, String(second)], bySecond), 7, /last key slot/u);
    assertError(await run(["key", "remove", storage, "0000"], bySecond), 1, /No single key slot/u);
    await ok(["copies", storage], bySecond);
  });

  test("can be a recovery kit, written once and only for its owner", async (context) => {
    const { ok, run, storage, path } = newBench(context, "passphrase");
    await ok(["init", storage]);
    const kit = path("kit.txt");
    const { stdout } = await ok(["key", "add", storage, "--recovery-kit", kit]);
    assert.match(stdout, /Print it/u);
    assert.equal(statSync(kit).mode & 0o777, 0o600);
    const text = readFileSync(kit, "latin1");
    assert.match(text, /^HOLDFAST RECOVERY KEY 1\n/u);
    assert(!stdout.includes(text.split("\n")[1]?.slice(0, 11) ?? "-"), "the kit must not be shown");
    const byKit = { env: { HOLDFAST_KEY_FILE: kit } };
    assert.match((await ok(["key", "check", storage], byKit)).stdout, /recovery kit/u);
    await ok(["copies", storage], byKit);
    assertError(await run(["key", "add", storage, "--recovery-kit", kit]), 1, /cannot be written/u);
    assert.equal(readFileSync(kit, "latin1"), text);
    assert.equal(eventsOf(await ok(["key", "list", storage, "--json"]), "slot").length, 2);
    const both = ["--recovery-kit", path("other"), "--new-key-file", kit];
    assertError(await run(["key", "add", storage, ...both]), 2, /two different keys/u);
  });
});

suite("An error", { concurrency: 2 }, () => {
  test("of use is one line and exit code 2", async (context) => {
    const { run, storage } = newBench(context, "passphrase");
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[], /No command was given/u],
      [["key"], /No command was given/u],
      [["frobnicate"], /Unknown command 'frobnicate'/iu],
      [["copies"], /Missing required argument/iu],
      [["copies", "ftp://host/x"], /ftp:\/\/ are not known/u],
      [["copies", storage, "more"], /Too many arguments/iu],
      [["copies", storage, "--frobnicate"], /Unknown option/iu],
      [["init", storage, "--level", "extreme"], /low, normal, high/u],
      [["backup", storage], /nothing to back up/u],
      [["backup", storage, "/etc", "--workers", "0"], /A whole number from 1 to 64/u],
      [["restore", storage, "latest"], /--target/u],
    ];
    for (const [argumentsGiven, pattern] of cases) assertError(await run(argumentsGiven), 2, pattern);
  });

  test("of the storage is exit code 6, and of what is not there yet 1", async (context) => {
    const { run, path } = newBench(context, "passphrase");
    assertError(await run(["copies", path("nowhere")]), 6, /nowhere/u);
    assertError(await run(["copies", path()]), 6, /There is no repository/u);
    assertError(await run(["backup", path("storage"), "--disk", "/dev/sda"]), 1, /disks are not made yet/u);
    assertError(
      await run(["restore", path("storage"), "latest", "--disk", "/dev/sda"]),
      1,
      /not written back yet/u,
    );
  });

  test("is an object with --json, on standard output", async (context) => {
    const { run, path } = newBench(context, "passphrase");
    for (const [argumentsGiven, code] of [
      [["copies", path(), "--json"], "ERR_REPOSITORY_MISSING"],
      [["copies", "--json"], "ERR_USAGE"],
    ] as const) {
      const outcome = await run(argumentsGiven);
      const [error, ...more] = objectsOf(outcome);
      assert.equal(error?.["event"], "error");
      assert.equal(error["code"], code);
      assert.equal(typeof error["message"], "string");
      assert.equal(typeof error["remedy"], "string");
      assert.deepEqual([more, outcome.stderr], [[], ""]);
    }
  });

  test("says with --verbose what led to it", async (context) => {
    const { run, path } = newBench(context, "passphrase");
    const { stderr } = await run(["copies", path("nowhere"), "--verbose"]);
    assert.match(stderr, /^holdfast: .*\n {2}because: .*ENOENT/su);
  });
});

const HAS_SCRIPT = spawnSync("script", ["--version"]).status === 0;

suite("At a terminal", { skip: HAS_SCRIPT ? false : "needs script(1)" }, () => {
  test("the key is asked for twice when it is new, once when it is not, and never shown", async (context) => {
    const bench = newBench(context, "passphrase");
    const made = await atTerminal(bench, ["init", bench.storage], ["top secret", "top secret"]);
    assert.equal(made.exit, 0, made.stdout);
    assert.match(made.stdout, /New passphrase: [^]*The same again: [^]*Made the repository/u);
    const listed = await atTerminal(bench, ["copies", bench.storage], ["top secret"]);
    assert.match(listed.stdout, /Key of the repository at [^]*There are no copies/u);
    assert(!`${made.stdout}${listed.stdout}`.includes("top secret"));
    const wrong = await atTerminal(bench, ["copies", bench.storage], ["top secrets"]);
    assert.equal(wrong.exit, 4);
    const different = await atTerminal(bench, ["init", bench.path("other")], ["one", "two"]);
    assert.match(different.stdout, /not the same/u);
    assert.equal(different.exit, 2);
    const given = await atTerminal(bench, ["copies", bench.storage], ["\u0003"]);
    assert.equal(given.exit, 130);
  });
});

/** Runs the command at a pseudo-terminal, answering each of its questions. */
async function atTerminal(
  bench: Bench,
  argumentsGiven: readonly string[],
  answers: readonly string[],
): Promise<{ readonly exit: number | null; readonly stdout: string }> {
  const line = [process.execPath, MAIN, ...argumentsGiven].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["--quiet", "--return", "--echo", "never", "--command", line, "/dev/null"], {
    env: environment(bench.folder, { TERM: "xterm" }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const left = [...answers];
  let shown = "";
  child.stdout.on("data", (piece: Buffer) => {
    shown += piece.toString();
    // Each question is answered when it is there: what is typed earlier may be echoed by the terminal itself.
    if (!shown.endsWith(": ")) return;
    const answer = left.shift();
    if (answer !== undefined) child.stdin.write(`${answer}\r`);
    shown = "";
  });
  const { exit, stdout } = await outcomeOf(child);
  return { exit, stdout };
}
