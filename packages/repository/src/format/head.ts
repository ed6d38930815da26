/**
 * The 24 bytes at the start of every object (docs/format.md, section 2).
 *
 * @module
 */
import assert from "node:assert/strict";
import { sha256 } from "@holdfast/crypto";
import { AppError, type ByteReader, type ByteWriter, damaged } from "@holdfast/kernel";
import { PREFIXES } from "./object-names.ts";

export const OBJECT_KINDS = {
  config: 1,
  slot: 2,
  pack: 3,
  index: 4,
  copy: 5,
  session: 6,
  condemned: 7,
  wait: 8,
} as const;
export type ObjectKind = keyof typeof OBJECT_KINDS;

export const HEAD_BYTES = 24;
export const REPOSITORY_ID_BYTES = 16;
export const HASH_BYTES = 32;

const MAGIC = Buffer.from("HFST", "latin1");
const VERSION = 1;

export function writeHead(writer: ByteWriter, kind: ObjectKind, repository: Uint8Array): ByteWriter {
  assert(repository.length === REPOSITORY_ID_BYTES);
  return writer.raw(MAGIC).u8(OBJECT_KINDS[kind]).u8(VERSION).u16(0).raw(repository);
}

/**
 * Checks a head and returns the repository id in it.
 *
 * @param repository when given, the id that the object must carry.
 * @throws AppError `ERR_DAMAGED`, or `ERR_FORMAT_VERSION` for an object of a newer format.
 */
export function readHead(reader: ByteReader, kind: ObjectKind, repository?: Uint8Array): Buffer {
  if (!reader.raw(MAGIC.length).equals(MAGIC))
    reader.fail("it does not begin like an object of a repository");
  if (reader.u8() !== OBJECT_KINDS[kind]) reader.fail(`it is no ${kind} object`);
  const version = reader.u8();
  if (version > VERSION) {
    throw new AppError("ERR_FORMAT_VERSION", `The repository has format version ${String(version)}.`, {
      remedy: `This program reads version ${String(VERSION)}; use a newer one.`,
    });
  }
  if (version !== VERSION || reader.u16() !== 0) reader.fail("a reserved field is set");
  const found = reader.raw(REPOSITORY_ID_BYTES);
  if (repository !== undefined && !found.equals(repository)) reader.fail("it belongs to another repository");
  return Buffer.from(found);
}

/** The bytes with their SHA-256 behind them, for objects whose name is not their hash. */
export function withChecksum(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, sha256(bytes)]);
}

/** Takes the SHA-256 off again after checking it. @throws AppError `ERR_DAMAGED`. */
export function withoutChecksum(bytes: Buffer, name: string): Buffer {
  const body = bytes.subarray(0, Math.max(0, bytes.length - HASH_BYTES));
  if (bytes.length < HASH_BYTES || !sha256(body).equals(bytes.subarray(body.length))) {
    throw damagedObject(name, "its checksum does not match");
  }
  return body;
}

/** Checks an object against the SHA-256 in its name. @throws AppError `ERR_DAMAGED`. */
export function checkNamedByHash(bytes: Uint8Array, name: string): void {
  if (sha256(bytes).toString("hex") !== name.slice(name.lastIndexOf("/") + 1)) {
    throw damagedObject(name, "its content does not match its name");
  }
}

export const CLEAN_INDEX_REMEDY = "Run `holdfast clean`: it writes the index anew from the packs.";

export function damagedObject(name: string, reason: string): AppError {
  return damaged(`The object ${name}`, reason, {
    subject: name,
    ...(name.startsWith(PREFIXES.index) && { remedy: CLEAN_INDEX_REMEDY }),
  });
}
