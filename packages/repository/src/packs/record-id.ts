/**
 * Ids of chunks and records: HMAC-SHA-256 under the repository's id key (docs/format.md, section 4.1).
 *
 * @module
 */
import { createSecretKey } from "node:crypto";
import { hmacSha256 } from "@holdfast/crypto";
import { RECORD_TYPES } from "./record-header.ts";

/** The id of a chunk, list, page or node: over its type and its plaintext. */
export type IdOf = (type: number, plaintext: Uint8Array) => Buffer;

const TYPE_BYTES = Array.from({ length: 256 }, (_, type) => Buffer.from([type]));

export function idHasher(idKey: Uint8Array): IdOf {
  const key = createSecretKey(idKey);
  return (type, plaintext) => hmacSha256(key, TYPE_BYTES[type] ?? Buffer.from([type]), plaintext);
}

/** The id of a bundle's record: over the ids of its members. */
export function bundleId(idOf: IdOf, memberIds: Uint8Array): Buffer {
  return idOf(RECORD_TYPES.bundle, memberIds);
}
