/**
 * Random numbers that are the same for the same seed (sfc32 by Chris Doty-Humphrey, seeded by a hash): what a test drew
 * once it can draw again.
 *
 * @module
 */
import { createHash } from "node:crypto";

export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    const hash = createHash("sha256").update(seed).digest();
    [this.#a, this.#b, this.#c] = [hash.readInt32LE(0), hash.readInt32LE(4), hash.readInt32LE(8)];
    for (let round = 0; round < 12; round += 1) this.u32();
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** 0 to `end` - 1; 0 when there is nothing to choose from. */
  below(end: number): number {
    return end <= 1 ? 0 : Math.floor((this.u32() / 2 ** 32) * end);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new RangeError("nothing to pick from");
    return value;
  }

  /** Fills `bytes` and returns them: fits where the product takes a source of randomness. */
  readonly fill = <T extends Uint8Array>(bytes: T): T => {
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = this.u32() >>> 24;
    return bytes;
  };

  bytes(length: number): Buffer {
    return this.fill(Buffer.alloc(length));
  }
}
