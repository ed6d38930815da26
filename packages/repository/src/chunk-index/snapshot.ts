/**
 * The chunk index as plain data over shared memory: what a thread needs to look chunks up, ready to be posted to it.
 *
 * @module
 */
import { bufferOf } from "../reading/posted-keys.ts";
import { type ByteSource, fileSource, memorySource } from "./byte-source.ts";
import { FILTER_BLOCK_BYTES, FENCE_BYTES, type IndexKeys, type SegmentCounts } from "./segment-format.ts";
import { type IdRange, readSegmentHead, SegmentReader } from "./segment-reader.ts";
import { FrameCache } from "./frame-cache.ts";
import { sharedBytes, sharedCopy } from "./shared-memory.ts";

/** Where the bytes of a segment are, still encrypted. */
export type SegmentStore =
  /** A descriptor of this process, which all its threads share; it stays open as long as the snapshot's owner lives. */
  | { readonly kind: "file"; readonly path: string; readonly descriptor: number; readonly length: number }
  | { readonly kind: "memory"; readonly bytes: Uint8Array };

/** One segment. Arrays lie in shared memory: posting a description copies none of them. */
export interface SegmentDescription {
  /** `index/<sha256>`. */
  readonly name: string;
  readonly store: SegmentStore;
  readonly salt: Uint8Array;
  readonly counts: SegmentCounts;
  readonly bodyOffset: number;
  readonly range: IdRange;
  readonly fences: Uint8Array;
  /** Empty: the segment is asked for every id in its range. */
  readonly filter: Uint8Array;
}

export interface ChunkIndexSnapshot {
  readonly repository: Uint8Array;
  /** A secret, in the memory of the key set itself: wiping that wipes it here, in every thread. */
  readonly tableKey: Uint8Array;
  readonly segments: readonly SegmentDescription[];
  /** SHA-256 of packs whose chunks do not count, 32 bytes each. */
  readonly condemned: Uint8Array;
  /** Damaged segments are left out instead of failing lookups. */
  readonly tolerateDamage: boolean;
}

export function sourceOf(store: SegmentStore, name: string): ByteSource {
  return store.kind === "file"
    ? fileSource(store.descriptor, store.length, name)
    : memorySource(store.bytes, name);
}

/** The reader of a described segment. */
export function readerOf(segment: SegmentDescription, keys: IndexKeys, cache: FrameCache): SegmentReader {
  return new SegmentReader({ ...segment, source: sourceOf(segment.store, segment.name) }, keys, cache);
}

/** Readers of all segments of a snapshot, for walking through them one after the other or merging them. */
export function readersOf(snapshot: ChunkIndexSnapshot): SegmentReader[] {
  const keys = { repository: Buffer.from(snapshot.repository), tableKey: bufferOf(snapshot.tableKey) };
  const cache = new FrameCache();
  return snapshot.segments.map((segment) => readerOf(segment, keys, cache));
}

/** Whether a filter has the size that its entries need, with some freedom; else it is not worth its memory. */
export function isFilterUseful(counts: SegmentCounts): boolean {
  const bytes = counts.filterBlockCount * FILTER_BLOCK_BYTES;
  return bytes > 0 && bytes <= 1024 + counts.entryCount * FENCE_BYTES;
}

/**
 * Describes a segment that was just written, for the index of running threads.
 *
 * @throws AppError `ERR_DAMAGED`.
 */
export function describeSegment(keys: IndexKeys, name: string, bytes: Uint8Array): SegmentDescription {
  const store = { kind: "memory", bytes: sharedCopy(bytes) } as const;
  const source = sourceOf(store, name);
  const head = readSegmentHead(source, keys, name);
  const reader = new SegmentReader({ ...head, name, source }, keys, new FrameCache());
  const fences = sharedBytes(reader.fencesBytes);
  reader.readFences(fences);
  const filter = sharedBytes(isFilterUseful(head.counts) ? reader.filterBytes : 0);
  if (filter.length > 0) reader.readFilter(filter);
  const { counts, bodyOffset } = head;
  const salt = Uint8Array.from(head.salt);
  return { name, store, salt, counts, bodyOffset, range: reader.readRange(), fences, filter };
}
