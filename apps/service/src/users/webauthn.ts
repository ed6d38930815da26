/**
 * What an authenticator proves (Web Authentication Level 2, sections 7.1 and 7.2). Attestation is not asked for: any
 * authenticator will do, as long as it verifies its user.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { type Cbor, coseKeyLength, decodeCbor, sha256, verifyCoseSignature } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import { z } from "zod";

/** Which site, and which challenge, the proof has to be for. */
export interface Expected {
  /** `HOST` or `HOST:PORT`, as the request has it. */
  readonly host: string;
  /** Says whether the challenge is one of ours. */
  readonly challenge: string;
}

export interface Registration {
  readonly credentialId: Buffer;
  /** COSE. */
  readonly publicKey: Buffer;
  readonly counter: number;
}

const HASH_BYTES = 32;
const HEADER_BYTES = HASH_BYTES + 1 + 4;
const AAGUID_BYTES = 16;
const CREDENTIAL_ID_BYTES_MAX = 1023;
const USER_PRESENT = 1;
const USER_VERIFIED = 4;
const CREDENTIAL_INCLUDED = 64;

const clientData = z.object({
  type: z.string(),
  challenge: z.string().max(200),
  origin: z.string().max(400),
  crossOrigin: z.boolean().optional(),
});

/** The domain that passkeys of this host are for. */
export function relyingPartyOf(host: string): string {
  return siteOf(host).hostname;
}

function siteOf(host: string): URL {
  const site = host === "" ? null : URL.parse(`https://${host}`);
  if (site !== null) return site;
  throw new AppError("ERR_INPUT", "The request names no host.", { subject: "Host" });
}

/** The challenge that the browser says it signed: to be looked for among those that were given out. */
export function challengeOf(clientDataJson: Buffer): string {
  return parseClientData(clientDataJson).challenge;
}

/** @throws AppError `ERR_CONFIRMATION`, `ERR_INPUT`. */
export function checkRegistration(
  {
    clientDataJson,
    attestationObject,
  }: { readonly clientDataJson: Buffer; readonly attestationObject: Buffer },
  expected: Expected,
): Registration {
  checkClientData(clientDataJson, "webauthn.create", expected);
  const { value, length } = decodeCbor(attestationObject);
  const data = length === attestationObject.length ? fieldOf(value, "authData") : undefined;
  if (!Buffer.isBuffer(data)) throw refused("sent no data");
  const { flags, counter } = checkHeader(data, expected.host);
  if ((flags & CREDENTIAL_INCLUDED) === 0) throw refused("sent no key");
  const rest = data.subarray(HEADER_BYTES + AAGUID_BYTES);
  if (rest.length < 2) throw refused("sent data that are cut off");
  const idLength = rest.readUInt16BE(0);
  if (idLength === 0 || idLength > CREDENTIAL_ID_BYTES_MAX) throw refused("sent an id that is too long");
  const key = rest.subarray(2 + idLength);
  return {
    credentialId: Buffer.from(rest.subarray(2, 2 + idLength)),
    publicKey: Buffer.from(key.subarray(0, coseKeyLength(key))),
    counter,
  };
}

/** @returns the new counter of signatures. @throws AppError `ERR_CONFIRMATION`. */
export function checkAssertion(
  proof: { readonly clientDataJson: Buffer; readonly authenticatorData: Buffer; readonly signature: Buffer },
  { publicKey, counter: last }: Pick<Registration, "publicKey" | "counter">,
  expected: Expected,
): number {
  checkClientData(proof.clientDataJson, "webauthn.get", expected);
  const { counter } = checkHeader(proof.authenticatorData, expected.host);
  const signed = Buffer.concat([proof.authenticatorData, sha256(proof.clientDataJson)]);
  if (!verifyCoseSignature(publicKey, signed, proof.signature)) throw refused("signed something else");
  // Section 7.2, step 21: one that does not count sends 0 each time.
  if ((counter !== 0 || last !== 0) && counter <= last)
    throw refused("may have been copied: it counts backwards");
  return counter;
}

function fieldOf(value: Cbor, name: string): Cbor | undefined {
  if (!(value instanceof Map)) return undefined;
  const fields: ReadonlyMap<number | string, Cbor> = value;
  return fields.get(name);
}

function checkClientData(json: Buffer, type: string, { host, challenge }: Expected): void {
  const data = parseClientData(json);
  if (data.type !== type) throw refused("did something else");
  if (data.challenge !== challenge) throw refused("answered another question");
  if (data.origin !== siteOf(host).origin || data.crossOrigin === true) {
    throw refused("was asked by another site");
  }
}

function parseClientData(json: Buffer): z.infer<typeof clientData> {
  try {
    return clientData.parse(JSON.parse(json.toString("utf8")));
  } catch {
    throw refused("sent malformed data");
  }
}

function checkHeader(data: Buffer, host: string): { readonly flags: number; readonly counter: number } {
  if (data.length < HEADER_BYTES) throw refused("sent data that are cut off");
  const wanted = sha256(Buffer.from(relyingPartyOf(host), "utf8"));
  if (!timingSafeEqual(data.subarray(0, HASH_BYTES), wanted)) throw refused("is for another site");
  const flags = data.readUInt8(HASH_BYTES);
  if ((flags & USER_PRESENT) === 0 || (flags & USER_VERIFIED) === 0) throw refused("did not verify its user");
  return { flags, counter: data.readUInt32BE(HASH_BYTES + 1) };
}

function refused(reason: string): AppError {
  return new AppError("ERR_CONFIRMATION", `The authenticator ${reason}.`, {
    remedy: "Try again; use the address of the service under which the passkey was made.",
  });
}
