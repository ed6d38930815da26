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
import { Bits } from "./bits.ts";
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

/** What a list of all packs says beside the index. */
export interface ListedPacks {
  /** Packs that no index segment names and that nobody who is at work can have written. */
  readonly orphans: readonly ChosenPack[];
  /** Packs, in hex, that copies need and that are not there. */
  readonly missing: readonly string[];
}

/**
 * Lists the packs. While one is missing there are no orphans: what is missing may stand in a pack that nobody knows.
 *
 * @param beforeMs when the oldest session that runs began, by the storage's clock.
 * @throws AppError of the storage.
 */
export async function listPacks(
  repository: Repository,
  live: LiveChunks,
  condemned: ReadonlySet<string>,
  beforeMs: number,
): Promise<ListedPacks> {
  const { packs } = live.index;
  const orphans: ChosenPack[] = [];
  const listed = new Bits(packs.count);
  for await (const object of repository.ports.storage.list(PREFIXES.pack)) {
    const hash = hashOfName(object.name);
    if (hash === undefined) continue;
    const number = packs.numberOf(hash);
    if (number !== undefined) listed.set(number);
    else if (!condemned.has(hash.toString("hex")) && isOlder(object, beforeMs)) {
      orphans.push({ hex: hash.toString("hex"), length: object.size });
    }
  }
  const missing = await missingPacks(repository, live, listed);
  return missing.length > 0 ? { orphans: [], missing } : { orphans, missing };
}

/** Lists may be late, so that each pack that was not listed is asked for. */
async function missingPacks(repository: Repository, live: LiveChunks, listed: Bits): Promise<string[]> {
  const missing: string[] = [];
  for (let number = 0; number < live.index.packs.count; number += 1) {
    if (listed.has(number) || live.shareOf(number) === 0) continue;
    const { sha256 } = live.index.packs.get(number);
    const found = await repository.ports.storage.stat(packName(sha256));
    if (found === null) missing.push(sha256.toString("hex"));
  }
  return missing;
}

function isOlder(object: ObjectInfo, beforeMs: number): boolean {
  return object.modifiedMs <= beforeMs;
}
