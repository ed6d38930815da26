/** `./holdfast` runs a bundle, and never an old one: what it does is what the sources say. */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ended, makeSmallClone, type SmallClone } from "./small-clone.ts";

const VERSION = "apps/command/src/version.ts";
const MAIN = "apps/command/src/main.ts";
/** Of nobody: may read the clone and write nothing. */
const NOBODY = 65_534;
const WEEK_MS = 7 * 24 * 60 * 60_000;
const WAIT = "process.stderr.write('waiting');\nfor await (const _ of process.stdin);";

/** `--version` says what the source of a module that is loaded later says, and which file runs. */
function sayWhatRuns(clone: SmallClone): void {
  clone.edit(VERSION, "return isManifest", "return `first ${String(process.argv[1])}`;\n  return isManifest");
}

function expected(clone: SmallClone, word: string): string {
  return `holdfast ${word} ${join(clone.builds, clone.currentId(), "main.js")}\n`;
}

async function assertSays(clone: SmallClone, word: string): Promise<void> {
  const { exit, stdout, stderr } = await clone.run(["--version"]);
  assert.deepEqual({ exit, stdout, stderr }, { exit: 0, stdout: expected(clone, word), stderr: "" });
}

/** As if it had been made, or replaced, more than a week ago. */
function ageFolder(path: string): void {
  const time = new Date(Date.now() - 1.1 * WEEK_MS);
  utimesSync(path, time, time);
}

const cannotBeNobody = process.getuid === undefined ? "needs users" : false;
const skip = process.platform === "win32" ? "the launcher is a shell script" : false;

