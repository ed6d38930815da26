/**
 * Signatures: Ed25519 (RFC 8032, section 5.1), without prehashing and without a context. What is signed must therefore
 * say itself what it is.
 *
 * @module
 */
import assert from "node:assert/strict";
import { sign, verify } from "node:crypto";
import { importPrivateKey, importPublicKey, rawPublicKey } from "./raw-keys.ts";

export const SIGNING_SEED_BYTES = 32;
export const SIGNING_PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** Holds the private key; it cannot be read back from it. */
export interface SigningKey {
  readonly publicKey: Buffer;
  readonly sign: (message: Uint8Array) => Buffer;
}

/** @param seed 32 random bytes: the private key of RFC 8032. It stays the caller's to wipe. */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  assert(seed.length === SIGNING_SEED_BYTES);
  const key = importPrivateKey("ed25519", seed);
  return {
    publicKey: rawPublicKey("ed25519", key),
    sign: (message) => sign(null, message, key),
  };
}

/** False also for a public key or signature that is malformed. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== SIGNING_PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  try {
    return verify(null, message, importPublicKey("ed25519", publicKey), signature);
  } catch {
    return false;
  }
}
