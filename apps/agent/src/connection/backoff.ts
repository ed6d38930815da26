/**
 * When to connect again: full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), so that the agents
 * of a service that was restarted do not come back all at once.
 *
 * @module
 */
import type { Randomness } from "@holdfast/kernel";

const FIRST_MS = 1000;
const MAX_MS = 60_000;

export class Backoff {
  readonly #randomness: Randomness;
  #failures = 0;

  constructor(randomness: Randomness) {
    this.#randomness = randomness;
  }

  /** A connection was of use. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** The service does not want this agent now. */
  refused(): void {
    this.#failures = Math.ceil(Math.log2(MAX_MS / FIRST_MS));
  }

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const most = Math.min(MAX_MS, FIRST_MS * 2 ** this.#failures);
    if (most < MAX_MS) this.#failures += 1;
    const share = this.#randomness(Buffer.alloc(4)).readUInt32LE(0) / 0x1_0000_0000;
    return Math.round(share * most);
  }
}
