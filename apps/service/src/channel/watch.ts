/**
 * How long this process has been looking on without a break. Who stood still himself, or had no database to write down what was
 * heard, cannot say who was silent meanwhile.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { PROCESS_DEAD_MS } from "./processes.ts";

export interface Watch {
  /** What was heard is written down. */
  readonly stored: () => void;
  /** Since the last break; 0 in one. */
  readonly steadyMs: () => number;
}

/** Nothing stored for as long as makes a process count as dead is a break, by either clock: one of them may have stood still as well. */
export function createWatch(clock: Pick<Clock, "now" | "monotonic">): Watch {
  const moment = (): { readonly ms: number; readonly wallMs: number } => ({
    ms: clock.monotonic(),
    wallMs: clock.now(),
  });
  let last = moment();
  let sinceMs = last.ms;
  const isBroken = (): boolean => {
    const { ms, wallMs } = moment();
    return Math.max(ms - last.ms, wallMs - last.wallMs) > PROCESS_DEAD_MS;
  };
  return {
    stored: () => {
      const hasStoodStill = isBroken();
      last = moment();
      if (hasStoodStill) sinceMs = last.ms;
    },
    steadyMs: () => (isBroken() ? 0 : clock.monotonic() - sinceMs),
  };
}
