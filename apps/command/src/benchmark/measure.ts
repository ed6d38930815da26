/**
 * Measures how many bytes something gets through in a second, for a bounded time.
 *
 * @module
 */

export interface Measurement {
  /** `cipher`, `hash`, `compression`, `chunker`, `memory`, `storage`. */
  readonly group: string;
  readonly name: string;
  readonly bytesPerSecond: number;
  /** Anything else that was found out, for people. */
  readonly note?: string;
}

/** Time for each measurement: the whole benchmark stays below a quarter of a minute. */
export const MEASURE_MS = 350;
const WARM_UP_CALLS = 2;

/** Calls `work`, which gets through `bytes` bytes each time, until the time is up. */
export function measureBytes(bytes: number, work: () => void, measureMs = MEASURE_MS): number {
  for (let call = 0; call < WARM_UP_CALLS; call += 1) work();
  const startMs = performance.now();
  let calls = 0;
  let elapsedMs = 0;
  do {
    work();
    calls += 1;
    elapsedMs = performance.now() - startMs;
  } while (elapsedMs < measureMs);
  return (calls * bytes * 1000) / elapsedMs;
}
