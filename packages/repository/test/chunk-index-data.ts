// Made-up index content, the same in every run.
import { createHash } from "node:crypto";
import { INDEX_ENTRY_BYTES, PACK_ROW_BYTES, writePackRow } from "../src/chunk-index/entry.ts";
import { SegmentBuilder } from "../src/chunk-index/index.ts";
import type { IndexKeys } from "../src/chunk-index/segment-format.ts";
import { encodeSegment } from "../src/chunk-index/segment-writer.ts";
import { hashedName } from "../src/format/object-names.ts";

export const keys: IndexKeys = {
  repository: Buffer.alloc(16, 0x52),
  tableKey: Buffer.alloc(32, 0x74),
};

export const PACK_BYTES = 32 * 1024 * 1024;
export const RECORD_BYTES = 1024;

export function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function idOf(number: number): Buffer {
  return sha256(`id ${String(number)}`);
}

export function packOf(number: number): Buffer {
  return sha256(`pack ${String(number)}`);
}

/** Random bytes that are the same for the same seed and call. */
export function seededRandomness(seed: string): <T extends Uint8Array>(bytes: T) => T {
  let counter = 0;
  return (bytes) => {
    for (let at = 0; at < bytes.length; at += 32) {
      counter += 1;
      bytes.set(sha256(seed, String(counter)).subarray(0, Math.min(32, bytes.length - at)), at);
    }
    return bytes;
  };
}

/** A directory row as in section 4.2 of the format. */
export function directoryEntry(id: Uint8Array, slot: number, chunkOffset = 0, type = 1): Buffer {
  const row = Buffer.alloc(48);
  row.set(id, 0);
  row.writeUInt32LE(4096 + slot * RECORD_BYTES, 32);
  row.writeUInt32LE(RECORD_BYTES, 36);
  row.writeUInt32LE(chunkOffset, 40);
  row.writeUInt32LE(type * 0x100_0000 + 500, 44);
  return row;
}

/** An index row for a chunk at a place that follows from its number in the pack. */
export function indexEntry(id: Uint8Array, packNumber: number, slot: number): Buffer {
  const row = Buffer.alloc(INDEX_ENTRY_BYTES);
  const directory = directoryEntry(id, slot);
  row.set(id, 0);
  row.writeUInt32LE(packNumber, 32);
  row.set(directory.subarray(32), 36);
  return row;
}

export function packRows(numbers: readonly number[]): Buffer {
  const rows = Buffer.alloc(numbers.length * PACK_ROW_BYTES);
  for (const [row, number] of numbers.entries()) {
    writePackRow(rows, row * PACK_ROW_BYTES, { sha256: packOf(number), length: PACK_BYTES, kind: 1 });
  }
  return rows;
}

export interface TestPack {
  readonly pack: number;
  /** Numbers of chunks, in the order of their place. */
  readonly chunks: readonly number[];
}

export interface NamedSegment {
  readonly name: string;
  readonly bytes: Buffer;
}

/** A segment made the way a writer does. */
export function segmentOf(packs: readonly TestPack[], superseded: readonly string[] = []): NamedSegment {
  const builder = new SegmentBuilder();
  for (const { pack, chunks } of packs) {
    const directory = Buffer.concat(chunks.map((chunk, slot) => directoryEntry(idOf(chunk), slot)));
    builder.addPack({ sha256: packOf(pack), length: PACK_BYTES, kind: 1 }, directory);
  }
  return named(builder.finish(keys, seededRandomness(JSON.stringify([packs, superseded])), superseded));
}

export function segmentOfRows(entries: readonly Buffer[], packs: readonly number[]): NamedSegment {
  const content = { entries: Buffer.concat(entries), packs: packRows(packs) };
  return named(encodeSegment(keys, seededRandomness("rows"), content));
}

export function named(bytes: Buffer): NamedSegment {
  return { name: hashedName("index", sha256(bytes)), bytes };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
