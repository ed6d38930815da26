/**
 * Reads a stretch of an open file and turns it into segments: holes, runs of zeros, content-defined chunks
 * (docs/format.md, section 6, *Writers*).
 *
 * The input passes through WebAssembly memory in blocks. What is left of one block, because it may belong to a chunk that
 * goes on, is put in front of the next: so every block has room before it for the longest chunk. There are two blocks, and
 * the system can fill one while the other is consumed.
 *
 * @module
 */
import { CHUNK_MAX, createScanner, type Scanner, ZERO_BLOCK } from "@holdfast/repository";
import { dataExtents } from "../posix/extents.ts";
import type { ContentStore } from "./content-store.ts";
import type { SegmentCollector } from "./flat-segments.ts";

const BLOCK_BYTES = 4 * 1024 * 1024;
/** A chunk that goes on, and a block of zeros that begins. */
const FRONT_BYTES = CHUNK_MAX + ZERO_BLOCK;
const PAGE_BYTES = 4096;
const BLOCK_STARTS = [FRONT_BYTES, FRONT_BYTES + BLOCK_BYTES + FRONT_BYTES] as const;
const MEMORY_BYTES = 2 * (FRONT_BYTES + BLOCK_BYTES);

/** Fills `target` from an offset of the file and gives the bytes read: fewer only at its end. Throws what `node:fs` throws. */
export type ReadAt = (target: Uint8Array, offset: number) => number;
export type ReadAtLater = (target: Uint8Array, offset: number) => Promise<number>;

export interface Stretch {
  readonly offset: number;
  readonly length: number;
}

export class PieceReader {
  readonly #content: ContentStore;
  readonly #gear: Uint32Array;
  /** Made for the first file that needs it: a tree of small files does not. */
  #scanner: Scanner | undefined;
  #out: SegmentCollector | undefined;
  /** In the memory: what is not consumed yet. */
  #start = 0;
  #end = 0;
  /** In the memory: no whole block of zeros begins between `#start` and here. */
  #cleanTo = 0;

  constructor(content: ContentStore, gear: Uint32Array) {
    this.#content = content;
    this.#gear = gear;
  }

  /**
   * Adds the segments of a stretch to `out` and returns how many bytes were read. Fewer bytes than the stretch has are
   * added when the file ends before.
   *
   * @param fd of the file, for its holes; undefined when it is not sparse.
   */
  read(readAt: ReadAt, stretch: Stretch, fd: number | undefined, out: SegmentCollector): number {
    let bytesRead = 0;
    for (const part of partsOf(stretch, fd)) {
      out.hole(part.hole);
      const got = this.#readData(readAt, part, out);
      bytesRead += got;
      if (got < part.length) return bytesRead;
    }
    return bytesRead;
  }

  /** The same, and the next block is read while one is consumed. */
  async readAhead(
    readAt: ReadAtLater,
    stretch: Stretch,
    fd: number | undefined,
    out: SegmentCollector,
  ): Promise<number> {
    let bytesRead = 0;
    for (const part of partsOf(stretch, fd)) {
      out.hole(part.hole);
      const got = await this.#readDataAhead(readAt, part, out);
      bytesRead += got;
      if (got < part.length) return bytesRead;
    }
    return bytesRead;
  }

