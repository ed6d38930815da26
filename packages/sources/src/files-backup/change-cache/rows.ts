/**
 * Rows of the change cache: one for each entry of the last copy.
 *
 *     block = sections;  section = u32 length of what follows ‖ u32 length of the path ‖ directory path ‖ rows
 *     row = u32 length of what follows ‖ stamp (44) ‖ u16 number of ids ‖ ids (32 bytes each) ‖ entry as in a page
 *
 * @module
 */
import { ByteWriter } from "@holdfast/kernel";
import { compareRanges } from "@holdfast/repository";
import { equalsStamp, STAMP_BYTES, type Stamp } from "./stamp.ts";

const ID_BYTES = 32;
/** Of a row, its own length field included. */
const ROW_HEAD_BYTES = 4 + STAMP_BYTES + 2;
const SIZE_OFFSET = 4 + 8;
const REFS_OFFSET = 4 + STAMP_BYTES;
const FILE_KIND = 1;

/** Collects the rows of one block. */
export class RowWriter {
  readonly #writer = new ByteWriter(256 * 1024);
  #sectionAt = -1;

  get length(): number {
    return this.#writer.length;
  }

  beginSection(directory: Uint8Array): void {
    this.endSection();
    this.#sectionAt = this.#writer.length;
    this.#writer.u32(0).u32(directory.length).raw(directory);
  }

  endSection(): void {
    if (this.#sectionAt === -1) return;
    this.#writer.view().writeUInt32LE(this.#writer.length - this.#sectionAt - 4, this.#sectionAt);
    this.#sectionAt = -1;
  }

  add(stamp: Stamp, entry: Uint8Array, refs: Uint8Array): void {
    this.#writer
      .u32(ROW_HEAD_BYTES - 4 + refs.length + entry.length)
      .raw(new Uint8Array(stamp.buffer, stamp.byteOffset, STAMP_BYTES))
      .u16(refs.length / ID_BYTES)
      .raw(refs)
      .raw(entry);
  }

  /** Copies the row of the last backup. */
  copy(row: CachedRow): void {
    this.#writer.raw(row.block.subarray(row.start, row.end));
  }

  /** The block; valid until the next row. The writer is then empty again. */
  finish(): Buffer {
    this.endSection();
    const block = this.#writer.view();
    this.#writer.reset();
    return block;
  }
}

/** A row in a block. */
export interface CachedRow {
  readonly block: Buffer;
  readonly start: number;
  readonly end: number;
}

export function entryOf(row: CachedRow): Buffer {
  return row.block.subarray(entryStart(row.block, row.start), row.end);
}

export function refsOf(row: CachedRow): Buffer {
  const start = row.start + ROW_HEAD_BYTES;
  return row.block.subarray(start, entryStart(row.block, row.start));
}

/** The size of a file; 0 for everything else. */
export function fileBytesOfRow(row: CachedRow): number {
  return row.block[entryStart(row.block, row.start)] === FILE_KIND ? sizeAt(row.block, row.start) : 0;
}

/** Compares the name of the row at `start` with `name`. */
export function compareRowName(block: Buffer, start: number, name: Uint8Array): number {
  const entry = entryStart(block, start);
  const low = block[entry + 1] ?? 0;
  const isShort = low < 0x80;
  const nameStart = entry + (isShort ? 2 : 3);
  const length = isShort ? low : (low & 0x7f) + ((block[entry + 2] ?? 0) << 7);
  return compareRanges(block, nameStart, nameStart + length, name, 0, name.length);
}

/** Whether the row at `start` has this stamp. */
export function hasStamp(view: DataView, start: number, stamp: Stamp): boolean {
  return equalsStamp(view, start + 4, stamp);
}

function sizeAt(block: Buffer, start: number): number {
  const low = block.readUInt32LE(start + SIZE_OFFSET);
  return low + block.readUInt32LE(start + SIZE_OFFSET + 4) * 0x1_0000_0000;
}

function entryStart(block: Buffer, start: number): number {
  return start + ROW_HEAD_BYTES + block.readUInt16LE(start + REFS_OFFSET) * ID_BYTES;
}
