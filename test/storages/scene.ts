/**
 * A real server behind a proxy, a source, and the command between them, stopped in the middle of its transfers.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeStorageCredentials, openStorage } from "@holdfast/storage";
import {
  type Bench,
  newBench,
  type Outcome,
  outcomeOf,
  summaryOf,
} from "../../apps/command/test/run-holdfast.ts";
import type { Direction, FaultProxy } from "../../packages/storage/test/servers/fault-proxy.ts";
import { shareCompiledCode } from "../compile-cache.ts";
import { patternedBytes } from "./patterned-bytes.ts";
import type { Door, PlaceServer } from "./places.ts";
import { withSetting } from "./places.ts";

// Every run of the command is a process, and loads the same.
shareCompiledCode();

const DOWN_MS = 2000;
const LARGE_BYTES = 50_000_000;
const LARGE_FILES = 2;
const SMALL_FILES = 200;

export interface Scene {
  readonly bench: Bench;
  readonly server: PlaceServer;
  readonly proxy: FaultProxy;
  /** What the proxy stands before. */
  readonly door: Door;
  /** Four packs and many small files. */
  readonly source: string;
  readonly credentialsFile: string;
  /** Runs of the command; none outlives the test. */
  readonly children: ChildProcess[];
}

export function newScene(context: TestContext, server: PlaceServer, proxy: FaultProxy): Scene {
  const bench = newBench(context);
  const credentialsFile = bench.path("credentials.json");
  writeFileSync(credentialsFile, JSON.stringify(server.credentials), { mode: 0o600 });
  const source = bench.path("source");
  mkdirSync(join(source, "small"), { recursive: true });
  for (let number = 0; number < LARGE_FILES; number += 1)
    writeFileSync(join(source, `large-${String(number)}`), patternedBytes(LARGE_BYTES + number));
  for (let number = 0; number < SMALL_FILES; number += 1)
    writeFileSync(join(source, "small", String(number)), patternedBytes(number * 60));
  const children: ChildProcess[] = [];
  context.after(() => {
    for (const child of children) child.kill("SIGKILL");
  });
  return { bench, server, proxy, door: server.door, source, credentialsFile, children };
}

/** The folder's URL through the proxy. */
export function urlOf({ door, proxy }: Scene, folder: string, ...settings: readonly string[]): string {
  return settings.reduce(withSetting, door.url(folder, proxy.port));
}

/** Starts the command with the credentials of the server. */
export function start(scene: Scene, words: readonly string[]): ChildProcess {
  const file = scene.credentialsFile;
  const more = words[0] === "replicate" ? ["--target-credentials", file] : [];
  const { children } = scene;
  const child = scene.bench.start([...words, ...more], { env: { HOLDFAST_CREDENTIALS_FILE: file } });
  children.push(child);
  return child;
}

export function run(scene: Scene, words: readonly string[]): Promise<Outcome> {
  return outcomeOf(start(scene, words));
}

/** The same, which must exit with 0. */
export async function ok(scene: Scene, words: readonly string[]): Promise<Outcome> {
  const outcome = await run(scene, words);
  assert.equal(outcome.exit, 0, `${words.join(" ")}: ${outcome.stderr}`);
  return outcome;
}

export interface Middle {
  readonly direction: Direction;
  /** Of what the command transfers, so many bytes are through when `meanwhile` runs, and nothing more gets through. */
  readonly bytes: number;
  readonly meanwhile: (child: ChildProcess) => Promise<void>;
}

/** Runs the command and does something in the middle of its transfers. */
export async function inTheMiddle(
  scene: Scene,
  words: readonly string[],
  { direction, bytes, meanwhile }: Middle,
): Promise<Outcome> {
  const held = scene.proxy.holdAfter(direction, bytes);
  const child = start(scene, words);
  const outcome = outcomeOf(child);
  const early = await Promise.race([held, outcome]);
  assert.equal(early, undefined, `${words.join(" ")} ended before its middle: ${early?.stderr ?? ""}`);
  await meanwhile(child);
  return outcome;
}

/** The server dies, and stays away until {@link startServer}. */
export async function killServer({ server, proxy }: Scene): Promise<void> {
  await server.kill();
  await proxy.set({ refuse: true });
}

export async function startServer({ server, proxy }: Scene): Promise<void> {
  await server.start();
  await proxy.set();
}

/** The server dies and comes back after a while. */
export async function restartServer(scene: Scene): Promise<void> {
  await killServer(scene);
  await sleep(DOWN_MS);
  await startServer(scene);
}

/** How many objects there are, asked of the server itself. */
export async function countObjects(scene: Scene, folder: string, prefix: string): Promise<number> {
  const credentials = decodeStorageCredentials(JSON.stringify(scene.server.credentials), "the test");
  await using storage = await openStorage(scene.door.url(folder), {
    credentials: () => Promise.resolve(credentials),
  });
  return (await Array.fromAsync(storage.list(prefix))).length;
}

/** Nothing is damaged, down to the last byte. */
export async function assertSound(scene: Scene, url: string): Promise<void> {
  const verified = summaryOf(await ok(scene, ["verify", url, "--read-data", "--json"]));
  assert.deepEqual(verified["damaged"], []);
}

/** Restores a copy and compares it with what it was made of. */
export async function assertRestores(
  scene: Scene,
  url: string,
  source: string,
  copy = "latest",
): Promise<void> {
  const target = scene.bench.path("restored");
  await ok(scene, ["restore", url, copy, "--target", target]);
  assertSame(source, target);
}

/** @param target where `source` was restored to; removed afterwards. */
export function assertSame(source: string, target: string): void {
  execFileSync("diff", ["-r", source, join(target, source)]);
  rmSync(target, { recursive: true });
}
