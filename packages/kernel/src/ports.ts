/**
 * The outside world as parameters, so that a simulation can replace it.
 *
 * @module
 */
import { randomFillSync } from "node:crypto";

/** Time. Values are milliseconds. */
export interface Clock {
  /** Wall time since the epoch; may jump. */
  now(): number;
  /** Time that never goes back, from an arbitrary start. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Fills `bytes` with cryptographically strong randomness and returns them. */
export type Randomness = <T extends Uint8Array>(bytes: T) => T;

export const systemRandomness: Randomness = (bytes) => randomFillSync(bytes);

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const rejectAborted = (): void => {
        clearTimeout(timer);
        reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", rejectAborted);
        resolve();
      }, ms);
      if (signal?.aborted === true) rejectAborted();
      else signal?.addEventListener("abort", rejectAborted, { once: true });
    }),
};