  #readData(readAt: ReadAt, { offset, length }: Stretch, out: SegmentCollector): number {
    const scanner = this.#begin(out);
    const end = offset + length;
    let position = offset;
    for (let block: 0 | 1 = 0; ; block = other(block)) {
      const target = blockOf(scanner, block, end - position);
      const got = Math.min(readAt(target, position), end - position);
      position += got;
      const isLast = position === end || got < target.length;
      this.#takeBlock(scanner, block, got);
      this.#consume(scanner, isLast, position);
      if (isLast) return position - offset;
    }
  }

  async #readDataAhead(
    readAt: ReadAtLater,
    { offset, length }: Stretch,
    out: SegmentCollector,
  ): Promise<number> {
    const scanner = this.#begin(out);
    const end = offset + length;
    let position = offset;
    let block: 0 | 1 = 0;
    let reading = readAt(blockOf(scanner, block, end - position), position);
    try {
      for (;;) {
        const wanted = blockOf(scanner, block, end - position).length;
        const got: number = Math.min(await reading, end - position);
        position += got;
        const isLast = position === end || got < wanted;
        const next = other(block);
        // What is left lies where the next block goes: it is moved away first.
        this.#takeBlock(scanner, block, got);
        if (!isLast) reading = readAt(blockOf(scanner, next, end - position), position);
        this.#consume(scanner, isLast, position);
        if (isLast) return position - offset;
        block = next;
      }
    } finally {
      // The memory must not be written to any more when the next file begins.
      await reading.catch(() => undefined);
    }
  }

  #begin(out: SegmentCollector): Scanner {
    this.#scanner ??= createScanner(this.#gear, MEMORY_BYTES);
    this.#out = out;
    this.#start = 0;
    this.#end = 0;
    this.#cleanTo = 0;
    return this.#scanner;
  }

  /** Puts what is left in front of a block that was filled. */
  #takeBlock({ memory }: Scanner, block: 0 | 1, length: number): void {
    const left = this.#end - this.#start;
    const start = BLOCK_STARTS[block] - left;
    memory.copyWithin(start, this.#start, this.#end);
    this.#cleanTo += start - this.#start;
    this.#start = start;
    this.#end = BLOCK_STARTS[block] + length;
  }

  /** @param position in the file, of the memory's `#end`. */
  #consume(scanner: Scanner, isLast: boolean, position: number): void {
    const fileToMemory = position - this.#end;
    while (this.#start < this.#end) {
      const zeros = this.#nextZeroBlock(scanner, fileToMemory);
      if (zeros === this.#start) {
        if (!this.#skipZeros(scanner, isLast, fileToMemory)) return;
        continue;
      }
      const isKnown = zeros < this.#end || isLast;
      if (!this.#cut(scanner, isKnown ? zeros : this.#cleanTo, isKnown)) return;
    }
  }

  /** The first whole block of zeros from `#start` on, or `#end`. Such blocks are aligned to the file. */
  #nextZeroBlock(scanner: Scanner, fileToMemory: number): number {
    const from = Math.max(this.#start, this.#cleanTo);
    const aligned = Math.ceil((from + fileToMemory) / ZERO_BLOCK) * ZERO_BLOCK - fileToMemory;
    if (aligned + ZERO_BLOCK > this.#end) return this.#end;
    const block = scanner.nextZeroBlock(aligned, this.#end);
    const wholeBlocks = Math.floor((this.#end - aligned) / ZERO_BLOCK);
    this.#cleanTo = block < this.#end ? block : aligned + wholeBlocks * ZERO_BLOCK;
    return block;
  }

  /** Cuts chunks off the data up to `end`; false when more has to be read first. */
  #cut(scanner: Scanner, end: number, ends: boolean): boolean {
    for (;;) {
      const start = this.#start;
      if (start >= end) return ends;
      const length = scanner.cut(start, end);
      // A cut that is the end of what is known may not be one.
      if (!ends && length === end - start && length < CHUNK_MAX) return false;
      const bytes = scanner.memory.subarray(start, start + length);
      const id = this.#content.addChunk(bytes, () => scanner.looksRandom(start, length));
      this.#out?.data(id, length);
      this.#start += length;
    }
  }

  /** `#start` is at a block of zeros: passes over all that follow. False when nothing is left but more zeros to come. */
  #skipZeros(scanner: Scanner, isLast: boolean, fileToMemory: number): boolean {
    const nonZero = scanner.firstNonZero(this.#start, this.#end);
    const reachesEnd = nonZero === this.#end;
    const stop =
      reachesEnd && isLast
        ? this.#end
        : Math.floor((nonZero + fileToMemory) / ZERO_BLOCK) * ZERO_BLOCK - fileToMemory;
    this.#out?.zero(stop - this.#start);
    this.#start = stop;
    this.#cleanTo = stop;
    return !reachesEnd;
  }
}

function other(block: 0 | 1): 0 | 1 {
  return block === 0 ? 1 : 0;
}

/** Where a block goes: whole pages, at most as many as are wanted. */
function blockOf({ memory }: Scanner, block: 0 | 1, wanted: number): Uint8Array {
  const length = Math.min(BLOCK_BYTES, Math.ceil(wanted / PAGE_BYTES) * PAGE_BYTES);
  return memory.subarray(BLOCK_STARTS[block], BLOCK_STARTS[block] + length);
}

/** The data of a stretch, each with the hole before it; the last one may have no data. */
function* partsOf(
  { offset, length }: Stretch,
  fd: number | undefined,
): Generator<Stretch & { readonly hole: number }, void, undefined> {
  if (fd === undefined) {
    yield { offset, length, hole: 0 };
    return;
  }
  const end = offset + length;
  let position = offset;
  for (const extent of dataExtents(fd, end, offset)) {
    yield { ...extent, hole: extent.offset - position };
    position = extent.offset + extent.length;
  }
  if (position < end) yield { offset: end, length: 0, hole: end - position };
}
