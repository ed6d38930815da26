/**
 * The chunk index of one thread: which chunks are in the repository, and where.
 *
 * Lookups are synchronous. An id that is nowhere costs a look into the filters of those segments whose range holds it; a hit
 * reads one frame, or two for the place. Memory: the snapshot's shared filters and fences, and a few frames per thread.
 *
 * @module
 */
import { bufferOf } from "../reading/posted-keys.ts";
import { type AppError, isAppError } from "@holdfast/kernel";
import { type ChunkPlace, ID_BYTES, PACK_ROW_BYTES } from "./entry.ts";
import { type FilterKey, filterMayHold, readFilterKey } from "./filter.ts";
import { FrameCache } from "./frame-cache.ts";
import { PackNames } from "./pack-names.ts";
import type { IndexKeys } from "./segment-format.ts";
import { type EntryVisitor, type SegmentReader, u32 } from "./segment-reader.ts";
import { type ChunkIndexSnapshot, readerOf, type SegmentDescription } from "./snapshot.ts";

interface LiveSegment {
  readonly reader: SegmentReader;
  readonly first: number;
  readonly last: number;
  readonly filter: Uint8Array;
}

/** What to do with an entry that was found; true ends the search. */
type Found = (reader: SegmentReader, entries: Buffer, at: number) => boolean;

/** @param framesMax frames of 8 KB that this thread keeps. */
export function openChunkIndex(snapshot: ChunkIndexSnapshot, framesMax = 768): ChunkIndex {
  return new ChunkIndex(snapshot, framesMax);
}

export class ChunkIndex {
  readonly #keys: IndexKeys;
  readonly #cache: FrameCache;
  readonly #segments: LiveSegment[] = [];
  readonly #names = new Set<string>();
  readonly #condemned: ReadonlySet<string>;
  readonly #tolerateDamage: boolean;
  readonly #damaged = new Map<string, AppError>();
  readonly #key: FilterKey = { x: 0, a: 0, b: 0, c: 0 };
  #version = 0;

  /** Made by {@link openChunkIndex}. */
  constructor(snapshot: ChunkIndexSnapshot, framesMax: number) {
    this.#keys = { repository: Buffer.from(snapshot.repository), tableKey: bufferOf(snapshot.tableKey) };
    this.#cache = new FrameCache(framesMax);
    this.#condemned = hashSet(snapshot.condemned);
    this.#tolerateDamage = snapshot.tolerateDamage;
    for (const segment of snapshot.segments) this.#insert(segment);
  }

  /** Counts the segments added since the index was opened. */
  get version(): number {
    return this.#version;
  }

  get segmentCount(): number {
    return this.#segments.length;
  }

  /** Segments left out because of damage, by name; only when the snapshot tolerates damage. */
  get damaged(): ReadonlyMap<string, AppError> {
    return this.#damaged;
  }

  /** Adds a segment that was written after the snapshot; one that is there already adds nothing. */
  add(segment: SegmentDescription): void {
    if (this.#insert(segment)) this.#version += 1;
  }

  /**
   * Whether the chunk with the id at `offset` is in a pack that is not condemned.
   *
   * @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED`.
   */
  has(id: Uint8Array, offset = 0): boolean {
    return this.#search(id, offset, () => true);
  }

  /** Where the chunk is, in a pack that is not condemned. @throws as {@link has}. */
  lookup(id: Uint8Array, offset = 0): ChunkPlace | undefined {
    let place: ChunkPlace | undefined;
    this.#search(id, offset, (reader, entries, at) => {
      place = reader.placeOf(entries, at);
      return true;
    });
    return place;
  }

  /** Every place of the chunk that is not in a condemned pack; a place that two segments name comes once. */
  places(id: Uint8Array, offset = 0): ChunkPlace[] {
    const places = new Map<string, ChunkPlace>();
    this.#search(id, offset, (reader, entries, at) => {
      const place = reader.placeOf(entries, at);
      places.set(
        `${place.pack.toString("latin1")}${String(place.offset)}/${String(place.chunkOffset)}`,
        place,
      );
      return false;
    });
    return [...places.values()];
  }

  /**
   * Every pack that a segment names, condemned or not. Reads the packs sections of all segments.
   *
   * @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED`.
   */
  packNames(): PackNames {
    const names = new PackNames();
    for (const { reader } of this.#segments) {
      this.#withReader(reader, () => {
        for (const rows of reader.iteratePacks()) {
          for (let at = 0; at < rows.length; at += PACK_ROW_BYTES) names.add(rows, at);
        }
        return false;
      });
    }
    return names;
  }

  #insert(segment: SegmentDescription): boolean {
    if (this.#names.has(segment.name)) return false;
    this.#names.add(segment.name);
    const reader = readerOf(segment, this.#keys, this.#cache);
    this.#segments.push({ reader, ...segment.range, filter: segment.filter });
    return true;
  }

  #search(id: Uint8Array, offset: number, found: Found): boolean {
    const prefix = u32(id, offset);
    readFilterKey(this.#key, id, offset);
    for (const segment of this.#segments) {
      if (prefix < segment.first || prefix > segment.last) continue;
      if (segment.filter.length > 0 && !filterMayHold(segment.filter, this.#key)) continue;
      if (this.#searchSegment(segment.reader, id, offset, found)) return true;
    }
    return false;
  }

  #searchSegment(reader: SegmentReader, id: Uint8Array, offset: number, found: Found): boolean {
    const visit: EntryVisitor = (entries, at) =>
      !this.#isCondemned(reader, entries, at) && found(reader, entries, at);
    return this.#withReader(reader, () => reader.find(id, offset, visit));
  }

  #withReader(reader: SegmentReader, action: () => boolean): boolean {
    if (this.#damaged.has(reader.name)) return false;
    try {
      return action();
    } catch (error) {
      if (!this.#tolerateDamage || !isAppError(error, "ERR_DAMAGED")) throw error;
      this.#damaged.set(reader.name, error);
      return false;
    }
  }

  #isCondemned(reader: SegmentReader, entries: Buffer, at: number): boolean {
    return this.#condemned.size > 0 && this.#condemned.has(reader.packOf(entries, at).toString("latin1"));
  }
}

function hashSet(rows: Uint8Array): Set<string> {
  const set = new Set<string>();
  for (let at = 0; at < rows.length; at += ID_BYTES) {
    set.add(Buffer.from(rows.subarray(at, at + ID_BYTES)).toString("latin1"));
  }
  return set;
}
