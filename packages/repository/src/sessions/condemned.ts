/**
 * Condemned objects: packs that are about to be deleted (docs/format.md, section 9).
 *
 * @module
 */
import { sealBox, sha256 } from "@holdfast/crypto";
import { ByteReader, ByteWriter, isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { checkNamedByHash, HASH_BYTES, readHead, writeHead } from "../format/head.ts";
import { hashedName, hashOfName, PREFIXES } from "../format/object-names.ts";
import { getIfThere } from "../storage-reading.ts";
import { openOwnBox } from "../format/own-box.ts";

export interface Condemnation {
  /** Name of the object. */
  readonly name: string;
  readonly timeMs: number;
  /** Hex SHA-256 of the packs. */
  readonly packs: readonly string[];
}

/** Packs in one object; more go into several. */
export const CONDEMNED_PACKS_MAX = 100_000;

export function encodeCondemned(
  repository: Buffer,
  tableKey: Buffer,
  timeMs: number,
  packs: readonly string[],
): { readonly name: string; readonly bytes: Buffer } {
  const head = writeHead(new ByteWriter(), "condemned", repository).finish();
  const inner = new ByteWriter(packs.length * HASH_BYTES + 16)
    .u64(BigInt(Math.trunc(timeMs)))
    .u32(packs.length);
  for (const pack of packs) inner.raw(Buffer.from(pack, "hex"));
  const box = sealBox(tableKey, boxContext(head), inner.finish());
  const bytes = new ByteWriter(box.length + 64).raw(head).u32(box.length).raw(box).finish();
  return { name: hashedName("condemned", sha256(bytes)), bytes };
}

/** @throws AppError `ERR_DAMAGED`. */
export function decodeCondemned(
  bytes: Buffer,
  name: string,
  repository: Buffer,
  tableKey: Buffer,
): Condemnation {
  checkNamedByHash(bytes, name);
  const what = `The object ${name}`;
  const reader = new ByteReader(bytes, what);
  readHead(reader, "condemned", repository);
  const head = bytes.subarray(0, reader.offset);
  const box = reader.raw(reader.u32());
  reader.end();
  const inner = new ByteReader(openOwnBox(tableKey, boxContext(head), box, what), what);
  const timeMs = Number(inner.u64());
  const count = inner.u32();
  if (count > CONDEMNED_PACKS_MAX || inner.left !== count * HASH_BYTES) inner.fail("its length does not fit");
  const packs = Array.from({ length: count }, () => inner.raw(HASH_BYTES).toString("hex"));
  return { name, timeMs, packs };
}

/**
 * Everything that is condemned now. An object that vanishes while it is listed has done its work.
 *
 * @param onDamaged takes the name of an object that cannot be read; without it such an object is an error, because nobody
 * knows which chunks may be used.
 * @throws AppError `ERR_DAMAGED`, or an error of the storage.
 */
export async function listCondemned(
  storage: Storage,
  repository: Buffer,
  tableKey: Buffer,
  onDamaged?: (name: string) => void,
): Promise<Condemnation[]> {
  const found: Condemnation[] = [];
  for await (const { name } of storage.list(PREFIXES.condemned)) {
    if (hashOfName(name) === undefined) continue;
    const bytes = await getIfThere(storage, name);
    if (bytes === undefined) continue;
    try {
      found.push(decodeCondemned(bytes, name, repository, tableKey));
    } catch (error) {
      if (onDamaged === undefined || !isAppError(error, "ERR_DAMAGED")) throw error;
      onDamaged(name);
    }
  }
  return found;
}

function boxContext(head: Buffer): Buffer {
  return Buffer.concat([Buffer.from("holdfast/1/condemned", "latin1"), head]);
}
