/**
 * Which packs a cleaner condemns or repacks.
 *
 * @module
 */
import { isAppError } from "@holdfast/kernel";
import type { ObjectInfo } from "@holdfast/storage";
import { hashOfName, packName, PREFIXES } from "../format/object-names.ts";
import { DIRECTORY_ENTRY_BYTES } from "../packs/pack-format.ts";
import { readPackDirectory } from "../packs/read-directory.ts";
import type { Repository } from "../repository.ts";
import type { LiveChunks } from "./live-chunks.ts";
import { type DirectoryRecord, recordsOf } from "./repack.ts";

/** A pack by its hash in hex. */
export interface ChosenPack {
  readonly hex: string;
  /** Of the object, bytes. */
  readonly length: number;
}

export function totalLength(packs: readonly ChosenPack[]): number {
  return packs.reduce((sum, { length }) => sum + length, 0);
}

export interface RepackedPack extends ChosenPack {
  /** In the table of the live index. */
  readonly number: number;
  readonly kind: number;
  /** Bytes of the records that stay. */
  readonly neededBytes: number;
}

/** Packs of the index that no copy needs and that are not condemned. */
export function deadPacks(live: LiveChunks, condemned: ReadonlySet<string>): ChosenPack[] {
  const dead: ChosenPack[] = [];
  const { packs } = live.index;
  for (let number = 0; number < packs.count; number += 1) {
    const hex = packs.hex(number);
    if (live.shareOf(number) === 0 && !condemned.has(hex)) {
      dead.push({ hex, length: packs.get(number).length });
    }
  }
  return dead;
}

/**
 * Packs of whose records less than the share `below` is needed. The index tells roughly; the directory tells exactly, because
 * a bundle stays whole. Packs that cannot be read are left alone: `verify` names them.
 *
 * @throws AppError of the storage.
 */
export async function packsToRepack(
  repository: Repository,
  live: LiveChunks,
  condemned: ReadonlySet<string>,
  below: number,
): Promise<RepackedPack[]> {
  const chosen: RepackedPack[] = [];
  const { packs } = live.index;
  for (let number = 0; number < packs.count; number += 1) {
    const share = live.shareOf(number);
    if (share === 0 || share >= below) continue;
    const hex = packs.hex(number);
    if (condemned.has(hex)) continue;
    const pack = await measure(repository, live, number, below);
    if (pack !== undefined) chosen.push(pack);
  }
  return chosen;
}

async function measure(
  repository: Repository,
  live: LiveChunks,
  number: number,
  below: number,
): Promise<RepackedPack | undefined> {
  const { sha256, length, kind } = live.index.packs.get(number);
  let allBytes = 0;
  let neededBytes = 0;
  try {
    const { directory } = await readPackDirectory(
      repository.ports.storage,
      repository.keys,
      packName(sha256),
      length,
    );
    for (const record of recordsOf(directory)) {
      allBytes += record.length;
      if (isRecordNeeded(live, number, record)) neededBytes += record.length;
    }
  } catch (error) {
    if (isAppError(error, "ERR_DAMAGED") || isAppError(error, "ERR_STORAGE_NOT_FOUND")) return undefined;
    throw error;
  }
  if (neededBytes >= allBytes * below) return undefined;
  return { hex: sha256.toString("hex"), length, number, kind, neededBytes };
}

/** Whether any chunk of the record is needed from this pack. */
export function isRecordNeeded(live: LiveChunks, pack: number, record: DirectoryRecord): boolean {
  for (let at = 0; at < record.entries.length; at += DIRECTORY_ENTRY_BYTES) {
    if (live.index.isNeededFrom(pack, record.entries, at)) return true;
  }
  return false;
}

/**
 * Packs that no index segment names and that nobody who is at work can have written.
 *
 * @param beforeMs when the oldest session that runs began, by the storage's clock.
 */
export async function orphanPacks(
  repository: Repository,
  live: LiveChunks,
  condemned: ReadonlySet<string>,
  beforeMs: number,
): Promise<ChosenPack[]> {
  const orphans: ChosenPack[] = [];
  for await (const object of repository.ports.storage.list(PREFIXES.pack)) {
    const hash = hashOfName(object.name);
    if (hash === undefined || live.index.packs.numberOf(hash) !== undefined) continue;
    const hex = hash.toString("hex");
    if (!condemned.has(hex) && isOlder(object, beforeMs)) orphans.push({ hex, length: object.size });
  }
  return orphans;
}

function isOlder(object: ObjectInfo, beforeMs: number): boolean {
  return object.modifiedMs <= beforeMs;
}
