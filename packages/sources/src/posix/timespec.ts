const NS_PER_SECOND = 1_000_000_000n;
const scratch = new BigInt64Array(4);

/**
 * Two `struct timespec` (access, modification) with the same time, as utimensat(2) takes them; nanoseconds are not
 * negative, also before 1970. Valid until the next call.
 */
export function encodeTimes(timeNs: bigint): BigInt64Array {
  let seconds = timeNs / NS_PER_SECOND;
  let rest = timeNs % NS_PER_SECOND;
  if (rest < 0n) {
    seconds -= 1n;
    rest += NS_PER_SECOND;
  }
  scratch[0] = seconds;
  scratch[1] = rest;
  scratch[2] = seconds;
  scratch[3] = rest;
  return scratch;
}

/** Seconds as Node's own calls take them: exact to the microsecond in this century. */
export function toSeconds(timeNs: bigint): number {
  return Number(timeNs / 1000n) / 1e6;
}
