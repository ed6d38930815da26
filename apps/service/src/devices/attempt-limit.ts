/**
 * Failed attempts by address: each allows the next a little later, so that a code cannot be guessed and nobody is kept out for
 * ever. Kept in memory: the secrets have 128 bits, this only spares work.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";

const FREE_FAILURES = 10;
/** So long after it one failure is forgiven. */
const FORGIVEN_MS = 60_000;
const ADDRESSES_MAX = 10_000;

export interface AttemptLimit {
  /** @throws AppError `ERR_TOO_MANY_ATTEMPTS`. */
  readonly check: (address: string) => void;
  readonly failed: (address: string) => void;
}

export function createAttemptLimit(clock: Pick<Clock, "monotonic">): AttemptLimit {
  /** When the failures of an address are all forgiven. */
  const forgivenAt = new Map<string, number>();
  return {
    check: (address) => {
      const left = (forgivenAt.get(address) ?? 0) - clock.monotonic();
      if (left <= FREE_FAILURES * FORGIVEN_MS) return;
      throw new AppError("ERR_TOO_MANY_ATTEMPTS", "Too many attempts from this address have failed.", {
        remedy: "Wait a minute, and try again with a new code.",
      });
    },
    failed: (address) => {
      const now = clock.monotonic();
      const until = Math.max(forgivenAt.get(address) ?? 0, now) + FORGIVEN_MS;
      // The newest last: the oldest goes when there are too many.
      forgivenAt.delete(address);
      forgivenAt.set(address, until);
      const oldest = forgivenAt.keys().next();
      if (forgivenAt.size > ADDRESSES_MAX && oldest.done !== true) forgivenAt.delete(oldest.value);
    },
  };
}
