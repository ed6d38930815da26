/**
 * The chunk index of a hundred million chunks (100 TB at 1 MiB each): time to open, memory, lookups a second.
 *
 *     node bench/chunk-index.ts [segments=191] [folder for 5.7 GB]
 *
 * Two layouts: *merged*, where each segment has a range of ids of its own, and *scattered*, where each holds ids from
 * everywhere, as sessions write them and as they are until somebody merges. Ids are made up in their order.
 * With each rate stand the bytes read from the disk and the CPU time a lookup: they tell waiting from work.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "@holdfast/crypto";
import { systemRandomness } from "@holdfast/kernel";
import { openLocalStorage, type Storage } from "@holdfast/storage";
import {
  INDEX_ENTRY_BYTES,
  PACK_ROW_BYTES,
  writePackRow,
} from "../packages/repository/src/chunk-index/entry.ts";
import {
  type ChunkIndex,
  loadSnapshot,
  openChunkIndex,
} from "../packages/repository/src/chunk-index/index.ts";
import { SEGMENT_ENTRIES_MAX } from "../packages/repository/src/chunk-index/segment-format.ts";
import { encodeSegment } from "../packages/repository/src/chunk-index/segment-writer.ts";

type Layout = "merged" | "scattered";

const keys = { repository: Buffer.alloc(16, 1), tableKey: Buffer.alloc(32, 2) };
const PACK_BYTES = 32 * 1024 * 1024;
const CHUNKS_PER_PACK = 32;
const LOOKUP_MS = 4000;
const segmentCount = Number(process.argv[2] ?? 191);
const chunkCount = segmentCount * SEGMENT_ENTRIES_MAX;

/** Rank of the id among all: where an entry of a segment stands in the order of ids. */
function rankOf(layout: Layout, segment: number, number: number): number {
  return layout === "merged" ? segment * SEGMENT_ENTRIES_MAX + number : number * segmentCount + segment;
}

/** The first 52 bits rise with the rank, the others look random. */
function writeId(out: Buffer, at: number, rank: number): void {
  const position = Math.floor(((rank + 0.25) / chunkCount) * 2 ** 52);
  out.writeUInt32BE(Math.floor(position / 2 ** 20), at);
  let seed = rank ^ 0x5bd1_e995;
  out.writeInt32BE(((position % 2 ** 20) << 12) | (mix(seed) & 0xfff), at + 4);
  for (let word = 8; word < 32; word += 4) {
    seed = (seed + 0x9e37_79b9) | 0;
    out.writeInt32LE(mix(seed), at + word);
  }
}

function mix(seed: number): number {
  let value = Math.imul(seed ^ (seed >>> 16), 0x85eb_ca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35);
  return value ^ (value >>> 16);
}

async function write(storage: Storage, layout: Layout): Promise<number> {
  const entries = Buffer.alloc(SEGMENT_ENTRIES_MAX * INDEX_ENTRY_BYTES);
  const packs = Buffer.alloc((SEGMENT_ENTRIES_MAX / CHUNKS_PER_PACK) * PACK_ROW_BYTES);
  let bytesWritten = 0;
  for (let segment = 0; segment < segmentCount; segment += 1) {
    for (let number = 0; number < SEGMENT_ENTRIES_MAX; number += 1) {
      const at = number * INDEX_ENTRY_BYTES;
      writeId(entries, at, rankOf(layout, segment, number));
      entries.writeUInt32LE(number % (packs.length / PACK_ROW_BYTES), at + 32);
      entries.writeUInt32LE(4096, at + 36);
      entries.writeUInt32LE(1024 * 1024, at + 40);
      entries.writeUInt32LE(0x100_0000 + 1_048_576, at + 48);
    }
    for (let at = 0; at < packs.length; at += PACK_ROW_BYTES) {
      const hash = sha256(Buffer.from(`${String(segment)} ${String(at)}`));
      writePackRow(packs, at, { sha256: hash, length: PACK_BYTES, kind: 1 });
    }
    const bytes = encodeSegment(keys, systemRandomness, { entries, packs });
    await storage.put(`index/${sha256(bytes).toString("hex")}`, bytes);
    bytesWritten += bytes.length;
  }
  return bytesWritten;
}

