/**
 * What a directory and the index say about one pack, as numbers that are equal when they say the same.
 *
 * Both are authenticated; the sum finds mistakes of programs, and needs no memory per chunk. The order does not matter.
 *
 * @module
 */
import { INDEX_ENTRY_BYTES } from "../chunk-index/entry.ts";
import { DIRECTORY_ENTRY_BYTES } from "../packs/pack-format.ts";

const ID_BYTES = 32;
const MULTIPLIER = 0x9e37_79b1;

export interface DirectorySumValues {
  readonly count: number;
  readonly low: number;
  readonly high: number;
}

export class DirectorySum implements DirectorySumValues {
  count = 0;
  low = 0;
  high = 0;

  addDirectory(directory: Buffer): void {
    for (let at = 0; at < directory.length; at += DIRECTORY_ENTRY_BYTES) {
      this.#add(directory, at, at + ID_BYTES);
    }
  }

  /** An entry of an index segment: the same fields, with the pack's number between id and place. */
  addIndexEntry(entries: Buffer, at: number): void {
    this.#add(entries, at, at + INDEX_ENTRY_BYTES - 16);
  }

  add(other: DirectorySumValues): void {
    this.count += other.count;
    this.low = (this.low + other.low) | 0;
    this.high = (this.high + other.high) | 0;
  }

  get values(): DirectorySumValues {
    return { count: this.count, low: this.low, high: this.high };
  }

  equals(other: DirectorySumValues): boolean {
    return this.count === other.count && this.low === other.low && this.high === other.high;
  }

  #add(bytes: Buffer, idAt: number, placeAt: number): void {
    let low = 1;
    let high = 2;
    for (let at = 0; at < ID_BYTES; at += 8) {
      low = mix(low, bytes.readInt32LE(idAt + at));
      high = mix(high, bytes.readInt32LE(idAt + at + 4));
    }
    for (let at = 0; at < 16; at += 8) {
      low = mix(low, bytes.readInt32LE(placeAt + at));
      high = mix(high, bytes.readInt32LE(placeAt + at + 4));
    }
    this.count += 1;
    this.low = (this.low + low) | 0;
    this.high = (this.high + high) | 0;
  }
}

function mix(state: number, word: number): number {
  const mixed = Math.imul(state ^ word, MULTIPLIER);
  return mixed ^ (mixed >>> 15);
}
