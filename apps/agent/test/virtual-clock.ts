/** A clock that a test moves. */
import type { Clock } from "@holdfast/kernel";

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export class VirtualClock implements Clock {
  #ms = 1_700_000_000_000;
  /** How far the wall clock is from the monotonic one. */
  #wallMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#ms + this.#wallMs;
  }

  monotonic(): number {
    return this.#ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
      };
      const wake = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const sleeper = { atMs: this.#ms + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", abort, { once: true });
      if (signal?.aborted === true) abort();
    });
  }

  /** Time passes, in steps, so that whoever wakes up can go to sleep again. */
  async pass(ms: number, stepMs = 1000): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.#ms += Math.min(stepMs, ms - passed);
      for (const sleeper of this.#sleepers) {
        if (sleeper.atMs > this.#ms) continue;
        this.#sleepers.delete(sleeper);
        sleeper.wake();
      }
      await new Promise(setImmediate);
    }
  }

  /** The machine slept: only its wall clock went on. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }
}
