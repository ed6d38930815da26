/**
 * Names of what is not an object: unfinished files and claims, all in `tmp/`; and the removal of old ones.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { TEMPORARY_FOLDER } from "../names.ts";
import type { DavClient } from "./dav-client.ts";
import { filePath, folderPath, type WebdavLocation } from "./location.ts";
import type { Resource } from "./multistatus.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** One storage that is opened does not spend its time on the rubbish of a thousand others. */
const REMOVALS_MAX = 500;
const UNFINISHED = /^[0-9a-f]{32}$/;
const CLAIM = /^claim-[0-9a-f]{64}$/;

/** @param random 16 bytes. */
export function unfinishedName(random: Buffer): string {
  return `${TEMPORARY_FOLDER}/${random.toString("hex")}`;
}

/** The same for all writers of the object, and for the local driver on the server itself. */
export function claimName(name: string): string {
  return `${TEMPORARY_FOLDER}/claim-${createHash("sha256").update(name).digest("hex")}`;
}

/** Removes unfinished files and claims that were last written more than a day ago by the server's clock. */
export async function sweep(client: DavClient, location: WebdavLocation, signal: AbortSignal): Promise<void> {
  const found = await client.find(folderPath(location, TEMPORARY_FOLDER), "1", signal);
  const { serverMs } = found ?? {};
  if (found === null || serverMs === undefined) return;
  const paths = found.resources
    .slice(1)
    .filter(({ modifiedMs }) => modifiedMs !== undefined && modifiedMs < serverMs - DAY_MS)
    .map((resource) => removable(location, resource))
    .filter((path) => path !== undefined);
  for (const path of paths.slice(0, REMOVALS_MAX)) await client.remove(path, signal);
}

function removable(location: WebdavLocation, { path, collection }: Resource): string | undefined {
  const name = path.at(-1) ?? "";
  if (!UNFINISHED.test(name) && !CLAIM.test(name)) return undefined;
  const relative = `${TEMPORARY_FOLDER}/${name}`;
  return collection ? folderPath(location, relative) : filePath(location, relative);
}
