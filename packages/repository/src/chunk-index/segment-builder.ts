/**
 * Collects what the next index segment will say, in memory that does not grow beyond a full one.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Randomness } from "@holdfast/kernel";
import { DIRECTORY_ENTRY_BYTES } from "../packs/pack-format.ts";
import {
  ID_BYTES,
  INDEX_ENTRY_BYTES,
  type IndexedPack,
  PACK_ROW_BYTES,
  writeIndexEntry,
  writePackRow,
} from "./entry.ts";
import { type IndexKeys, SEGMENT_ENTRIES_MAX } from "./segment-format.ts";
import { encodeSegment } from "./segment-writer.ts";

const CAPACITY_FIRST = 1024;

/** Rows that grow by doubling up to a limit. */
class Rows {
  readonly #rowBytes: number;
  #bytes: Buffer;
  count = 0;

  constructor(rowBytes: number) {
    this.#rowBytes = rowBytes;
    this.#bytes = Buffer.allocUnsafeSlow(CAPACITY_FIRST * rowBytes);
  }

  /** Where the next row goes. */
  get end(): number {
    return this.count * this.#rowBytes;
  }

  get filled(): Buffer {
    return this.#bytes.subarray(0, this.end);
  }

  /** Memory with room for so many more rows. */
  room(rows: number): Buffer {
    const needed = (this.count + rows) * this.#rowBytes;
    if (needed <= this.#bytes.length) return this.#bytes;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.filled, 0);
    this.#bytes = grown;
    return grown;
  }
}

export class SegmentBuilder {
  readonly #entriesMax: number;
  #entries = new Rows(INDEX_ENTRY_BYTES);
  #packs = new Rows(PACK_ROW_BYTES);
  /** Open addressing: pack number + 1 by the first bytes of the pack's hash. */
  #slots = new Uint32Array(2 * CAPACITY_FIRST);

  /** @param entriesMax at most (and normally) 524,288. */
  constructor(entriesMax = SEGMENT_ENTRIES_MAX) {
    assert(entriesMax > 0 && entriesMax <= SEGMENT_ENTRIES_MAX);
    this.#entriesMax = entriesMax;
  }

  get entryCount(): number {
    return this.#entries.count;
  }

  get packCount(): number {
    return this.#packs.count;
  }

  get full(): boolean {
    return this.#entries.count >= this.#entriesMax;
  }

  /**
   * Adds a pack with its directory (section 4.2), or returns false when it does not fit any more: then
   * {@link finish} first. A pack that was added before adds nothing.
   */
  addPack(pack: IndexedPack, directory: Uint8Array): boolean {
    const count = directory.length / DIRECTORY_ENTRY_BYTES;
    assert(Number.isInteger(count) && count <= this.#entriesMax);
    if (this.#entries.count + count > this.#entriesMax) return false;
    const packsBefore = this.#packs.count;
    const number = this.numberOf(pack);
    if (number < packsBefore) return true;
    const entries = this.#entries.room(count);
    for (let from = 0; from < directory.length; from += DIRECTORY_ENTRY_BYTES) {
      writeIndexEntry(entries, this.#entries.end, directory, from, number);
      this.#entries.count += 1;
    }
    return true;
  }

  /** The number of a pack in this segment; a pack that is new gets the next one. */
  numberOf(pack: IndexedPack): number {
    const mask = this.#slots.length - 1;
    let slot = hashSlot(pack.sha256) & mask;
    for (;;) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0) break;
      const at = number * PACK_ROW_BYTES;
      if (this.#packs.filled.compare(pack.sha256, 0, ID_BYTES, at, at + ID_BYTES) === 0) return number;
      slot = (slot + 1) & mask;
    }
    const rows = this.#packs.room(1);
    writePackRow(rows, this.#packs.end, pack);
    this.#packs.count += 1;
    this.#slots[slot] = this.#packs.count;
    if (this.#packs.count * 2 > this.#slots.length) this.#growSlots();
    return this.#packs.count - 1;
  }

  /** Adds a copy of an index entry under another pack number; not when {@link full}. */
  addEntry(entries: Buffer, at: number, packNumber: number): void {
    const rows = this.#entries.room(1);
    const end = this.#entries.end;
    entries.copy(rows, end, at, at + INDEX_ENTRY_BYTES);
    rows.writeUInt32LE(packNumber, end + ID_BYTES);
    this.#entries.count += 1;
  }

  /** Encodes what was collected and starts anew. */
  finish(keys: IndexKeys, randomness: Randomness, superseded: readonly string[] = []): Buffer {
    const content = { entries: this.#entries.filled, packs: this.#packs.filled, superseded };
    const bytes = encodeSegment(keys, randomness, content);
    this.#entries.count = 0;
    this.#packs.count = 0;
    this.#slots.fill(0);
    return bytes;
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    const packs = this.#packs.filled;
    for (let number = 0; number < this.#packs.count; number += 1) {
      let slot = hashSlot(packs, number * PACK_ROW_BYTES) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }
}

function hashSlot(hash: Uint8Array, at = 0): number {
  return (
    (hash[at] ?? 0) | ((hash[at + 1] ?? 0) << 8) | ((hash[at + 2] ?? 0) << 16) | ((hash[at + 3] ?? 0) << 24)
  );
}