interface Rate {
  readonly count: number;
  readonly perSecond: number;
}

/** Lookups for a while; `expected` says what each must answer. */
function measure(index: ChunkIndex, layout: Layout, expected: boolean, place: boolean): Rate {
  const id = Buffer.alloc(32);
  const start = performance.now();
  let seed = 1;
  let count = 0;
  for (; count % 64 !== 0 || performance.now() - start < LOOKUP_MS; count += 1) {
    seed = (seed + 0x9e37_79b9) | 0;
    const random = mix(seed) >>> 0;
    const segment = random % segmentCount;
    const number = (mix(random + 7) >>> 0) % SEGMENT_ENTRIES_MAX;
    writeId(id, 0, rankOf(layout, segment, number));
    // Of a miss the position is that of a real id, and the rest is not.
    if (!expected) for (let at = 8; at < 32; at += 4) id.writeInt32LE(mix(seed + at), at);
    const found = place ? index.lookup(id) !== undefined : index.has(id);
    if (found !== expected) throw new Error("a wrong answer");
  }
  return { count, perSecond: (count / (performance.now() - start)) * 1000 };
}

async function run(layout: Layout, parent: string): Promise<void> {
  const folder = await mkdtemp(join(parent, "holdfast-bench-index-"));
  const removeOnInterrupt = (): void => {
    void rm(folder, { recursive: true, force: true }).finally(() => process.exit(130));
  };
  process.once("SIGINT", removeOnInterrupt);
  try {
    await using storage = await openLocalStorage(folder);
    const writeStart = performance.now();
    const bytes = await write(storage, layout);
    report(`${layout}: write`, `${seconds(writeStart)} for ${megabytes(bytes)}`);
    await measureInProcess(layout, folder);
  } finally {
    process.removeListener("SIGINT", removeOnInterrupt);
    await rm(folder, { recursive: true, force: true });
  }
}

/** A process of its own, so that its memory is that of the index alone. */
async function measureInProcess(layout: Layout, folder: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  const script = [import.meta.filename, String(segmentCount), folder, layout];
  spawn(process.execPath, script, { stdio: "inherit" }).once("exit", resolve);
  const code = await promise;
  if (code !== 0) throw new Error(`the measuring process ended with ${String(code)}`);
}

async function measureLookups(layout: Layout, folder: string): Promise<void> {
  await using storage = await openLocalStorage(folder);
  report(`${layout}: memory before`, megabytes(process.memoryUsage.rss()));
  const start = performance.now();
  using loaded = await loadSnapshot(storage, keys);
  const index = openChunkIndex(loaded.snapshot);
  report(`${layout}: open`, seconds(start));
  report(`${layout}: memory peak of opening`, megabytes(process.resourceUsage().maxRSS * 1024));
  const rate = (expected: boolean, place: boolean): string => {
    const before = process.resourceUsage();
    const { count, perSecond } = measure(index, layout, expected, place);
    const after = process.resourceUsage();
    const cpuUs = after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime;
    const read = megabytes((after.fsRead - before.fsRead) * 512);
    const each = (cpuUs / count).toFixed(1);
    return `${Math.round(perSecond).toLocaleString("en")} a second, ${each} us of CPU each, ${read} from the disk`;
  };
  report(`${layout}: misses`, rate(false, false));
  report(`${layout}: hits (has)`, rate(true, false));
  report(`${layout}: hits (place)`, rate(true, true));
  report(`${layout}: memory peak`, megabytes(process.resourceUsage().maxRSS * 1024));
}

function report(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(36)} ${value}\n`);
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

const [folder = tmpdir(), layout] = process.argv.slice(3);
if (layout === "merged" || layout === "scattered") {
  await measureLookups(layout, folder);
} else {
  const cpu = `${cpus()[0]?.model ?? "CPU"}, ${String(availableParallelism())} threads`;
  report(`${chunkCount.toLocaleString("en")} chunks`, `Node ${process.version}, ${cpu}`);
  await run("merged", folder);
  await run("scattered", folder);
}
