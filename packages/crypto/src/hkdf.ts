/**
 * HKDF-SHA-256 (RFC 5869).
 *
 * Written on HMAC because `hkdfSync` refuses more than 1024 bytes of info.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HASH_BYTES, hmacSha256 } from "./mac.ts";
import { secretBuffer } from "./secret.ts";

/** Section 2.3: the block number is one byte. */
const OUTPUT_BYTES_MAX = 255 * HASH_BYTES;

/** Section 2.2. An empty salt stands for 32 zero bytes. */
export function hkdfExtract(salt: Uint8Array, ikm: Uint8Array): Buffer {
  return hmacSha256(salt, ikm);
}

/** Section 2.3. */
export function hkdfExpand(prk: Uint8Array, info: Uint8Array, length: number): Buffer {
  assert(Number.isInteger(length) && length > 0 && length <= OUTPUT_BYTES_MAX);
  const output = secretBuffer(Math.ceil(length / HASH_BYTES) * HASH_BYTES);
  let previous: Uint8Array = new Uint8Array(0);
  for (let at = 0; at < length; at += HASH_BYTES) {
    const block = hmacSha256(prk, previous, info, Uint8Array.of(at / HASH_BYTES + 1));
    output.set(block, at);
    previous.fill(0);
    previous = block;
  }
  // A block is a part of the key.
  previous.fill(0);
  return output.subarray(0, length);
}

/**
 * Extract, then expand.
 *
 * @param ikm the secret.
 * @param info what the result is for; two uses never share one.
 * @param length bytes wanted, at most 8160.
 */
export function deriveKey(
  ikm: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array | string,
  length: number,
): Buffer {
  const prk = hkdfExtract(salt, ikm);
  const output = hkdfExpand(prk, typeof info === "string" ? Buffer.from(info, "utf8") : info, length);
  prk.fill(0);
  return output;
}