suite("The bundle of the program", { skip }, () => {
  test("is made by the first start, and anew by the first one after a source has changed", async (context) => {
    const clone = makeSmallClone(context);
    sayWhatRuns(clone);
    await assertSays(clone, "first");
    const before = clone.currentId();
    // By the time at which it was begun: what changes while it is made is newer.
    const timeOf = (...names: string[]): number => statSync(join(clone.builds, ...names)).mtimeMs;
    assert(timeOf("current") < timeOf(before, "main.js"));
    // Within the second in which it was built.
    clone.edit(VERSION, "first", "second");
    await assertSays(clone, "second");
    assert.notEqual(clone.currentId(), before);
  });

  test("is made anew when a source is replaced by an older file", async (context) => {
    const clone = makeSmallClone(context);
    sayWhatRuns(clone);
    await assertSays(clone, "first");
    const other = clone.path("other.ts");
    writeFileSync(other, readFileSync(clone.path(VERSION), "utf8").replace("first", "older"));
    utimesSync(other, 0, 0);
    renameSync(other, clone.path(VERSION));
    await assertSays(clone, "older");
  });

  test("is not made anew without a change", async (context) => {
    const clone = makeSmallClone(context);
    await clone.run(["--version"]);
    // The second in which it was made counts as changed.
    await sleep(1000);
    await clone.run(["--version"]);
    const { ino } = statSync(join(clone.builds, "current"));
    await clone.run(["--version"]);
    assert.equal(statSync(join(clone.builds, "current")).ino, ino);
  });

  test("has one name and content for the same sources, wherever they are", async (context) => {
    const [one, other] = [makeSmallClone(context), makeSmallClone(context)];
    await Promise.all([one.run(["--version"]), other.run(["--version"])]);
    assert.equal(one.currentId(), other.currentId());
  });

  test("finds beside the sources what they find, and its own threads", async (context) => {
    const clone = makeSmallClone(context);
    await clone.run(["--version"]);
    const folder = join(clone.builds, clone.currentId());
    const text = readdirSync(folder)
      .filter((name) => name.endsWith(".js"))
      .map((name) => readFileSync(join(folder, name), "utf8"))
      .join("\n");
    const places = [...text.matchAll(/new URL\("([^"]+)", import\.meta\.url\)/gu)].map(
      ([, place = ""]) => place,
    );
    const threads = places.filter((place) => place.startsWith("./"));
    assert.equal(threads.length, text.match(/new Worker\d*\(/gu)?.length);
    assert(threads.length >= 3);
    assert(places.some((place) => place.endsWith("/packages/repository/src/chunking/wasm.ts")));
    for (const place of places) assert(existsSync(join(folder, place)), place);
  });

  test("tells lines of the sources when it is asked to", async (context) => {
    const clone = makeSmallClone(context);
    clone.edit(VERSION, "return isManifest", "throw new Error('lost');\n  return isManifest");
    const { stderr } = await clone.run(["--version"], { NODE_OPTIONS: "--enable-source-maps" });
    const line = readFileSync(clone.path(VERSION), "utf8").split("throw new")[0]?.split("\n").length;
    assert(stderr.includes(`at version (${clone.path(VERSION)}:${String(line)}:`), stderr);
  });

  test("is made by many at once without harm", async (context) => {
    const clone = makeSmallClone(context);
    sayWhatRuns(clone);
    const starts = await Promise.all(Array.from({ length: 4 }, () => clone.run(["--version"])));
    for (const { stdout, stderr } of starts) {
      assert.equal(stderr, "");
      assert.equal(stdout, expected(clone, "first"));
    }
    assert.deepEqual(clone.buildNames(), [clone.currentId()]);
  });

  test("is made anew when it is gone", async (context) => {
    const clone = makeSmallClone(context);
    sayWhatRuns(clone);
    await assertSays(clone, "first");
    rmSync(join(clone.builds, clone.currentId()), { recursive: true });
    await assertSays(clone, "first");
  });

  test("gives way to the sources where it cannot be written", { skip: cannotBeNobody }, async (context) => {
    const clone = makeSmallClone(context);
    sayWhatRuns(clone);
    await assertSays(clone, "first");
    chmodSync(clone.builds, 0o555);
    const user = process.getuid?.() === 0 ? NOBODY : undefined;
    await sleep(1000);
    const bundled = await clone.run(["--version"], {}, user);
    clone.edit(VERSION, "first", "second");
    const fromSources = await clone.run(["--version"], {}, user);
    chmodSync(clone.builds, 0o755);
    assert.equal(bundled.stderr + fromSources.stderr, "");
    assert.equal(fromSources.stdout, `holdfast second ${clone.path(MAIN)}\n`);
  });

  test("gives way to the sources where it cannot be made, and says so", async (context) => {
    const clone = makeSmallClone(context);
    sayWhatRuns(clone);
    clone.edit(VERSION, "return `first", "if (import.meta.filename === '') return '';\n  return `first");
    const { exit, stdout, stderr } = await clone.run(["--version"]);
    assert.equal(exit, 0);
    assert.equal(stdout, `holdfast first ${clone.path(MAIN)}\n`);
    assert.match(stderr, /^holdfast: The program runs from its sources.*version\.ts: in a bundle/su);
    assert.deepEqual(clone.buildNames(), []);
  });

  test("stays for a command that runs while others are made", async (context) => {
    const clone = makeSmallClone(context);
    sayWhatRuns(clone);
    // Everything but this file is loaded when standard input has come to its end.
    clone.edit(MAIN, "const argumentsGiven", `${WAIT}\nconst argumentsGiven`);
    mkdirSync(clone.path("source"));
    writeFileSync(clone.path("source/file"), "content");
    const repository = clone.path("repository");
    assert.equal((await clone.run(["init", "--no-encryption", repository])).exit, 0);
    const first = clone.currentId();
    ageFolder(join(clone.builds, first));
    const waiting = clone.start(["backup", repository, clone.path("source")]);
    const outcome = ended(waiting);
    await new Promise((resolve) => waiting.stderr?.once("data", resolve));
    for (const word of ["second", "third"]) {
      clone.edit(VERSION, "return `", `return \`${word} `);
      const { stdout } = await clone.run(["--version"]);
      assert.match(stdout, new RegExp(`^holdfast ${word} `, "u"));
    }
    assert.notEqual(clone.currentId(), first);
    waiting.stdin?.end();
    const { exit, stderr } = await outcome;
    assert.equal(exit, 0, stderr);
  });

  test("is removed a week after it was replaced", async (context) => {
    const clone = makeSmallClone(context);
    sayWhatRuns(clone);
    await assertSays(clone, "first");
    const first = clone.currentId();
    ageFolder(join(clone.builds, first));
    clone.edit(VERSION, "first", "second");
    await assertSays(clone, "second");
    const second = clone.currentId();
    assert.deepEqual(clone.buildNames().toSorted(), [first, second].toSorted());
    ageFolder(join(clone.builds, first));
    clone.edit(VERSION, "second", "third");
    await assertSays(clone, "third");
    assert.deepEqual(clone.buildNames().toSorted(), [second, clone.currentId()].toSorted());
  });
});
