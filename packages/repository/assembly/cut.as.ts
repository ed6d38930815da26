/**
 * The search for cuts. A gear hash of 32 bits depends on the previous 32 bytes only, so four chains can run over
 * four segments side by side, one in each lane of a vector: the processor need not wait for one chain of dependent
 * additions. A block in which some lane met a cut is searched again by one chain for the first one.
 */
import { TABLE_OFFSET } from "./memory.as";

const WINDOW_BYTES: usize = 32;
const SEGMENT_BYTES: usize = 4096;
const BLOCK_BYTES: usize = 4 * SEGMENT_BYTES;

// @ts-ignore: decorator
@inline
function gearAddress(byte: u32): usize {
  return <usize>(byte << 2);
}

// @ts-ignore: decorator
@inline
function roll(hash: u32, address: usize): u32 {
  return (hash << 1) + load<u32>(gearAddress(load<u8>(address)), TABLE_OFFSET);
}

/** Hash of the 32 bytes before `address`. */
function hashBefore(address: usize): u32 {
  let hash: u32 = 0;
  for (let at = address - WINDOW_BYTES; at < address; at++) hash = roll(hash, at);
  return hash;
}

function scanSerially(from: usize, to: usize, limit: u32): usize {
  let hash = hashBefore(from - 1);
  for (let cut = from; cut < to; cut++) {
    hash = roll(hash, cut - 1);
    if (hash < limit) return cut;
  }
  return to;
}

/** One byte in each segment; `at` is the byte of the first one. */
// @ts-ignore: decorator
@inline
function rollSegments(hashes: v128, at: usize): v128 {
  let gears = v128.load_zero<u32>(gearAddress(load<u8>(at)), TABLE_OFFSET);
  gears = v128.load_lane<u32>(gearAddress(load<u8>(at, SEGMENT_BYTES)), gears, 1, TABLE_OFFSET);
  gears = v128.load_lane<u32>(gearAddress(load<u8>(at, 2 * SEGMENT_BYTES)), gears, 2, TABLE_OFFSET);
  gears = v128.load_lane<u32>(gearAddress(load<u8>(at, 3 * SEGMENT_BYTES)), gears, 3, TABLE_OFFSET);
  return i32x4.add(i32x4.add(hashes, hashes), gears);
}

/** Least hash of each of the four segments that follow `first`. */
// @ts-ignore: decorator
@inline
function leastHashes(first: usize): v128 {
  let hashes = i32x4.splat(hashBefore(first));
  hashes = i32x4.replace_lane(hashes, 1, hashBefore(first + SEGMENT_BYTES));
  hashes = i32x4.replace_lane(hashes, 2, hashBefore(first + 2 * SEGMENT_BYTES));
  hashes = i32x4.replace_lane(hashes, 3, hashBefore(first + 3 * SEGMENT_BYTES));
  let least = i32x4.splat(-1);
  const end = first + SEGMENT_BYTES;
  for (let at = first; at < end; at += 2) {
    hashes = rollSegments(hashes, at);
    least = i32x4.min_u(least, hashes);
    hashes = rollSegments(hashes, at + 1);
    least = i32x4.min_u(least, hashes);
  }
  return least;
}

/** First address in [from, to) whose previous 32 bytes hash below `limit`, or `to`. 32 bytes before `from` are read. */
export function scan(from: usize, to: usize, limit: u32): usize {
  const limits = i32x4.splat(limit);
  let cut = from;
  while (cut + BLOCK_BYTES <= to) {
    if (v128.any_true(i32x4.lt_u(leastHashes(cut - 1), limits))) {
      return scanSerially(cut, cut + BLOCK_BYTES, limit);
    }
    cut += BLOCK_BYTES;
  }
  return scanSerially(cut, to, limit);
}
