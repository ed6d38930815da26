/** Numbers that follow from a seed (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** At least 0, below 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** At least `from`, below `to`. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from));
  }

  /** Between the two, small ones as likely as large ones. */
  scale(from: number, to: number): number {
    return from * (to / from) ** this.fraction();
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.integer(0, items.length)];
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.integer(0, 256)));
  }

  /** Another stream that follows from this one. */
  fork(): SeededRandom {
    return new SeededRandom(this.integer(0, 2 ** 32));
  }
}
