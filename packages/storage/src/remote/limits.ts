/**
 * How much of a storage is used at once: calls in flight, bytes a second.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Clock } from "@holdfast/kernel";

/** Lets so many in at once; the others wait in their order. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(places: number) {
    assert(Number.isSafeInteger(places) && places > 0);
    this.#free = places;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** Keeps the average of a transfer rate: each transfer waits until those before it have had their time. */
export class Pace {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number, clock: Clock) {
    assert(bytesPerSecond > 0);
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  /** Resolves when `bytes` more may have been transferred. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonic();
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + (bytes * 1000) / this.#bytesPerSecond;
    const waitMs = this.#freeAtMs - nowMs;
    if (Number.isFinite(waitMs) && waitMs > 0) await this.#clock.sleep(waitMs, signal);
  }
}
