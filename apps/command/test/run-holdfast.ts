/**
 * Runs the real command as a process of its own, as a person or a script would.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";
import { formatRecoveryKey } from "@holdfast/crypto";

/** Runs from its sources, with whatever options of Node.js. */
export const MAIN = join(import.meta.dirname, "../src/main.ts");
const isLaunched = process.platform !== "win32";
/** What users start: there the bundle runs, made anew when a source has changed, and keeps beside it what was compiled of it. */
const [PROGRAM, ...PROGRAM_ARGUMENTS]: readonly [string, ...string[]] = isLaunched
  ? [join(import.meta.dirname, "../../../holdfast")]
  : [process.execPath, MAIN];
const COMPILED: Readonly<Record<string, string>> = isLaunched ? { NODE_COMPILE_CACHE: "" } : {};
export const PASSPHRASE = "correct horse battery staple";

export interface Outcome {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as bytes. */
  readonly bytes: Buffer;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A place of its own for a test, with the command set up in it. */
export interface Bench {
  readonly folder: string;
  readonly storage: string;
  /** Holds a recovery kit, or {@link PASSPHRASE}. */
  readonly keyFile: string;
  readonly path: (...names: string[]) => string;
  /** With the key file in the environment. */
  readonly run: (argumentsGiven: readonly string[], options?: RunOptions) => Promise<Outcome>;
  /** The same, which must exit with 0. */
  readonly ok: (argumentsGiven: readonly string[], options?: RunOptions) => Promise<Outcome>;
  readonly start: (argumentsGiven: readonly string[], options?: RunOptions) => ChildProcess;
}

/**
 * @param key what a new repository is made with. A kit opens at once; a passphrase is stretched anew by every run, for a
 *   quarter of a second: it is for the tests in which it matters.
 */
export function newBench(context: TestContext, key: "kit" | "passphrase" = "kit"): Bench {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-command-"));
  const started: ChildProcess[] = [];
  // First whoever writes there: what comes in while the folder is emptied stays, and so would they.
  context.after(async () => {
    await Promise.all(started.map(stop));
    rmSync(folder, { recursive: true, force: true });
  });
  const path = (...names: string[]): string => join(folder, ...names);
  const keyFile = path("key");
  const text = key === "kit" ? formatRecoveryKey(randomBytes(32)) : `${PASSPHRASE}\n`;
  writeFileSync(keyFile, text, { mode: 0o600 });
  const start = (argumentsGiven: readonly string[], options: RunOptions = {}): ChildProcess => {
    const child = spawn(PROGRAM, [...PROGRAM_ARGUMENTS, ...argumentsGiven], {
      cwd: options.cwd ?? folder,
      env: environment(folder, { ...COMPILED, HOLDFAST_KEY_FILE: keyFile, ...options.env }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    started.push(child);
    return child;
  };
  const run = (argumentsGiven: readonly string[], options?: RunOptions): Promise<Outcome> =>
    outcomeOf(start(argumentsGiven, options));
  const ok = async (argumentsGiven: readonly string[], options?: RunOptions): Promise<Outcome> => {
    const outcome = await run(argumentsGiven, options);
    assert.equal(outcome.exit, 0, `${argumentsGiven.join(" ")}: ${outcome.stderr}`);
    return outcome;
  };
  return { folder, storage: path("storage"), keyFile, path, run, ok, start };
}

/** Asks a process to end, and ends it if it does not. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once("exit", () => resolve());
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await promise;
  clearTimeout(timer);
}

/**
 * Nothing of the person who runs the tests, except where compiled code is kept, as `./holdfast` keeps it; an empty value
 * takes a variable away.
 */
export function environment(folder: string, more: Readonly<Record<string, string>>): Record<string, string> {
  const all = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    XDG_CACHE_HOME: join(folder, "cache"),
    XDG_CONFIG_HOME: join(folder, "config"),
    NODE_NO_WARNINGS: "1",
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? "",
    ...more,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const collect = (stream: ChildProcess["stdout"]): Buffer[] => {
    const pieces: Buffer[] = [];
    stream?.on("data", (piece: Buffer) => pieces.push(piece));
    return pieces;
  };
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const exit = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  const bytes = Buffer.concat(stdout);
  return { exit, bytes, stdout: bytes.toString(), stderr: Buffer.concat(stderr).toString() };
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** The objects of a `--json` run; every line must be one. */
export function objectsOf({ stdout }: Pick<Outcome, "stdout">): readonly JsonObject[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const value: unknown = JSON.parse(line);
      assert(typeof value === "object" && value !== null && "event" in value, line);
      return { ...value };
    });
}

/** The last object, which must be the summary. */
export function summaryOf(outcome: Pick<Outcome, "stdout">): JsonObject {
  const last = objectsOf(outcome).at(-1);
  assert.equal(last?.["event"], "summary", outcome.stdout);
  return last;
}

export function eventsOf(outcome: Pick<Outcome, "stdout">, event: string): readonly JsonObject[] {
  return objectsOf(outcome).filter((object) => object["event"] === event);
}

/** Written every half a minute by what takes so long. */
const PROGRESS_LINE = /^(?!holdfast:).*(?:\/s| files| objects| left)\n/gmu;

/** The one line that an error is, and the exit code. */
export function assertError(outcome: Outcome, exit: number, pattern: RegExp): void {
  assert.equal(outcome.exit, exit, outcome.stderr);
  assert.match(outcome.stderr, pattern);
  assert.match(outcome.stderr.replaceAll(PROGRESS_LINE, ""), /^holdfast: [^\n]+\n$/u);
  assert.equal(outcome.stdout, "");
}
