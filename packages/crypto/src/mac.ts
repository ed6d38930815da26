/**
 * Hashes and message authentication: SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104, RFC 4231).
 *
 * @module
 */
import { createHmac, createSecretKey, hash, type KeyObject } from "node:crypto";

/** Length of a SHA-256 or HMAC-SHA-256 value in bytes. */
export const HASH_BYTES = 32;

export function sha256(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}

/** HMAC-SHA-256 of the parts, one behind the other. */
export function hmacSha256(key: Uint8Array | KeyObject, ...parts: readonly Uint8Array[]): Buffer {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/**
 * Computes the ids of chunks: HMAC-SHA-256 of the plaintext. With `out` the 32 bytes are also written there, at
 * `offset`.
 */
export type ChunkIdHasher = (bytes: Uint8Array, out?: Uint8Array, offset?: number) => Buffer;

/** @param idKey the repository's id key, 32 bytes; a copy is kept. */
export function chunkIdHasher(idKey: Uint8Array): ChunkIdHasher {
  // A KeyObject: with a Buffer some runtimes make a new key for every HMAC, at several times the cost.
  const key = createSecretKey(idKey);
  return (bytes, out, offset = 0) => {
    const id = createHmac("sha256", key).update(bytes).digest();
    out?.set(id, offset);
    return id;
  };
}
