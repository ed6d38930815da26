/**
 * The scanner in plain TypeScript: the specification of `assembly/*.as.ts`, and what runs when those are not built.
 *
 * @module
 */
import type { ByteCounter } from "./noise.ts";
import { chunkLength } from "./rule.ts";

const WINDOW_BYTES = 32;

/** The `Scan` of `rule.ts` over `bytes`; `table` holds 256 unsigned 32-bit gear values. */
export function scan(table: Uint32Array, bytes: Uint8Array, from: number, to: number, limit: number): number {
  let hash = 0;
  for (let at = from - WINDOW_BYTES; at < from; at += 1) hash = roll(table, hash, bytes[at]);
  for (let cut = from; cut < to; cut += 1) {
    if (hash < limit) return cut;
    hash = roll(table, hash, bytes[cut]);
  }
  return to;
}

function roll(table: Uint32Array, hash: number, byte = 0): number {
  return ((hash << 1) + (table[byte] ?? 0)) >>> 0;
}

/**
 * Bytes in the chunk that begins at `start`. Data behind `end` is not looked at, so `end` is the end of the data or
 * lies at least `CHUNK_MAX` behind `start`.
 */
export function nextCut(table: Uint32Array, bytes: Uint8Array, start: number, end: number): number {
  return chunkLength((from, to, limit) => scan(table, bytes, from, to, limit), start, end);
}

/** The first offset in `[start, end)` of a byte other than zero, or `end`. */
export function firstNonZero(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 0) at += 1;
  return at;
}

/** The first offset `start + k * blockBytes` of a whole block in `[start, end)` that is all zero, or `end`. */
export function nextZeroBlock(bytes: Uint8Array, start: number, end: number, blockBytes: number): number {
  for (let at = start; at + blockBytes <= end; at += blockBytes) {
    if (firstNonZero(bytes, at, at + blockBytes) === at + blockBytes) return at;
  }
  return end;
}

function sumOfSquares(counts: Uint32Array): number {
  return counts.reduce((sum, count) => sum + count * count, 0);
}

export function byteCounter(bytes: Uint8Array): ByteCounter {
  const sample = new Uint32Array(256);
  return {
    clearSample: () => void sample.fill(0),
    countPiece: (start, length) => {
      const piece = new Uint32Array(256);
      for (const byte of bytes.subarray(start, start + length)) {
        piece[byte] = (piece[byte] ?? 0) + 1;
        sample[byte] = (sample[byte] ?? 0) + 1;
      }
      return sumOfSquares(piece);
    },
    sampleSquares: () => sumOfSquares(sample),
  };
}
