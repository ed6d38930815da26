/**
 * What all segments together say about each pack, to be compared with the packs' own directories.
 *
 * @module
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { isAppError } from "@holdfast/kernel";
import { INDEX_ENTRY_BYTES, PACK_ROW_BYTES, packNumberAt } from "../chunk-index/entry.ts";
import { type ChunkIndexSnapshot, readersOf } from "../chunk-index/index.ts";
import type { SegmentReader } from "../chunk-index/segment-reader.ts";
import { packName } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import type { Storage } from "@holdfast/storage";
import { DIRECTORY_ENTRY_BYTES } from "../packs/pack-format.ts";
import { readPackDirectory } from "../packs/read-directory.ts";
import { DirectorySum, type DirectorySumValues } from "./directory-sum.ts";

const ID_BYTES = 32;

export interface IndexedPackSum {
  readonly sum: DirectorySum;
  /** Bytes of the pack, as the index says. */
  length: number;
}

/**
 * By the pack's hash (latin1). Entries that two segments repeat are counted twice. Segments that break the format, which the
 * check of objects tells, are left out.
 */
export async function sumIndex(snapshot: ChunkIndexSnapshot): Promise<Map<string, IndexedPackSum>> {
  const sums = new Map<string, IndexedPackSum>();
  for (const reader of readersOf(snapshot)) {
    for (const { key, sum, length } of sumSegment(reader)) {
      const known = sums.get(key);
      if (known === undefined) sums.set(key, { sum, length });
      else known.sum.add(sum);
    }
    await nextTurn();
  }
  return sums;
}

function sumSegment(reader: SegmentReader): readonly (IndexedPackSum & { readonly key: string })[] {
  try {
    const packs = reader.readPacks();
    const rows = Array.from({ length: packs.length / PACK_ROW_BYTES }, (_, row) => {
      const at = row * PACK_ROW_BYTES;
      const key = packs.toString("latin1", at, at + ID_BYTES);
      return { key, sum: new DirectorySum(), length: packs.readUInt32LE(at + ID_BYTES) };
    });
    for (const entries of reader.iterate()) {
      for (let at = 0; at < entries.length; at += INDEX_ENTRY_BYTES) {
        rows[packNumberAt(entries, at)]?.sum.addIndexEntry(entries, at);
      }
    }
    return rows;
  } catch (error) {
    if (isAppError(error, "ERR_DAMAGED")) return [];
    throw error;
  }
}

/**
 * Compares entry by entry, for packs whose sums differ: two segments may repeat each other.
 *
 * @param packs names of packs whose directories can be read.
 * @returns the names of those for which index and directory really say something else.
 */
export async function findDisagreements(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
  snapshot: ChunkIndexSnapshot,
  packs: ReadonlyMap<string, DirectorySumValues>,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const name of packs.keys()) {
    const info = await storage.stat(name);
    if (info === null) continue;
    const { directory } = await readPackDirectory(storage, keys, name, info.size);
    if (!hasSameEntries(snapshot, name, directory)) wrong.push(name);
    await nextTurn();
  }
  return wrong;
}

function hasSameEntries(snapshot: ChunkIndexSnapshot, name: string, directory: Buffer): boolean {
  const inDirectory = new Set<string>();
  for (let at = 0; at < directory.length; at += DIRECTORY_ENTRY_BYTES) {
    inDirectory.add(directory.toString("latin1", at, at + DIRECTORY_ENTRY_BYTES));
  }
  const inIndex = new Set<string>();
  for (const reader of readersOf(snapshot)) {
    const packs = reader.readPacks();
    const number = numberOf(packs, name);
    if (number < 0) continue;
    for (const entries of reader.iterate()) {
      for (let at = 0; at < entries.length; at += INDEX_ENTRY_BYTES) {
        if (packNumberAt(entries, at) !== number) continue;
        const id = entries.toString("latin1", at, at + ID_BYTES);
        const entry = id + entries.toString("latin1", at + INDEX_ENTRY_BYTES - 16, at + INDEX_ENTRY_BYTES);
        if (!inDirectory.has(entry)) return false;
        inIndex.add(entry);
      }
    }
  }
  return inIndex.size === inDirectory.size;
}

function numberOf(packs: Buffer, name: string): number {
  for (let at = 0, number = 0; at < packs.length; at += PACK_ROW_BYTES, number += 1) {
    if (packName(packs.subarray(at, at + ID_BYTES)) === name) return number;
  }
  return -1;
}
