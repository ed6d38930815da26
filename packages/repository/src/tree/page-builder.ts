/**
 * Puts a page together from entries that are encoded already.
 *
 * @module
 */
import assert from "node:assert/strict";

/** Room for a count that is not known yet: varints of up to 2^21 - 1. */
const COUNT_BYTES = 3;
const PATH_LENGTH_BYTES = 4;
const CAPACITY = 640 * 1024;

export class PageBuilder {
  /** The sections stand behind {@link COUNT_BYTES} bytes for their number. */
  #bytes = Buffer.allocUnsafeSlow(CAPACITY);
  #length = COUNT_BYTES;
  #sections = 0;
  #entries = 0;
  /** Where the open section has its count, or -1. */
  #countAt = -1;
  #sectionEntries = 0;

  /** Bytes so far; counts that are still open are taken at their full width. */
  get length(): number {
    return this.#length;
  }

  get entries(): number {
    return this.#entries;
  }

  get hasOpenSection(): boolean {
    return this.#countAt !== -1;
  }

  /** Ends the section before, if any, and begins one that must get entries. */
  beginSection(directory: Uint8Array): void {
    this.endSection();
    this.#reserve(PATH_LENGTH_BYTES + directory.length + COUNT_BYTES);
    this.#length = writeCount(this.#bytes, this.#length, directory.length);
    this.#bytes.set(directory, this.#length);
    this.#length += directory.length;
    this.#countAt = this.#length;
    this.#length += COUNT_BYTES;
    this.#sections += 1;
  }

  /** Appends `count` entries that stand one behind the other in `bytes`. */
  append(bytes: Uint8Array, start: number, end: number, count: number): void {
    assert(this.hasOpenSection);
    this.#reserve(end - start);
    this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length += end - start;
    this.#sectionEntries += count;
    this.#entries += count;
  }

  endSection(): void {
    if (this.#countAt === -1) return;
    assert(this.#sectionEntries > 0);
    const start = this.#countAt + COUNT_BYTES;
    const end = writeCount(this.#bytes, this.#countAt, this.#sectionEntries);
    if (end !== start) this.#bytes.copyWithin(end, start, this.#length);
    this.#length -= start - end;
    this.#countAt = -1;
    this.#sectionEntries = 0;
  }

  /** The finished page; valid until the next section begins. The builder is then empty again. */
  finish(): Buffer {
    this.endSection();
    const start = COUNT_BYTES - countLength(this.#sections);
    writeCount(this.#bytes, start, this.#sections);
    const page = this.#bytes.subarray(start, this.#length);
    this.#length = COUNT_BYTES;
    this.#sections = 0;
    this.#entries = 0;
    return page;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

function countLength(count: number): number {
  if (count < 1 << 7) return 1;
  return count < 1 << 14 ? 2 : 3;
}

/** A varint; returns where it ends. */
function writeCount(bytes: Buffer, start: number, count: number): number {
  let end = start;
  let rest = count;
  for (; rest >= 0x80; rest >>>= 7) {
    bytes[end] = (rest & 0x7f) | 0x80;
    end += 1;
  }
  bytes[end] = rest;
  return end + 1;
}
