/** File systems keep times in steps of up to two seconds (FAT). */
const TIME_STEP_MS = 2000;

/**
 * The time before which an entry must have changed last to count as unchanged: one that changed while the last backup ran,
 * or in the step of the clock in which it began, may have changed again without a trace.
 *
 * @returns nanoseconds since 1970.
 */
export function restedBefore(startedMs: number): bigint {
  return BigInt(startedMs - TIME_STEP_MS) * 1_000_000n;
}
