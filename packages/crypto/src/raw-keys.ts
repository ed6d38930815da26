/**
 * X25519 (RFC 7748), Ed25519 (RFC 8032) and ML-KEM-768 (FIPS 203) keys from and to their raw bytes.
 *
 * They cross the border of node:crypto as DER with a fixed header (RFC 8410, RFC 9935), which every runtime that has
 * ML-KEM understands.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";

type Algorithm = "ml-kem-768" | "x25519" | "ed25519";

interface Encoding {
  readonly privateHeader: Uint8Array;
  readonly privateBytes: number;
  readonly publicHeader: Uint8Array;
  readonly publicBytes: number;
}

const ENCODINGS: Readonly<Record<Algorithm, Encoding>> = {
  "ml-kem-768": {
    privateHeader: Buffer.from("3054020100300b060960864801650304040204428040", "hex"),
    privateBytes: 64,
    publicHeader: Buffer.from("308204b2300b0609608648016503040402038204a100", "hex"),
    publicBytes: 1184,
  },
  x25519: {
    privateHeader: Buffer.from("302e020100300506032b656e04220420", "hex"),
    privateBytes: 32,
    publicHeader: Buffer.from("302a300506032b656e032100", "hex"),
    publicBytes: 32,
  },
  ed25519: {
    privateHeader: Buffer.from("302e020100300506032b657004220420", "hex"),
    privateBytes: 32,
    publicHeader: Buffer.from("302a300506032b6570032100", "hex"),
    publicBytes: 32,
  },
};

/** @param raw the seed `d`, `z` (64 bytes) of ML-KEM, the scalar (32 bytes) of X25519, the seed (32 bytes) of Ed25519. */
export function importPrivateKey(algorithm: Algorithm, raw: Uint8Array): KeyObject {
  const { privateHeader, privateBytes } = ENCODINGS[algorithm];
  // The DER decoder ignores bytes behind the key.
  assert(raw.length === privateBytes);
  const der = Buffer.concat([privateHeader, raw]);
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  } finally {
    der.fill(0);
  }
}

/** Throws when the bytes are not a public key, for ML-KEM also when a coefficient is out of range. */
export function importPublicKey(algorithm: Algorithm, raw: Uint8Array): KeyObject {
  const { publicHeader, publicBytes } = ENCODINGS[algorithm];
  assert(raw.length === publicBytes);
  const key = Buffer.concat([publicHeader, raw]);
  return createPublicKey({ key, format: "der", type: "spki" });
}

/** The raw public key of a private or public key. */
export function rawPublicKey(algorithm: Algorithm, key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ format: "der", type: "spki" }).subarray(ENCODINGS[algorithm].publicHeader.length);
}

/** X25519; throws when the result is zero, which means a point of small order (RFC 7748 section 6.1). */
export function exchangeX25519(privateKey: KeyObject, publicKey: Uint8Array): Buffer {
  const secret = diffieHellman({ privateKey, publicKey: importPublicKey("x25519", publicKey) });
  // OpenSSL refuses such a point itself; other libraries behind node:crypto may not.
  if (secret.every((byte) => byte === 0)) throw new Error("the X25519 result is zero");
  return secret;
}
