/**
 * Reads a stretch of an open file and turns it into segments: holes, runs of zeros, content-defined chunks
 * (docs/format.md, section 6, *Writers*).
 *
 * The input passes through one window of WebAssembly memory that is filled, consumed and moved on. A place in the window
 * and its place in the file are equal modulo the size of a page, and reads begin and end at page borders where they can, so
 * that the page cache may be bypassed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CHUNK_MAX, createScanner, type Scanner, ZERO_BLOCK } from "@holdfast/repository";
import { dataExtents } from "../posix/extents.ts";
import type { ContentStore } from "./content-store.ts";
import type { SegmentCollector } from "./flat-segments.ts";

/** At least the longest chunk and a block of zeros must fit, and something to read. */
const WINDOW_BYTES = 12 * 1024 * 1024;
const PAGE_BYTES = 4096;
/** Of one read call. */
const READ_BYTES = 4 * 1024 * 1024;

/** Reads into `target` at an offset of the file; 0 at its end. Throws what `node:fs` throws. */
export type ReadAt = (target: Uint8Array, offset: number) => number;

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
  /** In the window: what is not consumed yet. */
  #start = 0;
  #end = 0;
  /** In the window: no whole block of zeros begins between `#start` and here. */
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
    if (fd === undefined) return this.#readData(readAt, stretch, out);
    const end = stretch.offset + stretch.length;
    let position = stretch.offset;
    let bytesRead = 0;
    for (const extent of dataExtents(fd, end, position)) {
      out.hole(extent.offset - position);
      const got = this.#readData(readAt, extent, out);
      bytesRead += got;
      position = extent.offset + got;
      if (got < extent.length) return bytesRead;
    }
    out.hole(end - position);
    return bytesRead;
  }

  #readData(readAt: ReadAt, { offset, length }: Stretch, out: SegmentCollector): number {
    this.#scanner ??= createScanner(this.#gear, WINDOW_BYTES);
    const { memory } = this.#scanner;
    this.#out = out;
    let position = offset;
    const end = offset + length;
    this.#start = offset % PAGE_BYTES;
    this.#end = this.#start;
    this.#cleanTo = this.#start;
    // Blocks of zeros are aligned to the file; the window's own address of a block follows from any one of them.
    for (let isLast = false; !isLast; ) {
      position += this.#fill(memory, readAt, position, end);
      isLast = position === end || this.#end < WINDOW_BYTES;
      this.#consume(this.#scanner, isLast, position);
      this.#moveToFront(memory);
    }
    return position - offset;
  }

  /** Fills the window as far as the stretch goes; less only at the end of the file. */
  #fill(memory: Uint8Array, readAt: ReadAt, position: number, end: number): number {
    let done = 0;
    const wanted = Math.min(WINDOW_BYTES - this.#end, end - position);
    while (done < wanted) {
      const from = this.#end + done;
      const whole = Math.ceil((wanted - done) / PAGE_BYTES) * PAGE_BYTES;
      const count = Math.min(READ_BYTES, whole, WINDOW_BYTES - from);
      const got = readAt(memory.subarray(from, from + count), position + done);
      if (got === 0) break;
      done += Math.min(got, wanted - done);
    }
    this.#end += done;
    return done;
  }

  /** @param position in the file, of the window's end. */
  #consume(scanner: Scanner, isLast: boolean, position: number): void {
    for (;;) {
      if (this.#start === this.#end) return;
      const block = this.#nextZeroBlock(scanner, position);
      const isData = block > this.#start;
      if (isData) {
        // What is known to be data, and whether it ends there.
        const dataEnd = block < this.#end || isLast ? block : this.#cleanTo;
        const ends = block < this.#end || isLast;
        if (!this.#cut(scanner, dataEnd, ends)) return;
      } else if (!this.#skipZeros(scanner, isLast, position)) return;
    }
  }

  /** The first whole block of zeros from `#start` on, or `#end`. */
  #nextZeroBlock(scanner: Scanner, position: number): number {
    const fileToWindow = position - this.#end;
    const fromFile = this.#cleanTo + fileToWindow;
    const aligned = Math.ceil(fromFile / ZERO_BLOCK) * ZERO_BLOCK - fileToWindow;
    if (aligned + ZERO_BLOCK > this.#end) return this.#end;
    const block = scanner.nextZeroBlock(aligned, this.#end);
    if (block < this.#end) {
      this.#cleanTo = block;
      return block;
    }
    const wholeBlocks = Math.floor((this.#end - aligned) / ZERO_BLOCK);
    this.#cleanTo = aligned + wholeBlocks * ZERO_BLOCK;
    return this.#end;
  }

  /** Cuts chunks off the data up to `end`; false when more has to be read first. */
  #cut(scanner: Scanner, end: number, ends: boolean): boolean {
    for (;;) {
      const start = this.#start;
      if (!ends && end - start < CHUNK_MAX) return false;
      if (start === end) return true;
      const length = scanner.cut(start, end);
      const bytes = scanner.memory.subarray(start, start + length);
      const id = this.#content.addChunk(bytes, () => scanner.looksRandom(start, length));
      this.#out?.data(id, length);
      this.#start += length;
    }
  }

  /** `#start` is at a block of zeros: passes over all that follow. False when the window is used up. */
  #skipZeros(scanner: Scanner, isLast: boolean, position: number): boolean {
    const fileToWindow = position - this.#end;
    const nonZero = scanner.firstNonZero(this.#start, this.#end);
    const reachesEnd = nonZero === this.#end;
    const stop =
      reachesEnd && isLast
        ? this.#end
        : Math.floor((nonZero + fileToWindow) / ZERO_BLOCK) * ZERO_BLOCK - fileToWindow;
    this.#out?.zero(stop - this.#start);
    this.#start = stop;
    this.#cleanTo = stop;
    return !reachesEnd;
  }

  /** Moves what is left to the front of the window, at the same place within a page. */
  #moveToFront(memory: Uint8Array): void {
    const shift = this.#start - (this.#start % PAGE_BYTES);
    assert(shift > 0 || this.#end < WINDOW_BYTES);
    if (shift === 0) return;
    memory.copyWithin(0, shift, this.#end);
    this.#start -= shift;
    this.#end -= shift;
    this.#cleanTo = Math.max(this.#start, this.#cleanTo - shift);
  }
}
