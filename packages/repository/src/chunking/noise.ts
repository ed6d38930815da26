/**
 * The noise test: data that a compressor cannot shrink is recognised by a sample and need not be tried.
 *
 * The sample is 64 pieces of 256 bytes, spread evenly (16 KiB of a chunk). Chi-square of its bytes against the even
 * distribution is near 255 for noise, with a standard deviation of 23. Data counts as noise when
 *
 * - the bytes of the whole sample are nearly even. Entropy coding of single bytes saves about
 *   (chi-square - 255) / (16384 * 2 * ln 2) bits a byte, so the upper bound stands for 1.8 %;
 * - they are not *too* even, as those of counters and ramps are (six standard deviations);
 * - at most one of the 64 pieces is structured by itself: a header in compressed data is tolerated, a stretch of text
 *   in it is not.
 *
 * Measured: chi-square of 16 KiB, and gain of zstd level 3 in percent.
 *
 * | data | chi-square | gain |
 * | --- | --- | --- |
 * | AES-CTR | 202-312 | 0 |
 * | gzip, xz, zstd of text, WOFF2 | 231-360 | 0 |
 * | gzip, zstd, Brotli of a program | 266-856 | 0 |
 * | zstd of libraries | 346-857 | 0-1.4 |
 * | bzip2 | 603-1196 | 0 |
 * | synthetic JPEG, quality 60-95 | 1395-3448 | 0 |
 * | noise with 10 % text (six structured pieces) | 892-1111 | 6.6 |
 * | noise, 300 zero bytes in each 8 KiB | 5706-5881 | 3.5 |
 * | random 64-bit floats | above 64000 | 5.6-6 |
 * | LZ4 of text | above 41000 | 16-24 |
 * | libraries, Python sources | above 87000 | above 42 |
 * | JAR of many small files (zip headers) | 470-1839 | 2.2-3.4 |
 *
 * Of 9354 pieces of 128 KiB of programs and libraries two were taken for noise, and zstd gained 3.5 % on one of them.
 * A wrong answer costs time or a little space, never data. Known to be taken for noise: long noise that repeats
 * itself, and compressible stretches shorter than about 3 % of the data.
 *
 * @module
 */

const PIECES = 64;
const PIECE_BYTES = 256;

/** Shorter data says too little about itself, and is cheap to compress. */
const LENGTH_MIN = 4096;

/** 255 minus six standard deviations. */
const CHI_SQUARE_MIN = 120;

/** 255 plus six standard deviations; to which comes the part that grows with the sample: 1.8 % of gain. */
const CHI_SQUARE_MAX_BASE = 400;
const CHI_SQUARE_MAX_PER_BYTE = 3 / 16;

/**
 * Sum of squares of the counts in a piece: 511 on average for noise, standard deviation 23; thousands for text and
 * machine code. Compressed runs of similar data have up to 1000, seldom 1700.
 */
const PIECE_SQUARES_MAX = 1500;

/** Counts bytes. Two implementations: see `reference.ts` and `wasm.ts`. */
export interface ByteCounter {
  clearSample(): void;
  /** Counts one piece; returns the sum of the squares of the counts of this piece alone. */
  countPiece(start: number, length: number): number;
  /** Sum of the squares of the counts of all pieces since the sample was cleared. */
  sampleSquares(): number;
}

/** True when zstd would hardly gain 3 % on the `length` bytes from `start` on; false when they are too few to tell. */
export function isNoise(counter: ByteCounter, start: number, length: number): boolean {
  if (length < LENGTH_MIN) return false;
  const pieces = Math.min(PIECES, Math.floor(length / PIECE_BYTES));
  const step = Math.floor((length - PIECE_BYTES) / (pieces - 1));
  let structured = 0;
  counter.clearSample();
  for (let piece = 0; piece < pieces; piece += 1) {
    if (counter.countPiece(start + piece * step, PIECE_BYTES) > PIECE_SQUARES_MAX) structured += 1;
    if (structured * PIECES > pieces) return false;
  }
  const bytes = pieces * PIECE_BYTES;
  const chiSquare = (counter.sampleSquares() * 256) / bytes - bytes;
  return chiSquare >= CHI_SQUARE_MIN && chiSquare <= CHI_SQUARE_MAX_BASE + bytes * CHI_SQUARE_MAX_PER_BYTE;
}
