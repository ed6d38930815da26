/**
 * Writes index segments (docs/format.md, section 5).
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Randomness } from "@holdfast/kernel";
import { ID_BYTES, INDEX_ENTRY_BYTES, PACK_ROW_BYTES } from "./entry.ts";
import { buildFilter } from "./filter.ts";
import {
  encodeSegmentHead,
  ENTRIES_PER_FRAME,
  FENCE_BYTES,
  FILTER_BLOCK_BYTES,
  hashesOfNames,
  type IndexKeys,
  SALT_BYTES,
  segmentFrameKey,
  segmentLayout,
  SUPERSEDED_MAX,
} from "./segment-format.ts";
import { sealSection } from "./segment-frames.ts";
import { sortEntries } from "./sort-entries.ts";

export interface SegmentContent {
  /** 52 bytes each, in any order, at most 524,288. Equal ones are written once. */
  readonly entries: Uint8Array;
  /** 40 bytes each; the number of a pack is its place here. */
  readonly packs: Uint8Array;
  /** Names of the segments that this one stands for. */
  readonly superseded?: readonly string[];
}

/** A segment as an object of the storage; its name is `index/` and its SHA-256. */
export function encodeSegment(keys: IndexKeys, randomness: Randomness, content: SegmentContent): Buffer {
  const superseded = hashesOfNames(content.superseded ?? []);
  const packCount = content.packs.length / PACK_ROW_BYTES;
  assert(Number.isInteger(packCount) && superseded.length <= SUPERSEDED_MAX);
  const entries = sortEntries(content.entries);
  assertPackNumbers(entries, packCount);
  const filter = buildFilter(entries, INDEX_ENTRY_BYTES);
  const counts = {
    entryCount: entries.length / INDEX_ENTRY_BYTES,
    packCount,
    filterBlockCount: filter.length / FILTER_BLOCK_BYTES,
  };
  const salt = randomness(Buffer.alloc(SALT_BYTES));
  const head = encodeSegmentHead(keys, salt, counts, superseded, randomness);
  const layout = segmentLayout(counts, head.length);
  const out = Buffer.allocUnsafeSlow(layout.length);
  out.set(head, 0);
  const key = segmentFrameKey(keys.tableKey, salt);
  sealSection(out, key, keys.repository, layout.entries, entries);
  sealSection(out, key, keys.repository, layout.packs, content.packs);
  sealSection(out, key, keys.repository, layout.filter, filter);
  sealSection(out, key, keys.repository, layout.fences, fencesOf(entries, layout.entries.frames));
  return out;
}

function assertPackNumbers(entries: Uint8Array, packCount: number): void {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
  for (let at = ID_BYTES; at < entries.length; at += INDEX_ENTRY_BYTES) {
    assert(view.getUint32(at, true) < packCount);
  }
}

function fencesOf(entries: Uint8Array, frames: number): Buffer {
  const fences = Buffer.alloc(frames * FENCE_BYTES);
  for (let frame = 0; frame < frames; frame += 1) {
    const at = frame * ENTRIES_PER_FRAME * INDEX_ENTRY_BYTES;
    fences.set(entries.subarray(at, at + FENCE_BYTES), frame * FENCE_BYTES);
  }
  return fences;
}
