/** Searches for zero bytes and for the first other one. */

const STEP_BYTES: usize = 64;

/** First address in [from, to) that holds another byte than zero, or `to`. */
export function firstNonZero(from: usize, to: usize): usize {
  let at = from;
  while (at + STEP_BYTES <= to) {
    const low = v128.or(v128.load(at), v128.load(at, 16));
    const high = v128.or(v128.load(at, 32), v128.load(at, 48));
    if (v128.any_true(v128.or(low, high))) break;
    at += STEP_BYTES;
  }
  while (at < to && load<u8>(at) == 0) at++;
  return at;
}

/** First address from + k * blockBytes of a whole block in [from, to) that is all zero, or `to`. */
export function nextZeroBlock(from: usize, to: usize, blockBytes: usize): usize {
  for (let at = from; at + blockBytes <= to; at += blockBytes) {
    if (firstNonZero(at, at + blockBytes) == at + blockBytes) return at;
  }
  return to;
}
