/**
 * The key pair of a device, and the request for a certificate over it (PKCS #10, RFC 2986), in DER (X.690). It names no
 * subject: the service takes nothing from what an agent says of itself.
 *
 * @module
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  type X509Certificate,
} from "node:crypto";

const INTEGER_ZERO = Buffer.from([0x02, 0x01, 0x00]);
const EMPTY_NAME = Buffer.from([0x30, 0x00]);
/** `[0] IMPLICIT SET OF Attribute`, empty. */
const NO_ATTRIBUTES = Buffer.from([0xa0, 0x00]);
/** 1.2.840.10045.4.3.2, without parameters (RFC 5758, section 3.2). */
const ECDSA_WITH_SHA_256 = Buffer.from("300a06082a8648ce3d040302", "hex");
const SEQUENCE = 0x30;
const BIT_STRING = 0x03;
const NO_UNUSED_BITS = Buffer.from([0]);

/** ECDSA on P-256. @returns PEM (PKCS #8), for the state folder only. */
export function newDeviceKey(): string {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return privateKey;
}

/** @param key PEM. @returns DER. */
export function certificateRequest(key: string): Buffer {
  const privateKey = createPrivateKey(key);
  const publicKey = subjectPublicKeyInfo(createPublicKey(key));
  const info = der(SEQUENCE, INTEGER_ZERO, EMPTY_NAME, publicKey, NO_ATTRIBUTES);
  const signature = sign("sha256", info, privateKey);
  return der(SEQUENCE, info, ECDSA_WITH_SHA_256, der(BIT_STRING, NO_UNUSED_BITS, signature));
}

export function subjectPublicKeyInfo(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

/** @param privateKey PEM. */
export function matchesKey(certificate: X509Certificate, privateKey: string): boolean {
  return subjectPublicKeyInfo(certificate.publicKey).equals(
    subjectPublicKeyInfo(createPublicKey(privateKey)),
  );
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), derLength(content.length), content]);
}

/** X.690, section 8.1.3. */
function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  return length < 0x100 ? Buffer.from([0x81, length]) : Buffer.from([0x82, length >> 8, length & 0xff]);
}
