import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openLocalStorage } from "@holdfast/storage";
import { INDEX_ENTRY_BYTES } from "../src/chunk-index/entry.ts";
import { type ChunkIndexSnapshot, loadSnapshot, openChunkIndex } from "../src/chunk-index/index.ts";
import { SEGMENT_ENTRIES_MAX } from "../src/chunk-index/segment-format.ts";
import { encodeSegment } from "../src/chunk-index/segment-writer.ts";
import {
  directoryEntry,
  keys,
  named,
  type NamedSegment,
  packRows,
  range,
  seededRandomness,
} from "./chunk-index-data.ts";

const SEGMENTS = 4;
const CHUNKS = SEGMENTS * SEGMENT_ENTRIES_MAX;
const MIB = 1024 * 1024;

setFlagsFromString("--expose-gc");
const gc: () => void = runInNewContext("gc");

suite("two million chunks", () => {
  test("take ten bits each in shared memory, and some frames per thread", async (context) => {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-index-"));
    context.after(() => rm(folder, { recursive: true, force: true }));
    const storage = await openLocalStorage(folder);
    for (const segment of range(0, SEGMENTS)) {
      const { name, bytes } = segmentAt(segment);
      await storage.put(name, bytes);
    }
    const before = await settledBytes();
    using loaded = await loadSnapshot(storage, keys);
    const index = openChunkIndex(loaded.snapshot);
    const id = Buffer.alloc(32);
    let hits = 0;
    let misses = 0;
    for (const number of range(0, 3000)) {
      writeId(id, 0, number * 699);
      hits += index.lookup(id) === undefined ? 0 : 1;
      writeId(id, 0, CHUNKS + number);
      misses += index.has(id) ? 0 : 1;
    }
    assert.deepEqual([hits, misses], [3000, 3000]);
    const held = (await settledBytes()) - before;
    assert.ok(held > MIB, `${String(held)} bytes: the frames alone are more, but for what was freed before`);
    // 768 frames, and room for what the runtime keeps; on the disk are 116 MB.
    assert.ok(held < 6 * MIB + 5 * MIB, `${String(held)} bytes`);
    assert.equal(index.segmentCount, SEGMENTS);
    const shared = sharedBytesOf(loaded.snapshot);
    const filters = (CHUNKS * 10) / 8;
    // Fences are 8 bytes for 150 entries: 4 % more.
    assert.ok(shared >= filters && shared < filters * 1.05, `${String(shared)} bytes`);
  });
});

function segmentAt(segment: number): NamedSegment {
  const row = directoryEntry(Buffer.alloc(32), 0).subarray(32);
  const entries = Buffer.alloc(SEGMENT_ENTRIES_MAX * INDEX_ENTRY_BYTES);
  for (let number = 0; number < SEGMENT_ENTRIES_MAX; number += 1) {
    const at = number * INDEX_ENTRY_BYTES;
    writeId(entries, at, segment * SEGMENT_ENTRIES_MAX + number);
    entries.writeUInt32LE(number % 100, at + 32);
    entries.set(row, at + 36);
  }
  const content = { entries, packs: packRows(range(0, 100)) };
  return named(encodeSegment(keys, seededRandomness(String(segment)), content));
}

/** When nothing more is given back: a thread of the runtime frees buffers, whenever it gets a processor. */
async function settledBytes(): Promise<number> {
  let lowest = Number.POSITIVE_INFINITY;
  for (let same = 0; same < 3; same += 1) {
    gc();
    await setTimeout(50);
    const now = privateBytes();
    if (now < lowest - 64 * 1024) same = 0;
    lowest = Math.min(lowest, now);
  }
  return lowest;
}

/** Of this thread; shared memory is not among it. */
function privateBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function sharedBytesOf({ segments }: ChunkIndexSnapshot): number {
  const buffers = new Set(segments.flatMap(({ filter, fences }) => [filter.buffer, fences.buffer]));
  return [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0);
}

/** An id that looks random; multiplication by odd numbers is one to one. */
function writeId(out: Buffer, at: number, number: number): void {
  for (let word = 0; word < 8; word += 1) {
    let value = Math.imul(number + 1, 0x9e37_79b1) ^ Math.imul(word + 1, 0x85eb_ca6b);
    value = Math.imul(value ^ (value >>> 15), 0x2c1b_3c6d);
    value = Math.imul(value ^ (value >>> 13), 0x297a_2d39);
    out.writeInt32LE(value ^ (value >>> 16), at + word * 4);
  }
}
