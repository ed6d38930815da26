/**
 * Where a file is cut into chunks.
 *
 * A cut may lie behind any byte. Its hash is the gear hash of the 32 bytes before it,
 *
 *     hash = sum over k = 0..31 of table[byte at distance k before the cut] * 2^k, modulo 2^32,
 *
 * and depends on nothing else, so the same data is cut in the same places wherever it lies. A chunk ends at the first
 * cut that lies at least `CHUNK_MIN` bytes behind its start and whose hash is below a limit. The limit is strict up
 * to the average and loose behind it (normalised chunking, level 2, of FastCDC: Xia et al., USENIX ATC 2016, section
 * 4.4), which gathers the sizes around the average. A chunk ends at `CHUNK_MAX` at the latest, and with the data.
 *
 * This is part of the repository format: another rule finds no duplicates of the chunks of this one.
 *
 * @module
 */

/** Bytes. No chunk is shorter, but for the last one of the data. */
export const CHUNK_MIN = 256 * 1024;

/** Bytes. Where the strict limit gives way to the loose one; chunks of noise have a mean of 1.15 MiB. */
export const CHUNK_AVERAGE = 1024 * 1024;

/** Bytes. No chunk is longer. */
export const CHUNK_MAX = 4 * 1024 * 1024;

/** log2 of `CHUNK_AVERAGE`: so many leading zero bits would give chunks of that size on their own. */
const AVERAGE_BITS = 20;
const NORMALISATION = 2;

/** Below the limit are the hashes with 22 leading zero bits, one in 4 Mi. */
const STRICT_LIMIT = 2 ** (32 - AVERAGE_BITS - NORMALISATION);

/** Below the limit are the hashes with 18 leading zero bits, one in 256 Ki. */
const LOOSE_LIMIT = 2 ** (32 - AVERAGE_BITS + NORMALISATION);

/**
 * The first offset in `[from, to)` whose hash is below `limit`, or `to` when there is none. Reads the 32 bytes before
 * `from` as well.
 */
export type Scan = (from: number, to: number, limit: number) => number;

/** Bytes in the chunk that begins at `start`, when the data, or what is known of it, ends at `end`. */
export function chunkLength(scan: Scan, start: number, end: number): number {
  const last = Math.min(end, start + CHUNK_MAX);
  if (last - start <= CHUNK_MIN) return last - start;
  const average = Math.min(last, start + CHUNK_AVERAGE);
  const early = scan(start + CHUNK_MIN, average, STRICT_LIMIT);
  const cut = early < average ? early : scan(average, last, LOOSE_LIMIT);
  return cut - start;
}
