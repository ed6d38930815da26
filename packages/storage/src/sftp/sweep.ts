import { TEMPORARY_FOLDER } from "../names.ts";
import { SftpStatusError } from "./failures.ts";
import type { RemoteFolders } from "./folders.ts";
import type { SftpSession } from "./session.ts";
import { readEntries } from "./walk.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const ENTRIES_MAX = 10_000;

/**
 * Removes temporary files that were last written a day before `nowMs`, a time by the server's clock, and returns how
 * many. What cannot be swept takes space only: it is no error.
 */
export async function sweep(session: SftpSession, folders: RemoteFolders, nowMs: number): Promise<number> {
  let count = 0;
  try {
    const budget = { entries: ENTRIES_MAX };
    for (const entry of await readEntries(session, folders.path(TEMPORARY_FOLDER), budget)) {
      const old = entry.modifiedMs !== undefined && entry.modifiedMs < nowMs - DAY_MS;
      if (entry.kind !== "file" || !old || entry.name.includes("/")) continue;
      await session.remove(folders.path(`${TEMPORARY_FOLDER}/${entry.name}`));
      count += 1;
    }
  } catch (error) {
    // Another writer may sweep at the same time.
    if (!(error instanceof SftpStatusError)) throw error;
  }
  return count;
}
