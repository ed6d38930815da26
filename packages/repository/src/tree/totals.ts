/**
 * Sums of file sizes. Sparse files can claim more bytes than a varint can count; sums stop at 2^53 - 1 instead of
 * failing, and because they do so everywhere, writer and reader agree.
 *
 * @module
 */

/** `a + b`, at most 2^53 - 1. */
export function addBytes(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}
