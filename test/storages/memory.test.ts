/**
 * The memory of the command, started as a user starts it, while it backs up to and restores from a remote storage. There it needs more
 * than with a folder: what is on its way to the server and back lies in its memory too.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { environment, newBench, outcomeOf } from "../../apps/command/test/run-holdfast.ts";
import { patternedBytes } from "./patterned-bytes.ts";
import { shareCompiledCode } from "../compile-cache.ts";
import { PLACES } from "./places.ts";

const PROGRAM = join(import.meta.dirname, "../../holdfast");
/** The aim is 400 MB whatever the source; a source as small as this one needs less (measured: 272 to 354 MB). */
const PEAK_BYTES_MAX = 370_000_000;
const FOLDERS = 60;
const FILES_IN_FOLDER = 200;
const LARGE_BYTES = 150_000_000;
const LOOK_MS = 10;

shareCompiledCode();

const place = PLACES.find(({ name }) => name === "SFTP");
assert(place !== undefined);
const skip = process.platform === "linux" ? place.skip : "needs /proc";

test("a backup to SFTP and a restore from there stay small", { skip }, async (context) => {
  await using server = await place.start();
  const bench = newBench(context);
  const credentialsFile = bench.path("credentials.json");
  writeFileSync(credentialsFile, JSON.stringify(server.credentials), { mode: 0o600 });
  const source = bench.path("source");
  makeSource(source);
  const url = server.door.url("memory");
  const env = environment(bench.folder, {
    HOLDFAST_KEY_FILE: bench.keyFile,
    HOLDFAST_CREDENTIALS_FILE: credentialsFile,
  });
  const peakOf = async (...words: readonly string[]): Promise<number> => {
    const child = spawn(PROGRAM, words, {
      cwd: bench.folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    context.after(() => child.kill("SIGKILL"));
    const peak = watchPeak(child);
    const outcome = await outcomeOf(child);
    assert.equal(outcome.exit, 0, `${words.join(" ")}: ${outcome.stderr}`);
    return peak();
  };
  await peakOf("init", url);
  for (const words of [
    ["backup", url, source],
    ["restore", url, "latest", "--target", bench.path("restored")],
  ]) {
    const peak = await peakOf(...words);
    assert(peak > 100_000_000, `${String(words[0])} was not watched: ${String(peak)} bytes`);
    assert(peak < PEAK_BYTES_MAX, `${String(words[0])}: ${String(peak)} bytes`);
  }
});

function makeSource(source: string): void {
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    const path = join(source, String(folder));
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < FILES_IN_FOLDER; file += 1)
      writeFileSync(
        join(path, String(file)),
        patternedBytes(1 + ((folder * FILES_IN_FOLDER + file) % 24_000)),
      );
  }
  writeFileSync(join(source, "large"), patternedBytes(LARGE_BYTES));
}

/** Looks at what the system says of the process, which is gone with it. */
function watchPeak({ pid }: ChildProcess): () => number {
  let peak = 0;
  const look = (): void => {
    try {
      const status = readFileSync(`/proc/${String(pid)}/status`, "utf8");
      peak = Math.max(peak, Number(/^VmHWM:\s+(\d+) kB$/mu.exec(status)?.[1] ?? 0) * 1024);
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, LOOK_MS);
  return () => {
    clearInterval(timer);
    return peak;
  };
}
