/**
 * Listing a tree, page by page. A page ends between two folders, and the folders still to be read are what asks for the
 * next one: so a page can be asked for again on another connection.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { ObjectInfo } from "../contract.ts";
import { isObjectName } from "../names.ts";
import type { ObjectPage } from "../remote/driver.ts";
import type { RemoteEntry } from "./answers.ts";
import { isMissing } from "./failures.ts";
import type { RemoteFolders } from "./folders.ts";
import type { SftpSession } from "./session.ts";

const PAGE_LENGTH_MIN = 2000;
/** Read at once, since each takes round trips. */
const FOLDERS_AT_ONCE = 8;
/** What a server may make this side remember. */
const FOLDERS_MAX = 200_000;
const ENTRIES_MAX = 2_000_000;

interface FolderContent {
  readonly objects: readonly ObjectInfo[];
  readonly folders: readonly string[];
}

/** @param next of the page before; undefined for the first, of the folder `prefix` (with its slash, or empty). */
export async function listPage(
  session: SftpSession,
  folders: RemoteFolders,
  prefix: string,
  next: string | undefined,
): Promise<ObjectPage> {
  const pending = next === undefined ? [prefix.slice(0, -1)] : parsePending(next);
  const budget = { entries: ENTRIES_MAX };
  const objects: ObjectInfo[] = [];
  while (pending.length > 0 && objects.length < PAGE_LENGTH_MIN) {
    const batch = pending.splice(-FOLDERS_AT_ONCE);
    for (const content of await readAll(session, folders, batch, budget)) {
      for (const object of content.objects) objects.push(object);
      for (const folder of content.folders) pending.push(folder);
    }
    if (pending.length > FOLDERS_MAX) throw tooMuch(folders.base);
  }
  return { objects, next: pending.length === 0 ? undefined : pending.join(" ") };
}

/** Names have no spaces. */
function parsePending(next: string): string[] {
  return next.split(" ");
}

async function readAll(
  session: SftpSession,
  folders: RemoteFolders,
  batch: readonly string[],
  budget: { entries: number },
): Promise<readonly FolderContent[]> {
  const outcomes = await Promise.allSettled(
    batch.map((relative) => readOne(session, folders, relative, budget)),
  );
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

/** What bears no object's name, and what is neither file nor folder, is not ours and is passed over. */
async function readOne(
  session: SftpSession,
  folders: RemoteFolders,
  relative: string,
  budget: { entries: number },
): Promise<FolderContent> {
  const objects: ObjectInfo[] = [];
  const inner: string[] = [];
  const path = relative === "" ? folders.base : folders.path(relative);
  for (const entry of await readEntries(session, path, budget)) {
    const name = relative === "" ? entry.name : `${relative}/${entry.name}`;
    if (!isObjectName(name)) continue;
    if (entry.kind === "folder") inner.push(name);
    else if (entry.kind !== "other") await addObject(session, folders, name, entry, objects);
  }
  return { objects, folders: inner };
}

async function addObject(
  session: SftpSession,
  folders: RemoteFolders,
  name: string,
  entry: RemoteEntry,
  objects: ObjectInfo[],
): Promise<void> {
  const { size, modifiedMs } = entry;
  if (entry.kind === "file" && size !== undefined && modifiedMs !== undefined) {
    objects.push({ name, size, modifiedMs });
    return;
  }
  const object = await statObject(session, folders, name);
  if (object !== null) objects.push(object);
}

/** Null when nothing of that name is there, or something that is not a plain file. */
export async function statObject(
  session: SftpSession,
  folders: RemoteFolders,
  name: string,
): Promise<ObjectInfo | null> {
  const path = folders.path(name);
  const found = await session.lstat(path);
  if (found === null || found.kind === "folder" || found.kind === "other") return null;
  if (found.size === undefined) throw noSize(path);
  return { name, size: found.size, modifiedMs: found.modifiedMs ?? 0 };
}

/** Empty when there is no such folder. */
export async function readEntries(
  session: SftpSession,
  path: string,
  budget: { entries: number },
): Promise<readonly RemoteEntry[]> {
  const entries: RemoteEntry[] = [];
  try {
    const handle = await session.openFolder(path);
    try {
      for (
        let more = await session.readFolder(handle);
        more !== null;
        more = await session.readFolder(handle)
      ) {
        // An empty answer counts too, so that there is an end.
        budget.entries -= Math.max(1, more.length);
        if (budget.entries < 0) throw tooMuch(path);
        for (const entry of more) entries.push(entry);
      }
    } finally {
      session.dropHandle(handle);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return entries;
}

function tooMuch(path: string): AppError {
  return new AppError("ERR_STORAGE_FAILED", `The server lists too many entries in ${path}.`, {
    subject: path,
    remedy: "Check that the storage's folder is used for nothing else.",
  });
}

function noSize(path: string): AppError {
  return new AppError("ERR_STORAGE_FAILED", `The server does not tell the size of ${path}.`, {
    subject: path,
    remedy: "This server cannot hold a storage.",
  });
}
