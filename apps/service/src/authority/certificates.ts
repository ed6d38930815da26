/**
 * The certificates that the authority issues (RFC 5280): ECDSA with P-256 and SHA-256, serial numbers with 128 random bits.
 *
 * @module
 */
// oxlint-disable-next-line import/no-unassigned-import -- it only has to be there before the next one
import "reflect-metadata";
import { createPublicKey } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { AppError, type Clock, type Randomness } from "@holdfast/kernel";

const DAY_MS = 24 * 3600 * 1000;
export const CLIENT_CERTIFICATE_MS = 90 * DAY_MS;
const SERVER_CERTIFICATE_MS = 90 * DAY_MS;
/** Certificates of servers are renewed when a third of their time is left. */
export const RENEW_BEFORE_MS = SERVER_CERTIFICATE_MS / 3;
const AUTHORITY_CERTIFICATE_MS = 30 * 365 * DAY_MS;
/** Clocks of devices may be behind. */
const BACKDATED_MS = 3600 * 1000;
const REQUEST_BYTES_MAX = 8192;

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING_ALGORITHM = { name: "ECDSA", hash: "SHA-256" } as const;
const AUTHORITY_NAME = [{ CN: ["Holdfast authority"] }];

/** Extended key usages (RFC 5280, section 4.2.1.12). */
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

export interface Times {
  readonly clock: Pick<Clock, "now">;
  readonly randomness: Randomness;
}

export interface ServerNames {
  readonly dns: readonly string[];
  readonly addresses: readonly string[];
}

/** Who signs. */
export interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly key: CryptoKey;
}

export interface IssuedCertificate {
  readonly pem: string;
  /** Hex, small letters. */
  readonly serial: string;
  readonly expiresAt: number;
}

/** A new authority. @returns the key as PKCS #8, which the caller wipes, and its certificate as DER. */
export async function createAuthorityCertificate(
  times: Times,
): Promise<{ readonly privateKey: Buffer; readonly certificate: Buffer }> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const now = times.clock.now();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(times.randomness),
    subject: AUTHORITY_NAME,
    issuer: AUTHORITY_NAME,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(now + AUTHORITY_CERTIFICATE_MS),
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    privateKey: Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)),
    certificate: Buffer.from(certificate.rawData),
  };
}

export async function openIssuer(privateKey: Uint8Array, certificate: Uint8Array): Promise<Issuer> {
  const key = await crypto.subtle.importKey("pkcs8", ownBytes(privateKey), KEY_ALGORITHM, false, ["sign"]);
  return { certificate: new x509.X509Certificate(ownBytes(certificate)), key };
}

/** A certificate for a server with these DNS names and addresses, and a new key that is kept nowhere else. */
export async function issueServerCertificate(
  issuer: Issuer,
  names: ServerNames,
  times: Times,
): Promise<IssuedCertificate & { readonly key: string }> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const issued = await issue(issuer, times, {
    publicKey: keys.publicKey,
    commonName: names.dns[0] ?? names.addresses[0] ?? "Holdfast",
    usage: SERVER_AUTH,
    validMs: SERVER_CERTIFICATE_MS,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        ...names.dns.map((value) => ({ type: "dns" as const, value })),
        ...names.addresses.map((value) => ({ type: "ip" as const, value })),
      ]),
    ],
  });
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { ...issued, key: x509.PemConverter.encode(key, "PRIVATE KEY") };
}

/**
 * A client certificate for the key of a request; everything else in the request is ignored.
 *
 * @param request PKCS #10, DER, from anybody.
 * @param refusedKey SubjectPublicKeyInfo that must not be used again.
 * @throws AppError `ERR_DEVICE_CERTIFICATE` when it does not decode, is not for P-256, or not signed by its own key.
 */
export async function issueClientCertificate(
  issuer: Issuer,
  request: Uint8Array,
  commonName: string,
  times: Times,
  refusedKey?: Uint8Array,
): Promise<IssuedCertificate> {
  const publicKey = await readRequestKey(request);
  if (refusedKey !== undefined && Buffer.from(publicKey.rawData).equals(refusedKey)) {
    return refuseRequest("its key is the one in use; a new certificate needs a new key");
  }
  return issue(issuer, times, {
    publicKey,
    commonName,
    usage: CLIENT_AUTH,
    validMs: CLIENT_CERTIFICATE_MS,
    extensions: [],
  });
}

interface Wanted {
  readonly publicKey: CryptoKey | x509.PublicKey;
  readonly commonName: string;
  readonly usage: string;
  readonly validMs: number;
  readonly extensions: readonly x509.Extension[];
}

async function issue(issuer: Issuer, times: Times, wanted: Wanted): Promise<IssuedCertificate> {
  const now = times.clock.now();
  const serial = randomSerial(times.randomness);
  // Certificates count in seconds.
  const expiresAt = Math.floor((now + wanted.validMs) / 1000) * 1000;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject: [{ CN: [wanted.commonName] }],
    issuer: issuer.certificate.subjectName,
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(expiresAt),
    publicKey: wanted.publicKey,
    signingKey: issuer.key,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([wanted.usage], false),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(wanted.publicKey),
      ...wanted.extensions,
    ],
  });
  return { pem: `${certificate.toString("pem")}\n`, serial, expiresAt };
}

async function readRequestKey(request: Uint8Array): Promise<x509.PublicKey> {
  if (request.length > REQUEST_BYTES_MAX) return refuseRequest("it is too long");
  try {
    const decoded = new x509.Pkcs10CertificateRequest(ownBytes(request));
    const key = createPublicKey({
      key: Buffer.from(decoded.publicKey.rawData),
      format: "der",
      type: "spki",
    });
    if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
      return refuseRequest("its key is not of the curve P-256");
    }
    if (!(await decoded.verify())) return refuseRequest("it is not signed with its own key");
    return decoded.publicKey;
  } catch (error) {
    if (error instanceof AppError) throw error;
    return refuseRequest("it does not decode", error);
  }
}

function refuseRequest(reason: string, cause?: unknown): never {
  throw new AppError("ERR_DEVICE_CERTIFICATE", `The certificate request is refused: ${reason}.`, {
    remedy: "Send a PKCS #10 request for a new ECDSA key of the curve P-256, signed with that key.",
    cause,
  });
}

/** Positive and of one length: a byte 1, then 128 random bits. */
function randomSerial(randomness: Randomness): string {
  return `01${Buffer.from(randomness(new Uint8Array(16))).toString("hex")}`;
}

/** WebCrypto and the decoder want an `ArrayBuffer` of exactly these bytes. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = new Uint8Array(bytes.length);
  own.set(bytes);
  return own;
}
