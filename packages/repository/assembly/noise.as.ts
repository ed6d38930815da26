/** Byte statistics of a sample; `src/chunking/noise.ts` takes the decision. */
import { COUNTS_BYTES, PIECE_COUNTS_OFFSET, SAMPLE_COUNTS_OFFSET } from "./memory.as";

/** Adds one to a counter and returns by how much the sum of the squares of the counters grew. */
// @ts-ignore: decorator
@inline
function count(byte: u32, countsOffset: usize): u32 {
  const address = <usize>(byte << 2) + countsOffset;
  const before = load<u32>(address);
  store<u32>(address, before + 1);
  return 2 * before + 1;
}

export function clearSample(): void {
  memory.fill(SAMPLE_COUNTS_OFFSET, 0, COUNTS_BYTES);
}

/** Sum of the squares of the byte counts of one piece, which is added to the sample as well. */
export function countPiece(from: usize, length: usize): u32 {
  memory.fill(PIECE_COUNTS_OFFSET, 0, COUNTS_BYTES);
  let squares: u32 = 0;
  for (let at = from; at < from + length; at++) {
    const byte: u32 = load<u8>(at);
    count(byte, SAMPLE_COUNTS_OFFSET);
    squares += count(byte, PIECE_COUNTS_OFFSET);
  }
  return squares;
}

/** Sum of the squares of the byte counts of all pieces since the sample was cleared. */
export function sampleSquares(): u32 {
  let squares: u32 = 0;
  for (let at = SAMPLE_COUNTS_OFFSET; at < SAMPLE_COUNTS_OFFSET + COUNTS_BYTES; at += 4) {
    const times = load<u32>(at);
    squares += times * times;
  }
  return squares;
}
