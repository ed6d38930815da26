/**
 * Condemned objects: packs that are about to be deleted (docs/format.md, section 9).
 *
 * @module
 */
import { openBox, sealBox, sha256 } from "@holdfast/crypto";
import { ByteReader, ByteWriter } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { checkNamedByHash, HASH_BYTES, readHead, writeHead } from "../format/head.ts";
import { hashedName, hashOfName, PREFIXES } from "../format/object-names.ts";
import { getIfThere } from "../storage-reading.ts";

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
  const inner = new ByteReader(openBox(tableKey, boxContext(head), box, what), what);
  const timeMs = Number(inner.u64());
  const count = inner.u32();
  if (count > CONDEMNED_PACKS_MAX || inner.left !== count * HASH_BYTES) inner.fail("its length does not fit");
  const packs = Array.from({ length: count }, () => inner.raw(HASH_BYTES).toString("hex"));
  return { name, timeMs, packs };
}

/** Everything that is condemned now. An object that vanishes while it is listed has done its work. */
export async function listCondemned(
  storage: Storage,
  repository: Buffer,
  tableKey: Buffer,
): Promise<Condemnation[]> {
  const found: Condemnation[] = [];
  for await (const { name } of storage.list(PREFIXES.condemned)) {
    if (hashOfName(name) === undefined) continue;
    const bytes = await getIfThere(storage, name);
    if (bytes !== undefined) found.push(decodeCondemned(bytes, name, repository, tableKey));
  }
  return found;
}

function boxContext(head: Buffer): Buffer {
  return Buffer.concat([Buffer.from("holdfast/1/condemned", "latin1"), head]);
}
