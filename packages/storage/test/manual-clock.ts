import type { Clock } from "@holdfast/kernel";

interface Sleeper {
  readonly untilMs: number;
  readonly wake: () => void;
}

/** Time that passes only when told to. */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper: Sleeper = { untilMs: this.#nowMs + ms, wake: resolve };
    const end = (): void => {
      this.#sleepers.delete(sleeper);
      reject(new Error("aborted"));
    };
    if (signal?.aborted === true) end();
    else {
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", end, { once: true });
    }
    return promise;
  }

  /** Wakes whoever's time has come. */
  advance(ms: number): void {
    this.#nowMs += ms;
    for (const sleeper of [...this.#sleepers].filter(({ untilMs }) => untilMs <= this.#nowMs)) {
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}
