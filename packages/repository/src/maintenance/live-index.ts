/**
 * The chunk index with two bits for every entry: what a look at the copies found to be needed.
 *
 * Ids are not kept: an id is looked up, and the bits of its entries are set. Memory is a quarter of a byte for each entry, and
 * about 60 bytes for each pack.
 *
 * @module
 */
import { type ChunkPlace, INDEX_ENTRY_BYTES, PACK_ROW_BYTES, packNumberAt } from "../chunk-index/entry.ts";
import { type FilterKey, filterMayHold, readFilterKey } from "../chunk-index/filter.ts";
import { FrameCache } from "../chunk-index/frame-cache.ts";
import { type SegmentReader, u32 } from "../chunk-index/segment-reader.ts";
import { type ChunkIndexSnapshot, readerOf } from "../chunk-index/snapshot.ts";
import { Bits } from "./bits.ts";
import { PackTable } from "./pack-table.ts";

export interface LiveSegment {
  readonly reader: SegmentReader;
  readonly first: number;
  readonly last: number;
  readonly filter: Uint8Array;
  /** Numbers in the table by the segment's own pack numbers. */
  readonly packs: Uint32Array;
  /** The chunk is needed, from this place. */
  readonly needed: Bits;
  /** The chunk is needed and has other places too: which one is chosen at the end. */
  readonly shared: Bits;
}

/** One entry that was found. */
export interface Hit {
  readonly segment: LiveSegment;
  /** Of the entry in its segment. */
  readonly entry: number;
  /** Of its pack in the table. */
  readonly pack: number;
  readonly place: ChunkPlace;
}

/** Enough for every segment that an id can be in to hold its current frame; ids come in order. */
const FRAMES_HELD = 2048;

export class LiveIndex {
  readonly packs = new PackTable();
  readonly segments: readonly LiveSegment[];
  readonly #key: FilterKey = { x: 0, a: 0, b: 0, c: 0 };

  /** @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED`. */
  constructor(snapshot: ChunkIndexSnapshot) {
    const keys = { repository: Buffer.from(snapshot.repository), tableKey: Buffer.from(snapshot.tableKey) };
    const cache = new FrameCache(FRAMES_HELD);
    this.segments = snapshot.segments.map((described) => {
      const reader = readerOf(described, keys, cache);
      return {
        reader,
        ...described.range,
        filter: described.filter,
        packs: this.#addPacks(reader),
        needed: new Bits(reader.counts.entryCount),
        shared: new Bits(reader.counts.entryCount),
      };
    });
  }

  /** Every entry of the id at `at`. @throws AppError `ERR_DAMAGED`. */
  hits(id: Uint8Array, at: number): Hit[] {
    const hits: Hit[] = [];
    this.#search(id, at, (segment, entries, entryAt, entry) => {
      const pack = segment.packs[packNumberAt(entries, entryAt)] ?? 0;
      hits.push({ segment, entry, pack, place: segment.reader.placeOf(entries, entryAt) });
      return false;
    });
    return hits;
  }

  /** Whether the chunk is needed from its place in this pack; after a complete look at the copies only. */
  isNeededFrom(pack: number, id: Uint8Array, at: number): boolean {
    return this.#search(
      id,
      at,
      (segment, entries, entryAt, entry) =>
        segment.needed.has(entry) && segment.packs[packNumberAt(entries, entryAt)] === pack,
    );
  }

  #search(
    id: Uint8Array,
    at: number,
    visit: (segment: LiveSegment, entries: Buffer, entryAt: number, entry: number) => boolean,
  ): boolean {
    const prefix = u32(id, at);
    readFilterKey(this.#key, id, at);
    for (const segment of this.segments) {
      if (prefix < segment.first || prefix > segment.last) continue;
      if (segment.filter.length > 0 && !filterMayHold(segment.filter, this.#key)) continue;
      const found = segment.reader.find(id, at, (entries, entryAt, entry) =>
        visit(segment, entries, entryAt, entry),
      );
      if (found) return true;
    }
    return false;
  }

  #addPacks(reader: SegmentReader): Uint32Array {
    const numbers = new Uint32Array(reader.counts.packCount);
    let count = 0;
    for (const rows of reader.iteratePacks()) {
      for (let at = 0; at < rows.length; at += PACK_ROW_BYTES) {
        numbers[count] = this.packs.add(rows, at);
        count += 1;
      }
    }
    return numbers;
  }
}

/** Calls `visit` for each entry in the order of its id; stops between frames while `pause` waits. */
export async function forEachEntry(
  segment: LiveSegment,
  pause: () => Promise<void>,
  visit: (entries: Buffer, at: number, entry: number, pack: number) => void,
): Promise<void> {
  let entry = 0;
  for (const entries of segment.reader.iterate()) {
    for (let at = 0; at < entries.length; at += INDEX_ENTRY_BYTES) {
      visit(entries, at, entry, segment.packs[packNumberAt(entries, at)] ?? 0);
      entry += 1;
    }
    await pause();
  }
}
