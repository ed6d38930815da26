/**
 * One input of a merge, and the queue that gives the inputs' entries in the order of their ids.
 *
 * @module
 */
import { ID_BYTES, INDEX_ENTRY_BYTES, PACK_ROW_BYTES, packNumberAt } from "./entry.ts";
import type { SegmentBuilder } from "./segment-builder.ts";
import { ENTRIES_PER_FRAME } from "./segment-format.ts";
import { type IdRange, type SegmentReader, u32 } from "./segment-reader.ts";

const NO_BYTES: Buffer = Buffer.alloc(0);
/** Pack number in the output is not known yet. */
const UNKNOWN = -1;
const DROPPED = -2;

/** Reads nothing before {@link MergeCursor.start}, and holds nothing after its last entry. */
export class MergeCursor {
  readonly first: number;
  /** Frame of the current entry, and its place there. */
  entries = NO_BYTES;
  at = 0;
  /** First eight bytes of the current id. */
  high = 0;
  low = 0;
  readonly #reader: SegmentReader;
  readonly #dropPack: (sha256: Buffer) => boolean;
  #frames: Generator<Buffer, void> | undefined;
  #packs = NO_BYTES;
  /** By the pack's number in the input. */
  #numbers = new Int32Array(0);

  constructor(reader: SegmentReader, range: IdRange, dropPack: (sha256: Buffer) => boolean) {
    this.#reader = reader;
    this.first = range.first;
    this.#dropPack = dropPack;
  }

  /** What a cursor on this segment holds. */
  static memoryBytes(reader: SegmentReader): number {
    const { entryCount, packCount } = reader.counts;
    return Math.min(entryCount, ENTRIES_PER_FRAME) * INDEX_ENTRY_BYTES + packCount * (PACK_ROW_BYTES + 4);
  }

  /** Goes to the first entry; false when there is none. */
  start(): boolean {
    this.#packs = this.#reader.readPacks();
    this.#numbers = new Int32Array(this.#reader.counts.packCount).fill(UNKNOWN);
    for (let number = 0; number < this.#numbers.length; number += 1) {
      if (this.#dropPack(this.#hashOf(number))) this.#numbers[number] = DROPPED;
    }
    this.#frames = this.#reader.iterate();
    return this.#nextFrame();
  }

  /** Goes to the next entry; false when there is none. */
  next(): boolean {
    this.at += INDEX_ENTRY_BYTES;
    if (this.at >= this.entries.length) return this.#nextFrame();
    this.#readPrefix();
    return true;
  }

  isDropped(): boolean {
    return this.#numbers[packNumberAt(this.entries, this.at)] === DROPPED;
  }

  /** Number of the current entry's pack in the output. */
  packNumberIn(builder: SegmentBuilder): number {
    const number = packNumberAt(this.entries, this.at);
    const known = this.#numbers[number] ?? UNKNOWN;
    if (known !== UNKNOWN) return known;
    const row = number * PACK_ROW_BYTES + ID_BYTES;
    const fresh = builder.numberOf({
      sha256: this.#hashOf(number),
      length: this.#packs.readUInt32LE(row),
      kind: this.#packs.readUInt32LE(row + 4),
    });
    this.#numbers[number] = fresh;
    return fresh;
  }

  forgetPackNumbers(): void {
    for (let number = 0; number < this.#numbers.length; number += 1) {
      if (this.#numbers[number] !== DROPPED) this.#numbers[number] = UNKNOWN;
    }
  }

  isBefore(other: MergeCursor): boolean {
    if (this.high !== other.high) return this.high < other.high;
    if (this.low !== other.low) return this.low < other.low;
    const [end, otherEnd] = [this.at + ID_BYTES, other.at + ID_BYTES];
    return this.entries.compare(other.entries, other.at, otherEnd, this.at, end) < 0;
  }

  #hashOf(number: number): Buffer {
    const at = number * PACK_ROW_BYTES;
    return this.#packs.subarray(at, at + ID_BYTES);
  }

  #nextFrame(): boolean {
    const frame = this.#frames?.next();
    this.at = 0;
    if (frame === undefined || frame.done === true) {
      this.#frames = undefined;
      this.entries = NO_BYTES;
      this.#packs = NO_BYTES;
      this.#numbers = new Int32Array(0);
      return false;
    }
    this.entries = frame.value;
    this.#readPrefix();
    return true;
  }

  #readPrefix(): void {
    this.high = u32(this.entries, this.at);
    this.low = u32(this.entries, this.at + 4);
  }
}

/** A heap of cursors; one is started when the queue comes to its range. */
export class MergeQueue {
  /** The next to be started last. */
  readonly #waiting: MergeCursor[];
  readonly #heap: MergeCursor[] = [];

  constructor(cursors: readonly MergeCursor[]) {
    this.#waiting = cursors.toSorted((left, right) => right.first - left.first);
  }

  /** The cursor with the smallest id; undefined at the end. */
  first(): MergeCursor | undefined {
    for (;;) {
      const top = this.#heap[0];
      const next = this.#waiting.at(-1);
      if (next === undefined || (top !== undefined && top.high < next.first)) return top;
      this.#waiting.pop();
      if (next.start()) this.#push(next);
    }
  }

  /** Takes the entry of {@link first} off. */
  advance(): void {
    const top = this.#heap[0];
    if (top === undefined) return;
    if (!top.next()) {
      const last = this.#heap.pop();
      if (last === undefined || last === top) return;
      this.#heap[0] = last;
    }
    this.#sink();
  }

  forgetPackNumbers(): void {
    for (const cursor of this.#heap) cursor.forgetPackNumbers();
  }

  #push(cursor: MergeCursor): void {
    let at = this.#heap.length;
    this.#heap.push(cursor);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = this.#heap[parent];
      if (above === undefined || !cursor.isBefore(above)) break;
      this.#heap[at] = above;
      at = parent;
    }
    this.#heap[at] = cursor;
  }

  #sink(): void {
    const cursor = this.#heap[0];
    if (cursor === undefined) return;
    let at = 0;
    for (;;) {
      const left = this.#heap[2 * at + 1];
      const right = this.#heap[2 * at + 2];
      if (left === undefined) break;
      const useRight = right !== undefined && right.isBefore(left);
      const least = useRight ? right : left;
      if (!least.isBefore(cursor)) break;
      this.#heap[at] = least;
      at = 2 * at + (useRight ? 2 : 1);
    }
    this.#heap[at] = cursor;
  }
}
