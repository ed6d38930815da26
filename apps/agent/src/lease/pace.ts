/**
 * How fast a run may store: a token bucket whose rate changes at times that the service has computed beforehand (docs/protocol.md,
 * section 4). So a run follows them over a change of the clocks, and without the service.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Clock } from "@holdfast/kernel";

/** From this time on, until the next step. */
export interface PaceStep {
  /** Milliseconds since 1970; the first step counts from ever. */
  readonly from: number;
  /** Null: as fast as it goes. */
  readonly bytesPerSecond: number | null;
}

/** What stands still for a moment makes up for so much of it at most. */
export const CREDIT_MS = 125;
/** A long sleep is cut: timers end at 24 days. */
const SLEEP_MAX_MS = 3_600_000;

/** Each transfer waits until it, and those before it, would have ended at the rates of their time. */
export class Pace {
  readonly #steps: readonly PaceStep[];
  readonly #clock: Clock;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  /** @param steps in the order of their times. */
  constructor(steps: readonly PaceStep[], clock: Clock) {
    for (const { bytesPerSecond } of steps) assert(bytesPerSecond === null || bytesPerSecond > 0);
    this.#steps = steps;
    this.#clock = clock;
  }

  /** Resolves when `bytes` may be transferred. */
  async wait(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    const untilMs = this.#endOf(Math.max(now - CREDIT_MS, this.#freeAtMs), bytes);
    this.#freeAtMs = untilMs;
    for (let left = untilMs - now; left > 0; left = untilMs - this.#clock.monotonic())
      await this.#clock.sleep(Math.min(left, SLEEP_MAX_MS), signal);
  }

  /** When a transfer that begins then has ended; times are monotonic. */
  #endOf(beginMs: number, bytes: number): number {
    const offset = this.#clock.now() - this.#clock.monotonic();
    let at = beginMs + offset;
    let left = bytes;
    for (const [index, { bytesPerSecond }] of this.#steps.entries()) {
      const end = this.#steps[index + 1]?.from ?? Number.POSITIVE_INFINITY;
      if (end <= at) continue;
      if (bytesPerSecond === null) return at - offset;
      const took = (left * 1000) / bytesPerSecond;
      if (at + took <= end) return at + took - offset;
      left -= ((end - at) * bytesPerSecond) / 1000;
      at = end;
    }
    return at - offset;
  }
}
