/**
 * Seals what the reader opens: docs/format.md sections 3.1, 3.2 and 3.5, written from the document alone.
 *
 * @module
 */
import {
  createCipheriv,
  createPublicKey,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  randomBytes,
} from "node:crypto";
import { le32 as u32, le64 as u64 } from "../decode.ts";
import { combine, hkdf, hmac, suiteOf } from "../keys.ts";

/** `‖` of the document. */
export const concat = (parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
export const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
export const u8 = (...values: readonly number[]): Buffer => Buffer.from(values);
export const u16 = (value: number): Buffer => u32(value).subarray(0, 2);
export const ms = (): Buffer => u64(BigInt(Date.now()));

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
}
export const blob = (bytes: Buffer | string): Buffer =>
  concat([varint(Buffer.byteLength(bytes)), Buffer.from(bytes)]);

export function sealGcm(key: Buffer, nonce: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
  const name = key.length === 16 ? "aes-128-gcm" : key.length === 24 ? "aes-192-gcm" : "aes-256-gcm";
  const cipher = createCipheriv(name, key, nonce, { authTagLength: 16 }).setAAD(aad);
  return concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

export function seal(key: Buffer, context: Buffer, plaintext: Buffer): Buffer {
  const salt = randomBytes(32);
  const derived = hkdf(key, salt, concat([ascii("holdfast/1/box"), u32(context.length), context]), 64);
  const ciphertext = sealGcm(derived.subarray(0, 32), Buffer.alloc(12), context, plaintext);
  return concat([salt, derived.subarray(32), ciphertext]);
}

export function kemSeal(publicKey: Buffer, context: Buffer, plaintext: Buffer): Buffer {
  const [mlKemPublic, x25519Public] = [publicKey.subarray(0, 1184), publicKey.subarray(1184)];
  const ml = encapsulate(
    createPublicKey({ key: mlKemPublic, format: "raw-public", asymmetricKeyType: "ml-kem-768" }),
  );
  const own = generateKeyPairSync("x25519");
  const other = createPublicKey({ key: x25519Public, format: "raw-public", asymmetricKeyType: "x25519" });
  const ciphertext = own.publicKey.export({ format: "raw-public" });
  const agreed = diffieHellman({ privateKey: own.privateKey, publicKey: other });
  const secret = combine(ml.sharedKey, agreed, ciphertext, x25519Public);
  return concat([ml.ciphertext, ciphertext, seal(secret, context, plaintext)]);
}

export function sealFrame(
  suiteNumber: number,
  sessionKey: Buffer,
  repository: Buffer,
  place: { readonly counter: bigint; readonly frame: number; readonly aad: Buffer },
  plaintext: Buffer,
): Buffer {
  const suite = suiteOf(suiteNumber);
  const derived = hkdf(sessionKey, repository, `holdfast/1/frames/${suite.name}`, suite.keyLength + 32);
  const [aesKey, macKey] = [derived.subarray(0, suite.keyLength), derived.subarray(suite.keyLength)];
  const number = concat([u64(place.counter), u32(place.frame)]);
  const start = [u32(place.aad.length), place.aad, number];
  if (suite.name === "none") return concat([plaintext, hmac(macKey, ...start, plaintext).subarray(0, 16)]);
  if (suite.name.endsWith("gcm")) return sealGcm(aesKey, number, place.aad, plaintext);
  const iv = randomBytes(16);
  const cipher = createCipheriv(`aes-${suite.keyLength * 8}-cbc`, aesKey, iv);
  const ciphertext = concat([cipher.update(plaintext), cipher.final()]);
  return concat([iv, ciphertext, hmac(macKey, ...start, iv, ciphertext, u64(BigInt(ciphertext.length)))]);
}
