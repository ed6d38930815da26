/**
 * X-Wing, the hybrid of ML-KEM-768 and X25519 (draft-connolly-cfrg-xwing-kem, from version 06 on): docs/format.md
 * section 3.2. The private key is a seed of 32 bytes; SHAKE256 grows it to the 64 bytes of ML-KEM's own seed and the
 * 32 bytes of the X25519 key (draft, section 5.2).
 *
 * @module
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  type KeyObject,
} from "node:crypto";
import { FormatError } from "./object.ts";

export const CIPHERTEXT_LENGTH = 1120;
const ML_KEM_CIPHERTEXT_LENGTH = 1088;
/** `\.//^\` in ASCII (draft, section 5.3). */
const LABEL = Buffer.from("5c2e2f2f5e5c", "hex");

export interface PrivateKey {
  readonly mlKem: KeyObject;
  readonly x25519: KeyObject;
  readonly x25519Public: Buffer;
  /** ML-KEM's 1184 bytes, then X25519's 32. */
  readonly publicKey: Buffer;
}

export function expandSeed(seed: Buffer): PrivateKey {
  const expanded = createHash("shake256", { outputLength: 96 }).update(seed).digest();
  const mlKem = createPrivateKey({
    key: expanded.subarray(0, 64),
    format: "raw-seed",
    asymmetricKeyType: "ml-kem-768",
  });
  const x25519 = createPrivateKey({
    key: expanded.subarray(64),
    format: "raw-private",
    asymmetricKeyType: "x25519",
  });
  const x25519Public = createPublicKey(x25519).export({ format: "raw-public" });
  const mlKemPublic = createPublicKey(mlKem).export({ format: "raw-public" });
  return { mlKem, x25519, x25519Public, publicKey: Buffer.concat([mlKemPublic, x25519Public]) };
}

/** The combiner (draft, section 5.3). */
export function combine(mlKem: Buffer, x25519: Buffer, ciphertext: Buffer, publicKey: Buffer): Buffer {
  return createHash("sha3-256")
    .update(mlKem)
    .update(x25519)
    .update(ciphertext)
    .update(publicKey)
    .update(LABEL)
    .digest();
}

export function decapsulateXWing(key: PrivateKey, ciphertext: Buffer): Buffer {
  if (ciphertext.length !== CIPHERTEXT_LENGTH) throw new FormatError("X-Wing ciphertext", "wrong length");
  const toX25519 = ciphertext.subarray(ML_KEM_CIPHERTEXT_LENGTH);
  const publicKey = createPublicKey({ key: toX25519, format: "raw-public", asymmetricKeyType: "x25519" });
  const fromX25519 = diffieHellman({ privateKey: key.x25519, publicKey });
  const fromMlKem = decapsulate(key.mlKem, ciphertext.subarray(0, ML_KEM_CIPHERTEXT_LENGTH));
  return combine(fromMlKem, fromX25519, toX25519, key.x25519Public);
}
