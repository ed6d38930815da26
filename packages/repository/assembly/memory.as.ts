/**
 * Layout of the imported memory. The first page belongs to the scanner, what the host reads in starts at byte 4096;
 * `src/chunking/scanner.ts` knows the same numbers.
 */

/** 256 gear values, u32. */
export const TABLE_OFFSET: usize = 1024;

/** Two byte histograms of 256 counters, u32, used by the noise test. */
export const SAMPLE_COUNTS_OFFSET: usize = 2048;
export const PIECE_COUNTS_OFFSET: usize = 3072;
export const COUNTS_BYTES: usize = 1024;
