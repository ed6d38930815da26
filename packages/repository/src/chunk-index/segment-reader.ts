/**
 * Looks ids up in one segment, and walks through it (docs/format.md, section 5).
 *
 * In memory are eight bytes for every 150 entries; a lookup opens one frame, seldom two. A segment is authentic when
 * its frames open, but in a repository without encryption anybody can make one: its numbers are checked like
 * any others.
 *
 * @module
 */
import { type ByteSource, memorySource } from "./byte-source.ts";
import {
  type ChunkPlace,
  decodePlace,
  ID_BYTES,
  INDEX_ENTRY_BYTES,
  PACK_ROW_BYTES,
  packNumberAt,
} from "./entry.ts";
import { filterMayHold, readFilterKey } from "./filter.ts";
import { FrameCache } from "./frame-cache.ts";
import {
  damagedSegment,
  decodeSegmentFront,
  decodeSegmentHead,
  ENTRIES_PER_FRAME,
  FENCE_BYTES,
  FRAME_BYTES,
  frameLength,
  type IndexKeys,
  SEGMENT_FRONT_BYTES,
  type SegmentCounts,
  type SegmentHead,
  type SegmentLayout,
  segmentLayout,
} from "./segment-format.ts";
import { SegmentFrames } from "./segment-frames.ts";

const PACKS_PER_FRAME = FRAME_BYTES / PACK_ROW_BYTES;

/**
 * Receives the frame, the place of an entry in it and the entry's number in the segment; true ends the search. The frame is
 * valid during the call.
 */
export type EntryVisitor = (entries: Buffer, at: number, number: number) => boolean;

/** First four bytes of the first and of the last id, as big-endian numbers; an empty segment has first > last. */
export interface IdRange {
  readonly first: number;
  readonly last: number;
}

/** What a reader is made of once the head was read. */
export interface SegmentParts {
  readonly name: string;
  readonly source: ByteSource;
  readonly salt: Uint8Array;
  readonly counts: SegmentCounts;
  readonly bodyOffset: number;
  /** The fences section; read when first needed if absent. */
  readonly fences?: Uint8Array;
}

/**
 * Reads and checks the head of a segment, allocating nothing that the object is not long enough for.
 *
 * @throws AppError `ERR_DAMAGED`, `ERR_FORMAT_VERSION`, `ERR_STORAGE_FAILED`.
 */
export function readSegmentHead(source: ByteSource, keys: IndexKeys, name: string): SegmentHead {
  if (source.length < SEGMENT_FRONT_BYTES) {
    throw damagedSegment(`The object ${name}`, `it has only ${String(source.length)} bytes`);
  }
  const front = Buffer.alloc(SEGMENT_FRONT_BYTES);
  source.readSync(0, front);
  const boxLength = decodeSegmentFront(front, keys.repository, name, source.length);
  const bytes = Buffer.alloc(SEGMENT_FRONT_BYTES + boxLength);
  bytes.set(front, 0);
  source.readSync(SEGMENT_FRONT_BYTES, bytes.subarray(SEGMENT_FRONT_BYTES));
  return decodeSegmentHead(bytes, keys, name, source.length);
}

/** A segment that is whole in memory. @throws as {@link readSegmentHead}. */
export function readSegment(keys: IndexKeys, name: string, bytes: Uint8Array): SegmentReader {
  const source = memorySource(bytes, name);
  return new SegmentReader({ ...readSegmentHead(source, keys, name), name, source }, keys, new FrameCache());
}

export class SegmentReader {
  readonly name: string;
  readonly counts: SegmentCounts;
  readonly #layout: SegmentLayout;
  readonly #frames: SegmentFrames;
  readonly #cache: FrameCache;
  readonly #owner: number;
  #fences: DataView | undefined;

  /** @param cache shared by the readers of a thread. */
  constructor(parts: SegmentParts, keys: IndexKeys, cache: FrameCache) {
    this.name = parts.name;
    this.counts = parts.counts;
    this.#layout = segmentLayout(parts.counts, parts.bodyOffset);
    this.#frames = new SegmentFrames(parts.source, keys, parts.salt, parts.name);
    this.#cache = cache;
    this.#owner = cache.newOwner();
    if (parts.fences !== undefined) this.#fences = viewOf(parts.fences);
  }

