/**
 * Names as C wants them: bytes with a NUL at the end.
 *
 * @module
 */
import assert from "node:assert/strict";

/** Longer than any single name and nearly any path; what is longer gets a buffer of its own. */
const SCRATCH_LENGTH = 4096;

/**
 * A function that terminates a name in a buffer of its own: the result is valid until the next call of the same
 * function. A call with two names needs two of them.
 */
export function createNameTerminator(): (name: Uint8Array) => Uint8Array {
  const scratch = Buffer.alloc(SCRATCH_LENGTH);
  return (name) => {
    // A NUL inside would cut the name short and name another entry than the one that was checked.
    assert(!name.includes(0), "a name contains NUL");
    const bytes = name.length < SCRATCH_LENGTH ? scratch : Buffer.alloc(name.length + 1);
    bytes.set(name);
    bytes[name.length] = 0;
    return bytes;
  };
}
