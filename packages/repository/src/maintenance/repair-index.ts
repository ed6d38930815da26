/**
 * Writes anew what damaged and missing index segments said: from the directories of the packs that no sound segment names.
 *
 * A segment that is damaged may have stood for others that are still in the storage and come back to life without it, with
 * entries of packs that were deleted since. So entries of packs that are not there go first, and the damaged one last.
 *
 * @module
 */
import { PACK_ROW_BYTES } from "../chunk-index/entry.ts";
import { readersOf } from "../chunk-index/index.ts";
import { hashOfName, packName, PREFIXES } from "../format/object-names.ts";
import { type OpenedIndex, openIndexForReading } from "../reading/open-index.ts";
import type { Repository } from "../repository.ts";
import type { Session } from "../sessions/session.ts";
import { Bits } from "./bits.ts";
import { compactIndex } from "./compact-index.ts";
import { LiveIndex } from "./live-index.ts";

export interface RepairIndexOptions {
  /** Nobody else is at work. */
  readonly isAlone: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Returns whether the index says more than before. It is left alone where that would be a guess: lists are late, others are
 * at work, or a pack cannot be read of which a damaged segment may still tell something.
 *
 * @throws AppError `ERR_SESSION_LOST`, or an error of the storage.
 */
export async function repairIndex(
  repository: Repository,
  session: Session,
  { isAlone, signal }: RepairIndexOptions,
): Promise<boolean> {
  const { storage, cacheDir } = repository.ports;
  if (!storage.capabilities.listConsistent) return false;
  using opened = await openIndexForReading(storage, repository.keys, {
    cacheDir,
    signal,
    checkFrames: true,
    findPacks: true,
  });
  const { damaged, rebuilt } = opened;
  if (damaged.length + rebuilt.length === 0) return false;
  if (damaged.length > 0 && !isAlone) return false;
  const { gone, hasUnnamed } = await comparePacks(repository, opened);
  if (damaged.length > 0 && hasUnnamed) return false;
  for (const { name, bytes } of rebuilt) {
    await session.keepAlive();
    await session.prove();
    await storage.put(name, bytes);
  }
  if (damaged.length > 0) await replaceDamaged(repository, session, opened, gone);
  return true;
}

interface ComparedPacks {
  /** In hex: the index names them, and they are not there. */
  readonly gone: ReadonlySet<string>;
  /** There are packs that the index does not name, however complete it was made. */
  readonly hasUnnamed: boolean;
}

async function comparePacks({ ports }: Repository, { snapshot }: OpenedIndex): Promise<ComparedPacks> {
  const { packs } = new LiveIndex(snapshot);
  const listed = new Bits(packs.count);
  let hasUnnamed = false;
  for await (const { name } of ports.storage.list(PREFIXES.pack)) {
    const hash = hashOfName(name);
    const number = hash === undefined ? undefined : packs.numberOf(hash);
    if (number !== undefined) listed.set(number);
    else hasUnnamed ||= hash !== undefined;
  }
  const gone = new Set<string>();
  for (let number = 0; number < packs.count; number += 1) {
    if (listed.has(number)) continue;
    const { sha256 } = packs.get(number);
    if ((await ports.storage.stat(packName(sha256))) === null) gone.add(sha256.toString("hex"));
  }
  return { gone, hasUnnamed };
}

async function replaceDamaged(
  { ports, keys }: Repository,
  session: Session,
  { snapshot, damaged, superseded }: OpenedIndex,
  gone: ReadonlySet<string>,
): Promise<void> {
  const { storage, randomness } = ports;
  const dropPack = (hash: Buffer): boolean => gone.has(hash.toString("hex"));
  const naming = readersOf(snapshot).filter((reader) => {
    for (const rows of reader.iteratePacks()) {
      for (let at = 0; at < rows.length; at += PACK_ROW_BYTES) {
        if (dropPack(rows.subarray(at, at + 32))) return true;
      }
    }
    return false;
  });
  if (naming.length > 0)
    await compactIndex(naming, { storage, keys, randomness, session, superseded, dropPack });
  await session.prove();
  for (const name of [...superseded, ...damaged.map((segment) => segment.name)]) await storage.delete(name);
}
