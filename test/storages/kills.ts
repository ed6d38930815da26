/**
 * Kills in the middle of what the command does with a remote storage: of the server, which comes back or does not, and of
 * the command itself.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assertError, eventsOf, summaryOf } from "../../apps/command/test/run-holdfast.ts";
import { patternedBytes } from "./patterned-bytes.ts";
import {
  assertRestores,
  assertSame,
  assertSound,
  countObjects,
  inTheMiddle,
  killServer,
  ok,
  restartServer,
  type Scene,
  startServer,
  urlOf,
} from "./scene.ts";

const FOLDER = "repository";
/** Whatever the machine is busy with: a deadline that is not kept is missed by minutes. */
const MARGIN_MS = 15_000;
const RETRY_SECONDS = 3;
const PACK_BYTES = 32 * 1024 * 1024;
const CHUNK_FILES = 240;
const CHUNK_FILE_BYTES = 250_000;

/** Makes the repository that the others go on with. */
export async function backupThroughRestart(scene: Scene): Promise<void> {
  const url = urlOf(scene, FOLDER);
  await ok(scene, ["init", url]);
  const words = ["backup", urlOf(scene, FOLDER, "parallel=2"), scene.source, "--json"];
  const before = scene.proxy.passed.toServer;
  const outcome = await inTheMiddle(scene, words, {
    direction: "toServer",
    bytes: 70_000_000,
    meanwhile: async () => {
      assert((await countObjects(scene, FOLDER, "packs/")) > 0);
      assert.equal(await countObjects(scene, FOLDER, "copies/"), 0);
      await restartServer(scene);
    },
  });
  assert.equal(outcome.exit, 0, outcome.stderr);
  assert.equal(summaryOf(outcome)["filesNew"], 202);
  assert.deepEqual(eventsOf(outcome, "warning"), []);
  // What had arrived whole was not sent again.
  assert(scene.proxy.passed.toServer - before < 100_000_000 + 2.5 * PACK_BYTES);
  await assertSound(scene, url);
  await assertRestores(scene, url, scene.source);
}

/** Files of one chunk each, so that packs can be needed in part. */
function makeChunks(scene: Scene, name: string): string {
  const folder = scene.bench.path(name);
  mkdirSync(folder);
  const bytes = patternedBytes(CHUNK_FILES * CHUNK_FILE_BYTES + name.length);
  for (let number = 0; number < CHUNK_FILES; number += 1) {
    const start = number * CHUNK_FILE_BYTES;
    writeFileSync(join(folder, String(number)), bytes.subarray(start, start + CHUNK_FILE_BYTES));
  }
  return folder;
}

/** Leaves a quarter of the files; the packs that hold them are still needed in part. */
function thinOut(folder: string): void {
  for (let number = 0; number < CHUNK_FILES; number += 1)
    if (number % 4 !== 0) rmSync(join(folder, String(number)));
}

/** Leaves garbage. */
export async function backupGivesUp(scene: Scene): Promise<void> {
  const url = urlOf(scene, FOLDER);
  const chunks = makeChunks(scene, "chunks");
  const packs = await countObjects(scene, FOLDER, "packs/");
  const hasty = urlOf(scene, FOLDER, "parallel=1", `retry=${String(RETRY_SECONDS)}`);
  let killedMs = 0;
  const outcome = await inTheMiddle(scene, ["backup", hasty, scene.source, chunks], {
    direction: "toServer",
    bytes: 45_000_000,
    meanwhile: async () => {
      assert((await countObjects(scene, FOLDER, "packs/")) > packs);
      await killServer(scene);
      killedMs = performance.now();
    },
  });
  const tookMs = performance.now() - killedMs;
  const [named = ""] = hasty.split("?");
  assertError(outcome, 6, /Gave up after|Nothing was answered for/u);
  assert(outcome.stderr.includes(named), outcome.stderr);
  assert(tookMs < RETRY_SECONDS * 1000 + MARGIN_MS, `${String(tookMs)} ms`);
  await startServer(scene);
  assert.equal(await countObjects(scene, FOLDER, "copies/"), 1);
  thinOut(chunks);
  await ok(scene, ["backup", url, chunks]);
}

/** What both left behind is given back, and every copy is there. */
export async function cleanAfterwards(scene: Scene, words: { readonly kill: boolean }): Promise<void> {
  const url = urlOf(scene, FOLDER);
  const command = ["clean", url, "--json"];
  const outcome = words.kill
    ? await inTheMiddle(scene, command, {
        direction: "toServer",
        bytes: 4_000_000,
        meanwhile: () => restartServer(scene),
      })
    : await ok(scene, command);
  assert.equal(outcome.exit, 0, outcome.stderr);
  const freed = Number(summaryOf(outcome)["bytesFreed"]);
  assert(freed > PACK_BYTES / 2, String(freed));
  await assertSound(scene, url);
  await assertRestores(scene, url, scene.bench.path("chunks"));
  const copies = eventsOf(await ok(scene, ["copies", url, "--json"]), "copy");
  assert.equal(copies.length, 2);
  await assertRestores(scene, url, scene.source, String(copies.at(0)?.["id"]));
}

/** The command itself is killed, and the next one uses what it had sent. */
export async function backupAfterKilledCommand(scene: Scene): Promise<void> {
  const url = urlOf(scene, FOLDER);
  const killed = makeChunks(scene, "killed");
  const outcome = await inTheMiddle(scene, ["backup", urlOf(scene, FOLDER, "parallel=1"), killed], {
    direction: "toServer",
    bytes: 45_000_000,
    meanwhile: async (child) => {
      child.kill("SIGKILL");
      await scene.proxy.set();
    },
  });
  assert.equal(outcome.exit, null);
  assert.equal(outcome.stdout, "");
  const summary = summaryOf(await ok(scene, ["backup", url, killed, "--json"]));
  const stored = Number(summary["bytesStored"]);
  assert(stored < CHUNK_FILES * CHUNK_FILE_BYTES - PACK_BYTES / 2, String(stored));
  await assertSound(scene, url);
  await assertRestores(scene, url, killed);
}

export async function restoreThroughRestart(scene: Scene): Promise<void> {
  const target = scene.bench.path("restored");
  const copies = eventsOf(await ok(scene, ["copies", urlOf(scene, FOLDER), "--json"]), "copy");
  const words = ["restore", urlOf(scene, FOLDER), String(copies.at(0)?.["id"]), "--target", target];
  const outcome = await inTheMiddle(scene, words, {
    direction: "toClient",
    bytes: 60_000_000,
    meanwhile: () => restartServer(scene),
  });
  assert.equal(outcome.exit, 0, outcome.stderr);
  assertSame(scene.source, target);
}

export async function replicateThroughRestart(scene: Scene): Promise<void> {
  const replica = urlOf(scene, "replica");
  const outcome = await inTheMiddle(scene, ["replicate", scene.door.url(FOLDER), replica], {
    direction: "toServer",
    bytes: 60_000_000,
    meanwhile: () => restartServer(scene),
  });
  assert.equal(outcome.exit, 0, outcome.stderr);
  await assertSound(scene, replica);
}
