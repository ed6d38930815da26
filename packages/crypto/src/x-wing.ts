/**
 * X-Wing, the hybrid KEM of X25519 and ML-KEM-768 (draft-connolly-cfrg-xwing-kem, the version with SHAKE256 and the
 * label at the end). It holds as long as one of the two does.
 *
 * A private key is a seed of 32 bytes; SHAKE256 expands it to the ML-KEM seed `d`, `z` (64) and the X25519 scalar
 * (32). A public key is the ML-KEM key (1184), then the X25519 key (32); a ciphertext is the ML-KEM ciphertext (1088),
 * then the ephemeral X25519 key (32).
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  createHash,
  generateKeyPairSync,
  hash,
  type KeyObject,
  decapsulate as mlKemDecapsulate,
  encapsulate as mlKemEncapsulate,
} from "node:crypto";
import { AppError, damaged } from "@holdfast/kernel";
import { exchangeX25519, importPrivateKey, importPublicKey, rawPublicKey } from "./raw-keys.ts";

export const KEM_SEED_BYTES = 32;
export const KEM_PUBLIC_KEY_BYTES = 1216;
export const KEM_CIPHERTEXT_BYTES = 1120;

const ML_KEM_SEED_BYTES = 64;
const ML_KEM_PUBLIC_KEY_BYTES = 1184;
const ML_KEM_CIPHERTEXT_BYTES = 1088;
const X25519_BYTES = 32;
const LABEL = Buffer.from("\\.//^\\", "ascii");

export interface KemKeyPair {
  /** The seed that was given, not a copy. */
  readonly seed: Uint8Array;
  readonly publicKey: Buffer;
}

export interface Encapsulation {
  /** 32 bytes; the caller wipes them. */
  readonly sharedSecret: Buffer;
  readonly ciphertext: Buffer;
}

interface ExpandedKey {
  readonly mlKem: KeyObject;
  readonly x25519: KeyObject;
}

/** The key pair of a seed of 32 random bytes. */
export function keyPairFromSeed(seed: Uint8Array): KemKeyPair {
  const { mlKem, x25519 } = expand(seed);
  return {
    seed,
    publicKey: Buffer.concat([rawPublicKey("ml-kem-768", mlKem), rawPublicKey("x25519", x25519)]),
  };
}

/**
 * Draws a shared secret for the holder of the private key.
 *
 * @throws AppError `ERR_KEY_FORMAT` when the public key is not a valid one.
 */
export function encapsulate(publicKey: Uint8Array): Encapsulation {
  if (publicKey.length !== KEM_PUBLIC_KEY_BYTES) throw publicKeyInvalid();
  const publicX = publicKey.subarray(ML_KEM_PUBLIC_KEY_BYTES);
  const ephemeral = generateKeyPairSync("x25519");
  const ciphertextX = rawPublicKey("x25519", ephemeral.publicKey);
  try {
    const mlKem = mlKemEncapsulate(
      importPublicKey("ml-kem-768", publicKey.subarray(0, ML_KEM_PUBLIC_KEY_BYTES)),
    );
    const secretX = exchangeX25519(ephemeral.privateKey, publicX);
    const sharedSecret = combine(mlKem.sharedKey, secretX, ciphertextX, publicX);
    return { sharedSecret, ciphertext: Buffer.concat([mlKem.ciphertext, ciphertextX]) };
  } catch (error) {
    throw publicKeyInvalid(error);
  }
}

/**
 * The shared secret of a ciphertext. A ciphertext that was changed or made for another key gives another secret, not
 * an error (implicit rejection, FIPS 203 section 6.3).
 *
 * @param seed the private key, 32 bytes.
 * @param what names the ciphertext in the error.
 * @throws AppError `ERR_DAMAGED` when the ciphertext has a wrong length or its X25519 half is a point of small order.
 */
export function decapsulate(seed: Uint8Array, ciphertext: Uint8Array, what = "The encapsulated key"): Buffer {
  if (ciphertext.length !== KEM_CIPHERTEXT_BYTES) throw ciphertextInvalid(what);
  const ciphertextX = ciphertext.subarray(ML_KEM_CIPHERTEXT_BYTES);
  const { mlKem, x25519 } = expand(seed);
  try {
    const secretX = exchangeX25519(x25519, ciphertextX);
    const secretM = mlKemDecapsulate(mlKem, ciphertext.subarray(0, ML_KEM_CIPHERTEXT_BYTES));
    return combine(secretM, secretX, ciphertextX, rawPublicKey("x25519", x25519));
  } catch (error) {
    throw ciphertextInvalid(what, error);
  }
}

function expand(seed: Uint8Array): ExpandedKey {
  assert(seed.length === KEM_SEED_BYTES);
  const outputLength = ML_KEM_SEED_BYTES + X25519_BYTES;
  // In one call: a Hash object would keep the seed in its buffer until it is collected.
  const expanded = hash("shake256", seed, { outputEncoding: "buffer", outputLength });
  const key: ExpandedKey = {
    mlKem: importPrivateKey("ml-kem-768", expanded.subarray(0, ML_KEM_SEED_BYTES)),
    x25519: importPrivateKey("x25519", expanded.subarray(ML_KEM_SEED_BYTES)),
  };
  expanded.fill(0);
  return key;
}

function combine(secretM: Buffer, secretX: Buffer, ciphertextX: Uint8Array, publicX: Uint8Array): Buffer {
  const sharedHash = createHash("sha3-256");
  for (const part of [secretM, secretX, ciphertextX, publicX, LABEL]) sharedHash.update(part);
  secretM.fill(0);
  secretX.fill(0);
  return sharedHash.digest();
}

function publicKeyInvalid(cause?: unknown): AppError {
  return new AppError("ERR_KEY_FORMAT", "The public key is not an X-Wing public key.", { cause });
}

function ciphertextInvalid(what: string, cause?: unknown): AppError {
  return damaged(what, "it is not an X-Wing ciphertext", { cause });
}
