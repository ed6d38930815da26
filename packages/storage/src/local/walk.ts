import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ObjectInfo } from "../contract.ts";
import { throwIfAborted } from "../cancel.ts";
import { isObjectName } from "../names.ts";
import { isMissing } from "./failures.ts";

/** Files asked for their size at once: far faster than one by one, and light on a network file system. */
const STAT_BATCH = 32;

/**
 * Objects below the folder `relative` ("" for the base). What bears no object's name, and what is neither file nor
 * folder, is not ours and is passed over. What vanishes meanwhile is left out.
 */
export async function* walk(
  base: string,
  relative: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ObjectInfo> {
  throwIfAborted(signal, "a listing");
  const folders: string[] = [];
  /** Or something else, of which nothing is told. */
  const files: string[] = [];
  for (const entry of await readFolder(join(base, relative))) {
    const name = relative === "" ? entry.name : `${relative}/${entry.name}`;
    if (!isObjectName(name)) continue;
    if (entry.isDirectory()) folders.push(name);
    else files.push(name);
  }
  for (let start = 0; start < files.length; start += STAT_BATCH) {
    throwIfAborted(signal, "a listing");
    const batch = files.slice(start, start + STAT_BATCH);
    for (const info of await Promise.all(batch.map((name) => statObject(base, name)))) {
      if (info !== null) yield info;
    }
  }
  for (const folder of folders) yield* walk(base, folder, signal);
}

async function readFolder(path: string) {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Null when nothing of that name is there, or something that is not a plain file. */
export async function statObject(base: string, name: string): Promise<ObjectInfo | null> {
  try {
    const stats = await lstat(join(base, name));
    return stats.isFile() ? { name, size: stats.size, modifiedMs: Math.floor(stats.mtimeMs) } : null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
