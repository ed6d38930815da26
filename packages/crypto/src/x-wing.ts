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
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  decapsulate as mlKemDecapsulate,
  encapsulate as mlKemEncapsulate,
} from "node:crypto";
import { AppError } from "@holdfast/kernel";

export const KEM_SEED_BYTES = 32;
export const KEM_PUBLIC_KEY_BYTES = 1216;
export const KEM_CIPHERTEXT_BYTES = 1120;

const ML_KEM_SEED_BYTES = 64;
const ML_KEM_PUBLIC_KEY_BYTES = 1184;
const ML_KEM_CIPHERTEXT_BYTES = 1088;
const X25519_BYTES = 32;
const LABEL = Buffer.from("\\.//^\\", "ascii");

// Keys cross the border of node:crypto as DER with a fixed header (RFC 8410, RFC 9935), which every runtime with
// ML-KEM understands.
const ML_KEM_PRIVATE = Buffer.from("3054020100300b060960864801650304040204428040", "hex");
const ML_KEM_PUBLIC = Buffer.from("308204b2300b0609608648016503040402038204a100", "hex");
const X25519_PRIVATE = Buffer.from("302e020100300506032b656e04220420", "hex");
const X25519_PUBLIC = Buffer.from("302a300506032b656e032100", "hex");

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
  return { seed, publicKey: Buffer.concat([rawPublicKey(mlKem), rawPublicKey(x25519)]) };
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
  const ciphertextX = rawPublicKey(ephemeral.publicKey);
  try {
    const mlKem = mlKemEncapsulate(
      importPublicKey(ML_KEM_PUBLIC, publicKey.subarray(0, ML_KEM_PUBLIC_KEY_BYTES)),
    );
    const secretX = exchange(ephemeral.privateKey, publicX);
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
    const secretX = exchange(x25519, ciphertextX);
    const secretM = mlKemDecapsulate(mlKem, ciphertext.subarray(0, ML_KEM_CIPHERTEXT_BYTES));
    return combine(secretM, secretX, ciphertextX, rawPublicKey(x25519));
  } catch (error) {
    throw ciphertextInvalid(what, error);
  }
}

function expand(seed: Uint8Array): ExpandedKey {
  assert(seed.length === KEM_SEED_BYTES);
  const outputLength = ML_KEM_SEED_BYTES + X25519_BYTES;
  const expanded = createHash("shake256", { outputLength }).update(seed).digest();
  const key: ExpandedKey = {
    mlKem: importPrivateKey(ML_KEM_PRIVATE, expanded.subarray(0, ML_KEM_SEED_BYTES)),
    x25519: importPrivateKey(X25519_PRIVATE, expanded.subarray(ML_KEM_SEED_BYTES)),
  };
  expanded.fill(0);
  return key;
}

function importPrivateKey(header: Uint8Array, raw: Uint8Array): KeyObject {
  const der = Buffer.concat([header, raw]);
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  } finally {
    der.fill(0);
  }
}

function importPublicKey(header: Uint8Array, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([header, raw]), format: "der", type: "spki" });
}

function rawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const header = publicKey.asymmetricKeyType === "x25519" ? X25519_PUBLIC : ML_KEM_PUBLIC;
  return publicKey.export({ format: "der", type: "spki" }).subarray(header.length);
}

/** X25519; throws when the result is zero, which means a point of small order (RFC 7748 section 6.1). */
function exchange(privateKey: KeyObject, publicKey: Uint8Array): Buffer {
  const secret = diffieHellman({ privateKey, publicKey: importPublicKey(X25519_PUBLIC, publicKey) });
  // OpenSSL refuses such a point itself; other libraries behind node:crypto may not.
  if (secret.every((byte) => byte === 0)) throw new Error("the X25519 result is zero");
  return secret;
}

function combine(secretM: Buffer, secretX: Buffer, ciphertextX: Uint8Array, publicX: Uint8Array): Buffer {
  const hash = createHash("sha3-256");
  for (const part of [secretM, secretX, ciphertextX, publicX, LABEL]) hash.update(part);
  secretM.fill(0);
  secretX.fill(0);
  return hash.digest();
}

function publicKeyInvalid(cause?: unknown): AppError {
  return new AppError("ERR_KEY_FORMAT", "The public key is not an X-Wing public key.", { cause });
}

function ciphertextInvalid(what: string, cause?: unknown): AppError {
  return new AppError("ERR_DAMAGED", `${what} is damaged: it is not an X-Wing ciphertext.`, {
    subject: what,
    remedy: "Run `holdfast verify` to learn what is touched.",
    cause,
  });
}
