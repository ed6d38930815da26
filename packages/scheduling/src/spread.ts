/**
 * Stable pseudo-random numbers: the same parts give the same number on every machine and after every restart, so that
 * nothing of it has to be stored.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A whole number from 0 up to and without `limit` (0 when `limit` is 0), evenly spread over all possible `parts`. */
export function spread(limit: number, ...parts: readonly (string | number)[]): number {
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest();
  return Math.floor((hash.readUIntBE(0, 6) / 2 ** 48) * limit);
}