  get fencesBytes(): number {
    return this.#layout.fences.bytes;
  }

  get filterBytes(): number {
    return this.#layout.filter.bytes;
  }

  /** Decrypts the fences section into `into`, {@link fencesBytes} long. */
  readFences(into: Uint8Array): void {
    this.#frames.openAll(this.#layout.fences, into);
  }

  /** Decrypts the filter section into `into`, {@link filterBytes} long. */
  readFilter(into: Uint8Array): void {
    this.#frames.openAll(this.#layout.filter, into);
  }

  /** The pack rows, 40 bytes each, a frame at a time. */
  *iteratePacks(): Generator<Buffer, void> {
    const { packs } = this.#layout;
    for (let frame = 0; frame < packs.frames; frame += 1) yield this.#frames.open(packs, frame);
  }

  /** All pack rows, 40 bytes each. */
  readPacks(): Buffer {
    const packs = Buffer.allocUnsafeSlow(this.#layout.packs.bytes);
    this.#frames.openAll(this.#layout.packs, packs);
    return packs;
  }

  /** Opens every frame. @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED`. */
  authenticate(): void {
    const { entries, packs, filter, fences } = this.#layout;
    for (const section of [entries, packs, filter, fences]) {
      for (let frame = 0; frame < section.frames; frame += 1) this.#frames.open(section, frame);
    }
  }

  /** The range of ids, from the fences and the last frame. */
  readRange(): IdRange {
    const { entries } = this.#layout;
    if (entries.frames === 0) return { first: 1, last: 0 };
    const frame = this.#frames.open(entries, entries.frames - 1);
    return { first: this.#loadFences().getUint32(0), last: u32(frame, frame.length - INDEX_ENTRY_BYTES) };
  }

  /**
   * Visits the entries of an id until the visitor says that it is enough; returns whether it did.
   *
   * @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED`.
   */
  find(id: Uint8Array, idAt: number, visit: EntryVisitor): boolean {
    const fences = this.#loadFences();
    const high = u32(id, idAt);
    const low = u32(id, idAt + 4);
    const { entries } = this.#layout;
    for (let frame = firstFrameOf(fences, entries.frames, high, low); frame < entries.frames; frame += 1) {
      if (compareFence(fences, frame, high, low) > 0) return false;
      const bytes = this.#open(entries, frame);
      const length = frameLength(entries, frame);
      let at = lowerBound(bytes, length / INDEX_ENTRY_BYTES, id, idAt) * INDEX_ENTRY_BYTES;
      for (; at < length; at += INDEX_ENTRY_BYTES) {
        if (compareIds(bytes, at, id, idAt) !== 0) return false;
        if (visit(bytes, at, frame * ENTRIES_PER_FRAME + at / INDEX_ENTRY_BYTES)) return true;
      }
    }
    return false;
  }

  /** SHA-256 of the pack of an entry. @throws AppError `ERR_DAMAGED`. */
  packOf(entries: Buffer, at: number): Buffer {
    const { rows, at: packAt } = this.#packRow(packNumberAt(entries, at));
    return rows.subarray(packAt, packAt + ID_BYTES);
  }

  /** Where an entry says that its chunk is. @throws AppError `ERR_DAMAGED`. */
  placeOf(entries: Buffer, at: number): ChunkPlace {
    const row = this.#packRow(packNumberAt(entries, at));
    const place = decodePlace(entries, at, row.rows, row.at);
    if (place === undefined) throw this.#damaged("an entry says an impossible place");
    return place;
  }

  /**
   * The entries in their order, 150 at a time, checked to be in order.
   *
   * @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED`.
   */
  *iterate(): Generator<Buffer, void> {
    const { entries } = this.#layout;
    const fences = this.#loadFences();
    let previous = Buffer.alloc(0);
    for (let frame = 0; frame < entries.frames; frame += 1) {
      const bytes = this.#frames.open(entries, frame);
      if (compareFence(fences, frame, u32(bytes, 0), u32(bytes, 4)) !== 0) {
        throw this.#damaged("a fence is wrong");
      }
      this.#checkOrder(previous, bytes);
      // A copy, so that the frame itself can go.
      previous = Buffer.from(bytes.subarray(bytes.length - INDEX_ENTRY_BYTES));
      yield bytes;
    }
  }

  /**
   * Checks everything that {@link find} relies on: order, fences, pack numbers, places and the filter.
   *
   * @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED`.
   */
  check(): void {
    const filter = Buffer.allocUnsafeSlow(this.#layout.filter.bytes);
    this.readFilter(filter);
    const packs = this.readPacks();
    const key = { x: 0, a: 0, b: 0, c: 0 };
    for (const entries of this.iterate()) {
      for (let at = 0; at < entries.length; at += INDEX_ENTRY_BYTES) {
        if (decodePlace(entries, at, packs, packNumberAt(entries, at) * PACK_ROW_BYTES) === undefined) {
          throw this.#damaged("an entry says an impossible place");
        }
        readFilterKey(key, entries, at);
        if (filter.length > 0 && !filterMayHold(filter, key))
          throw this.#damaged("its filter denies an entry");
      }
    }
  }

  #packRow(number: number): { readonly rows: Buffer; readonly at: number } {
    if (number >= this.counts.packCount) throw this.#damaged("an entry names a pack that is not there");
    const frame = Math.floor(number / PACKS_PER_FRAME);
    return { rows: this.#open(this.#layout.packs, frame), at: (number % PACKS_PER_FRAME) * PACK_ROW_BYTES };
  }

  #open(section: SegmentLayout["entries"], frame: number): Buffer {
    const number = section.firstFrame + frame;
    return (
      this.#cache.find(this.#owner, number) ??
      this.#cache.hold(this.#owner, number, this.#frames.open(section, frame))
    );
  }

  #loadFences(): DataView {
    if (this.#fences !== undefined) return this.#fences;
    const bytes = Buffer.allocUnsafeSlow(this.#layout.fences.bytes);
    this.readFences(bytes);
    this.#fences = viewOf(bytes);
    return this.#fences;
  }

  #checkOrder(previous: Buffer, entries: Buffer): void {
    let last = previous;
    let lastAt = 0;
    for (let at = 0; at < entries.length; at += INDEX_ENTRY_BYTES) {
      if (last.length > 0) {
        const order = compareIds(last, lastAt, entries, at);
        if (order > 0 || (order === 0 && packNumberAt(last, lastAt) > packNumberAt(entries, at))) {
          throw this.#damaged("its entries are not in order");
        }
      }
      if (packNumberAt(entries, at) >= this.counts.packCount) {
        throw this.#damaged("an entry names a pack that is not there");
      }
      last = entries;
      lastAt = at;
    }
  }

  #damaged(reason: string): Error {
    return damagedSegment(`The object ${this.name}`, reason);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Big-endian, so that numbers compare as bytes do. */
export function u32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

function compareFence(fences: DataView, frame: number, high: number, low: number): number {
  const at = frame * FENCE_BYTES;
  const difference = fences.getUint32(at) - high;
  return difference === 0 ? fences.getUint32(at + 4) - low : difference;
}

/** The frame before the first whose fence is not below the id: entries of the id may begin at its end. */
function firstFrameOf(fences: DataView, frames: number, high: number, low: number): number {
  let from = 0;
  let to = frames;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compareFence(fences, middle, high, low) < 0) from = middle + 1;
    else to = middle;
  }
  return Math.max(0, from - 1);
}

function compareIds(left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): number {
  for (let at = 0; at < ID_BYTES; at += 1) {
    const difference = (left[leftAt + at] ?? 0) - (right[rightAt + at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Number of the first of `count` entries whose id is not below. */
function lowerBound(entries: Buffer, count: number, id: Uint8Array, idAt: number): number {
  let from = 0;
  let to = count;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (compareIds(entries, middle * INDEX_ENTRY_BYTES, id, idAt) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
