/**
 * HTTP Digest access authentication (RFC 7616) with MD5 and SHA-256 and `qop=auth`: the password itself never leaves this
 * machine. Neither session variants (`-sess`) nor `auth-int` nor hashed user names.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Challenge } from "./challenges.ts";

const HASHES: ReadonlyMap<string, string> = new Map([
  ["sha-256", "sha256"],
  ["md5", "md5"],
]);

/** What the server asks for. Texts are as they came: one character for each byte. */
export interface DigestChallenge {
  readonly algorithm: string | undefined;
  /** In OpenSSL's words. */
  readonly hash: string;
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  /** The credentials may be right, but the nonce was too old. */
  readonly stale: boolean;
}

export interface DigestInput {
  readonly challenge: DigestChallenge;
  readonly user: string;
  readonly password: string;
  readonly method: string;
  /** As in the request line. */
  readonly path: string;
  /** How often this nonce was used, with this use. */
  readonly count: number;
  readonly clientNonce: string;
}

/** Undefined when this is no Digest challenge, or one of an unknown kind. */
export function readDigestChallenge({ scheme, parameters }: Challenge): DigestChallenge | undefined {
  const algorithm = parameters.get("algorithm");
  const hash = HASHES.get((algorithm ?? "MD5").toLowerCase());
  const realm = parameters.get("realm");
  const nonce = parameters.get("nonce");
  const qualities = (parameters.get("qop") ?? "").split(",").map((quality) => quality.trim().toLowerCase());
  if (scheme !== "digest" || hash === undefined || realm === undefined || nonce === undefined)
    return undefined;
  if (!qualities.includes("auth")) return undefined;
  const stale = parameters.get("stale")?.toLowerCase() === "true";
  return { algorithm, hash, realm, nonce, opaque: parameters.get("opaque"), stale };
}

/** Value of the header Authorization (RFC 7616 section 3.4). */
export function digestAuthorization(input: DigestInput): string {
  const { challenge, method, path, clientNonce } = input;
  const { algorithm, hash, realm, nonce, opaque } = challenge;
  const count = input.count.toString(16).padStart(8, "0");
  // A header's text has one character for each byte, and names and passwords are UTF-8 (section 3.4.4).
  const user = Buffer.from(input.user, "utf8").toString("latin1");
  const password = Buffer.from(input.password, "utf8").toString("latin1");
  const digest = (text: string): string => createHash(hash).update(text, "latin1").digest("hex");
  const secret = digest(`${user}:${realm}:${password}`);
  const response = digest(`${secret}:${nonce}:${count}:${clientNonce}:auth:${digest(`${method}:${path}`)}`);
  const fields = [
    `username=${quote(user)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(path)}`,
    ...(algorithm === undefined ? [] : [`algorithm=${algorithm}`]),
    `response="${response}"`,
    "qop=auth",
    `nc=${count}`,
    `cnonce=${quote(clientNonce)}`,
    ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
  ];
  return `Digest ${fields.join(", ")}`;
}

function quote(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}
