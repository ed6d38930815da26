/**
 * Reads front and directory of a stored pack without the records between them.
 *
 * @module
 */
import type { Storage } from "@holdfast/storage";
import type { KeySet } from "../keys/key-set.ts";
import {
  decodePackFront,
  openDirectory,
  openPackEnd,
  PACK_END_BYTES,
  PACK_FRONT_BYTES_MAX,
  packFrontLength,
  type PackFront,
} from "./pack-format.ts";
import { type PackKey, packKeyOf } from "./pack-key.ts";

export interface OpenPack {
  readonly front: PackFront;
  readonly key: PackKey;
}

/** Enough for the front of a pack of one session: nearly all of them. */
const FRONT_GUESS_BYTES = packFrontLength(1);

/** @throws AppError `ERR_DAMAGED`, or an error of the storage. */
export async function readPackFront(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
  name: string,
  size: number,
): Promise<OpenPack> {
  const guess = await storage.get(name, { offset: 0, length: Math.min(size, FRONT_GUESS_BYTES) });
  const needed = packFrontLength(guess[25] ?? 0);
  const whole =
    needed <= guess.length ? guess : await storage.get(name, { offset: 0, length: Math.min(size, needed) });
  const front = decodePackFront(whole, name, keys.repository);
  return { front, key: packKeyOf(keys.tableKey, keys.repository, front.salt) };
}

/** @throws AppError `ERR_DAMAGED`, or an error of the storage. */
export async function readPackDirectory(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
  name: string,
  size: number,
): Promise<{ readonly kind: number; readonly directory: Buffer; readonly open: OpenPack }> {
  const open = await readPackFront(storage, keys, name, size);
  const tail = Math.min(size, PACK_END_BYTES);
  const end = await storage.get(name, { offset: size - tail, length: tail });
  const length = openPackEnd(open.key, end, name, size);
  const sealed = await storage.get(name, { offset: size - PACK_END_BYTES - length, length });
  return { kind: open.front.kind, directory: openDirectory(open.key, sealed, name, size), open };
}

/** Front and directory of a pack that lies in memory as a whole. @throws AppError `ERR_DAMAGED`. */
export function openPackInMemory(
  bytes: Buffer,
  keys: Pick<KeySet, "repository" | "tableKey">,
  name: string,
): { readonly open: OpenPack; readonly directory: Buffer } {
  const front = decodePackFront(bytes.subarray(0, PACK_FRONT_BYTES_MAX), name, keys.repository);
  const key = packKeyOf(keys.tableKey, keys.repository, front.salt);
  const length = openPackEnd(key, bytes.subarray(-PACK_END_BYTES), name, bytes.length);
  const end = bytes.length - PACK_END_BYTES;
  const directory = openDirectory(key, bytes.subarray(end - length, end), name, bytes.length);
  return { open: { front, key }, directory };
}
