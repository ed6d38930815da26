/**
 * The objects below a folder, by PROPFIND with `Depth: 1` for one folder after the other: few servers allow `infinity`.
 *
 * @module
 */
import type { ObjectInfo } from "../contract.ts";
import { isObjectName } from "../names.ts";
import type { ObjectPage } from "../remote/driver.ts";
import type { DavClient } from "./dav-client.ts";
import { badAnswer, statusFailure } from "./failures.ts";
import { folderPath, type WebdavLocation } from "./location.ts";
import type { Resource } from "./multistatus.ts";

/** Folders asked for at once: most of the time of a listing is waiting. */
const FOLDERS_AT_ONCE = 4;
/** A server that invents folders is stopped here. A repository has some 600. */
const FOLDERS_MAX = 100_000;

interface Folder {
  readonly objects: readonly ObjectInfo[];
  readonly folders: readonly string[];
}

/**
 * One page: the objects of the next few folders.
 *
 * @param pending names of folders yet to be listed, "" for the base.
 * @returns Undefined for `page` when a folder is missing that was asked for by the caller.
 */
export async function listFolders(
  client: DavClient,
  location: WebdavLocation,
  pending: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly page: ObjectPage; readonly missing: boolean }> {
  const rest = pending.slice(0, -FOLDERS_AT_ONCE);
  const now = pending.slice(-FOLDERS_AT_ONCE);
  const settled = await Promise.allSettled(now.map((name) => listFolder(client, location, name, signal)));
  const listed = settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
  const folders = listed.filter((folder) => folder !== null);
  const left = [...rest, ...folders.flatMap((folder) => folder.folders)];
  if (left.length > FOLDERS_MAX)
    throw badAnswer("lists more folders than any repository has", client.location);
  return {
    page: {
      objects: folders.flatMap((folder) => folder.objects),
      next: left.length === 0 ? undefined : JSON.stringify(left),
    },
    missing: folders.length < listed.length,
  };
}

/** What {@link listFolders} gave as `next`. */
export function readPending(next: string): readonly string[] {
  const names: unknown = JSON.parse(next);
  return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
}

/** Null when it is missing. */
async function listFolder(
  client: DavClient,
  location: WebdavLocation,
  name: string,
  signal: AbortSignal,
): Promise<Folder | null> {
  const found = await client.find(folderPath(location, name), "1", signal);
  if (found === null || found.resources[0]?.collection !== true) return null;
  const objects = new Map<string, ObjectInfo>();
  const folders = new Set<string>();
  for (const member of found.resources.slice(1)) {
    const last = member.path.at(-1) ?? "";
    const full = name === "" ? last : `${name}/${last}`;
    // What bears no object's name is not ours. What vanished meanwhile is left out.
    if (!isObjectName(full) || member.status === 404) continue;
    if (member.status >= 300) throw statusFailure(member.status, `Listing ${full}`, client.location);
    if (member.collection) folders.add(full);
    else objects.set(full, objectInfo(full, member, client.location));
  }
  return { objects: [...objects.values()], folders: [...folders] };
}

export function objectInfo(name: string, resource: Resource, location: string): ObjectInfo {
  const { size, modifiedMs } = resource;
  if (size === undefined || modifiedMs === undefined)
    throw badAnswer(`does not tell the size and time of ${name}`, location);
  return { name, size, modifiedMs };
}
