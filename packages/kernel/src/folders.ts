/**
 * Folders with all that is missing above them.
 *
 * `mkdir` of Node.js with `recursive` never comes back where a folder is there and takes nothing new with `ENOENT`, as `/proc` and
 * automounted folders do whose server is away: it goes up, finds that folder, and tries again, in a
 * thread that nothing ends. Here each folder above is tried once.
 *
 * @module
 */
import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode } from "./error-code.ts";

/**
 * Makes a folder, and what is missing above it.
 *
 * @returns the topmost folder that was made, or undefined when the folder was there.
 * @throws the system's error of the folder that cannot be made.
 */
export async function makeFolder(path: string, mode?: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return path;
  } catch (error) {
    if (await isFolder(path)) return undefined;
    const parent = dirname(path);
    if (errorCode(error) !== "ENOENT" || parent === path || (await isFolder(parent))) throw error;
    const first = await makeFolder(parent, mode);
    try {
      await mkdir(path, { mode });
    } catch (second) {
      // Somebody else was faster, which is as good.
      if (!(await isFolder(path))) throw second;
    }
    return first ?? path;
  }
}

/**
 * The same, at once; names need not be text.
 *
 * @throws the system's error of the folder that cannot be made.
 */
export function makeFolderSync(path: string | Buffer, mode?: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (isFolderSync(path)) return;
    const parent = parentOf(path);
    if (errorCode(error) !== "ENOENT" || parent.length >= path.length || isFolderSync(parent)) throw error;
    makeFolderSync(parent, mode);
    try {
      mkdirSync(path, { mode });
    } catch (second) {
      if (!isFolderSync(path)) throw second;
    }
  }
}

/** Of bytes by way of Latin-1, which keeps each of them. */
function parentOf(path: string | Buffer): string | Buffer {
  return typeof path === "string" ? dirname(path) : Buffer.from(dirname(path.toString("latin1")), "latin1");
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

function isFolderSync(path: string | Buffer): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
