/**
 * The packs of an index by number, with counts for each, in memory without an object for each.
 *
 * @module
 */
import { ID_BYTES, PACK_ROW_BYTES } from "../chunk-index/entry.ts";

const ROWS_FIRST = 1024;

export interface TabledPack {
  readonly sha256: Buffer;
  /** Bytes of the object. */
  readonly length: number;
  readonly kind: number;
}

export class PackTable {
  #rows = Buffer.allocUnsafeSlow(ROWS_FIRST * PACK_ROW_BYTES);
  #count = 0;
  /** Open addressing: number + 1 by the first bytes of the hash. */
  #slots = new Uint32Array(ROWS_FIRST * 2);

  get count(): number {
    return this.#count;
  }

  /** The number of the pack in the row at `at`, as in a segment's packs section; a new one gets the next number. */
  add(rows: Buffer, at: number): number {
    const slot = this.#slotOf(rows, at);
    const known = (this.#slots[slot] ?? 0) - 1;
    if (known >= 0) return known;
    const end = this.#count * PACK_ROW_BYTES;
    if (end === this.#rows.length) {
      const grown = Buffer.allocUnsafeSlow(this.#rows.length * 2);
      grown.set(this.#rows, 0);
      this.#rows = grown;
    }
    rows.copy(this.#rows, end, at, at + PACK_ROW_BYTES);
    this.#count += 1;
    this.#slots[slot] = this.#count;
    if (this.#count * 2 > this.#slots.length) this.#growSlots();
    return this.#count - 1;
  }

  /** Undefined when there is no such pack. */
  numberOf(sha256: Buffer): number | undefined {
    const number = (this.#slots[this.#slotOf(sha256, 0)] ?? 0) - 1;
    return number < 0 ? undefined : number;
  }

  get(number: number): TabledPack {
    const at = number * PACK_ROW_BYTES;
    return {
      sha256: Buffer.from(this.#rows.subarray(at, at + ID_BYTES)),
      length: this.#rows.readUInt32LE(at + ID_BYTES),
      kind: this.#rows.readUInt32LE(at + ID_BYTES + 4),
    };
  }

  hex(number: number): string {
    return this.#rows.toString("hex", number * PACK_ROW_BYTES, number * PACK_ROW_BYTES + ID_BYTES);
  }

  /** The order of their hashes, for choices that must not depend on the order of segments. */
  compare(one: number, other: number): number {
    const [at, otherAt] = [one * PACK_ROW_BYTES, other * PACK_ROW_BYTES];
    return this.#rows.compare(this.#rows, otherAt, otherAt + ID_BYTES, at, at + ID_BYTES);
  }

  /** Where the hash is, or the free slot where it would be. */
  #slotOf(bytes: Buffer, at: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = bytes.readUInt32LE(at) & mask; ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0) return slot;
      const row = number * PACK_ROW_BYTES;
      if (this.#rows.compare(bytes, at, at + ID_BYTES, row, row + ID_BYTES) === 0) return slot;
    }
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let number = 0; number < this.#count; number += 1) {
      this.#slots[this.#slotOf(this.#rows, number * PACK_ROW_BYTES)] = number + 1;
    }
  }
}
