import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, writeSync } from "node:fs";
import process from "node:process";
import { suite, test } from "node:test";
import { type Bench, eventsOf, newBench, objectsOf, outcomeOf, summaryOf } from "./run-holdfast.ts";

const FILE_BYTES = 4 * 1024 * 1024;
const FILES = 12;
/** For half a minute of a processor: a backup takes longer than a signal, also where nobody looks for a while. */
const SLOW = ["--workers", "1", "--compression", "19"];

/** Of hexadecimal digits, which can be compressed. */
function makeLargeSource({ path }: Bench): string {
  const source = path("source");
  mkdirSync(source);
  const block = Buffer.from(randomBytes(FILE_BYTES / 2).toString("hex"));
  for (let index = 0; index < FILES; index += 1) {
    const file = openSync(`${source}/${String(index)}`, "w");
    // Another content in each megabyte, so that nothing is deduplicated.
    for (let at = 0; at < FILE_BYTES; at += 65_536) block.writeUInt32LE(index * 1_000_003 + at, at);
    writeSync(file, block);
    closeSync(file);
  }
  return source;
}

suite("Ctrl-C", { skip: process.platform === "win32" ? "needs signals" : false }, () => {
  test("ends a backup cleanly, and the next run goes on", { timeout: 300_000 }, async (context) => {
    const bench = newBench(context);
    const { ok, storage, path } = bench;
    const source = makeLargeSource(bench);
    await ok(["init", storage]);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const child = bench.start(["backup", storage, source, ...SLOW, "--json"]);
      child.stdout?.once("data", () => child.kill(signal));
      const outcome = await outcomeOf(child);
      assert.equal(outcome.exit, 130, outcome.stdout + outcome.stderr);
      const last = objectsOf(outcome).at(-1);
      assert.equal(last?.["code"], "ERR_CANCELLED");
      assert.match(String(last["message"]), signal === "SIGINT" ? /Interrupted/u : /SIGTERM/u);
    }
    assert.deepEqual(eventsOf(await ok(["copies", storage, "--json"]), "copy"), []);
    const sessions = path("storage", "sessions");
    assert.deepEqual(existsSync(sessions) ? readdirSync(sessions) : [], []);
    const done = summaryOf(await ok(["backup", storage, source, "--json"]));
    assert.equal(done["filesNew"], FILES);
    await ok(["verify", storage, "--read-data"]);
  });

  test("a reader that goes away ends a listing without a word", async (context) => {
    const bench = newBench(context);
    const { ok, storage, path } = bench;
    mkdirSync(path("source"));
    for (let index = 0; index < 3000; index += 1)
      closeSync(openSync(path("source", `${"name".repeat(20)}${String(index)}`), "w"));
    await ok(["init", storage]);
    await ok(["backup", storage, path("source")]);
    // Long enough that the end of the reader is noticed on the way.
    const often = Array.from({ length: 50 }, () => ["--copy", "latest"]).flat();
    const child = bench.start(["find", storage, "*", ...often]);
    child.stdout?.once("data", () => child.stdout?.destroy());
    const { exit, stderr } = await outcomeOf(child);
    assert.equal(stderr, "");
    assert.equal(exit, 130);
  });
});
