/**
 * Public keys of authenticators (COSE, RFC 9053) and what they sign: ES256, EdDSA with Ed25519, RS256, which together all
 * common authenticators have.
 *
 * @module
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { AppError } from "@holdfast/kernel";
import { type Cbor, decodeCbor } from "./cbor.ts";

/** In order of preference, as WebAuthn wants them offered. */
export const COSE_ALGORITHMS = [-8, -7, -257] as const;

const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;

interface CoseKey {
  readonly key: KeyObject;
  readonly hash: "sha256" | null;
}

/** @returns how many bytes the key has, which others may follow. @throws AppError `ERR_INPUT`. */
export function coseKeyLength(bytes: Uint8Array): number {
  const { length } = decodeCbor(bytes);
  importKey(bytes.subarray(0, length));
  return length;
}

/** False also for a signature that is malformed. @throws AppError `ERR_INPUT` for a key that is none of ours. */
export function verifyCoseSignature(
  coseKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { key, hash } = importKey(coseKey);
  try {
    return verify(hash, message, key, signature);
  } catch {
    return false;
  }
}

function importKey(bytes: Uint8Array): CoseKey {
  const { value, length } = decodeCbor(bytes);
  if (!(value instanceof Map) || length !== bytes.length) throw unsupported();
  const parts: ReadonlyMap<number | string, Cbor> = value;
  // RFC 9052, section 7.1: 1 is the type of the key, 3 the algorithm; the others depend on the type.
  const algorithm = parts.get(3);
  if (algorithm === -7) {
    expect(parts, { 1: 2, [-1]: 1 });
    return imported({ kty: "EC", crv: "P-256", x: part(parts, -2, 32), y: part(parts, -3, 32) }, "sha256");
  }
  if (algorithm === -8) {
    expect(parts, { 1: 1, [-1]: 6 });
    return imported({ kty: "OKP", crv: "Ed25519", x: part(parts, -2, 32) }, null);
  }
  if (algorithm !== -257) throw unsupported();
  expect(parts, { 1: 3 });
  return checkedRsa(imported({ kty: "RSA", n: part(parts, -1), e: part(parts, -2) }, "sha256"));
}

function expect(parts: ReadonlyMap<number | string, Cbor>, wanted: Readonly<Record<number, number>>): void {
  for (const [label, value] of Object.entries(wanted)) {
    if (parts.get(Number(label)) !== value) throw unsupported();
  }
}

function part(parts: ReadonlyMap<number | string, Cbor>, label: number, length?: number): string {
  const value = parts.get(label);
  if (!Buffer.isBuffer(value) || (length !== undefined && value.length !== length)) throw unsupported();
  return value.toString("base64url");
}

function imported(jwk: Readonly<Record<string, string>>, hash: "sha256" | null): CoseKey {
  try {
    return { key: createPublicKey({ key: { ...jwk }, format: "jwk" }), hash };
  } catch {
    // Such as a point that is not on the curve.
    throw unsupported();
  }
}

function checkedRsa(rsa: CoseKey): CoseKey {
  const bits = rsa.key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) throw unsupported();
  return rsa;
}

function unsupported(): AppError {
  return new AppError("ERR_INPUT", "The key of the authenticator is of no kind that is known here.", {
    remedy: "Use another authenticator.",
  });
}
