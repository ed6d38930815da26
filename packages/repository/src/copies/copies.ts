/**
 * The copies of a repository: listing, and finding the one a person means.
 *
 * @module
 */
import { AppError, isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { checkNamedByHash } from "../format/head.ts";
import { hashOfName, PREFIXES } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import type { SessionKeyring } from "../packs/session-keys.ts";
import { getIfThere } from "../storage-reading.ts";
import {
  type CopyDetails,
  type CopyTable,
  decodeManifest,
  openDetails,
  openTable,
  type SealedManifest,
} from "./manifest.ts";

/** A copy as the table key shows it. */
export interface ListedCopy {
  readonly id: string;
  readonly name: string;
  readonly manifest: SealedManifest;
  readonly table: CopyTable;
}

/** A copy as the read capability shows it. */
export interface Copy extends ListedCopy {
  readonly details: CopyDetails;
}

export interface CopyList<T> {
  /** Oldest first. */
  readonly copies: readonly T[];
  /** Manifests that could not be read. */
  readonly damaged: readonly AppError[];
}

/** Fewer characters of an id are too likely to mean another copy next year. */
const PREFIX_CHARACTERS_MIN = 4;

/** What the maintain capability sees. Damaged manifests are given beside the good ones. */
export async function listCopies(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
): Promise<CopyList<ListedCopy>> {
  const copies: ListedCopy[] = [];
  const damaged: AppError[] = [];
  for await (const { name } of storage.list(PREFIXES.copy)) {
    if (hashOfName(name) === undefined) continue;
    const bytes = await getIfThere(storage, name);
    if (bytes === undefined) continue;
    try {
      checkNamedByHash(bytes, name);
      const id = name.slice(PREFIXES.copy.length);
      const manifest = decodeManifest(bytes, id, keys.repository);
      copies.push({ id, name, manifest, table: openTable(manifest, keys.tableKey) });
    } catch (error) {
      if (!isAppError(error)) throw error;
      damaged.push(error);
    }
  }
  copies.sort((a, b) => a.table.timeMs - b.table.timeMs || a.id.localeCompare(b.id));
  return { copies, damaged };
}

/** Opens what only the read capability shows, of every copy. */
export function withDetails(
  list: CopyList<ListedCopy>,
  keys: Pick<KeySet, "repository" | "tableKey">,
  keyring: SessionKeyring,
): CopyList<Copy> {
  const copies: Copy[] = [];
  const damaged = [...list.damaged];
  for (const copy of list.copies) {
    try {
      copies.push({ ...copy, details: openDetails(copy.manifest, keys.tableKey, keys.repository, keyring) });
    } catch (error) {
      if (!isAppError(error)) throw error;
      damaged.push(error);
    }
  }
  return { copies, damaged };
}

/**
 * The copy that a person means: an id, a prefix of at least 4 characters, or `latest`.
 *
 * @throws AppError `ERR_COPY_NOT_FOUND` or `ERR_COPY_AMBIGUOUS`; the damaged manifest's error when the prefix means it.
 */
export function resolveCopy<T extends ListedCopy>(list: CopyList<T>, wanted: string): T {
  if (wanted === "latest") {
    const newest = list.copies.at(-1);
    if (newest !== undefined) return newest;
  }
  const prefix = wanted.toLowerCase();
  const matching =
    prefix.length < PREFIX_CHARACTERS_MIN ? [] : list.copies.filter(({ id }) => id.startsWith(prefix));
  if (matching.length > 1) {
    throw new AppError(
      "ERR_COPY_AMBIGUOUS",
      `${String(matching.length)} copies have an id that begins with "${wanted}".`,
      {
        subject: wanted,
        remedy: "Give more characters of the id; `holdfast copies` shows them.",
      },
    );
  }
  const [found] = matching;
  if (found !== undefined) return found;
  const [damaged] = list.damaged.filter((error) => error.subject?.includes(`copies/${prefix}`));
  throw (
    damaged ??
    new AppError("ERR_COPY_NOT_FOUND", `There is no copy "${wanted}".`, {
      subject: wanted,
      remedy:
        "`holdfast copies` shows the ids of all copies; give at least 4 characters of one, or `latest`.",
    })
  );
}
