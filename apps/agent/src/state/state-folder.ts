/**
 * The folder in which an agent keeps what makes it this device: nobody else may read it, and files in it are replaced as a
 * whole.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { AppError, makeFolder } from "@holdfast/kernel";

const OTHERS_MASK = 0o077;
const FILE_BYTES_MAX = 1024 * 1024;
const TEMPORARY = /^\.[0-9a-f-]{36}\.new$/u;

export interface StateFolder {
  readonly path: string;
  /** @returns undefined when there is no such file. @throws AppError `ERR_AGENT_STATE` when others can read it. */
  readonly read: (name: string) => Promise<Buffer | undefined>;
  /** Durable when resolved; a kill leaves the old content or the new one. */
  readonly write: (name: string, bytes: Uint8Array) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
}

/**
 * Opens the folder, and makes it when it is missing.
 *
 * @param hasModes whether permission bits and owners mean anything on this system.
 * @throws AppError `ERR_AGENT_STATE` when it is no folder, belongs to another user, or others can look into it.
 */
export async function openStateFolder(
  path: string,
  options: { readonly create: boolean; readonly hasModes: boolean },
): Promise<StateFolder> {
  try {
    if (options.create) await makeFolder(path, 0o700);
    const stats = await lstat(path);
    if (!stats.isDirectory()) throw unusable(path, "is no folder", "Choose another place with --state.");
    if (options.hasModes) checkPrivate(path, stats);
    if (options.create) await removeLeftovers(path);
  } catch (error) {
    throw asStateError(error, path);
  }
  return {
    path,
    read: (name) => readPrivate(join(path, name), options.hasModes),
    write: (name, bytes) => replaceFile(join(path, name), bytes),
    remove: (name) => rm(join(path, name), { force: true }),
  };
}

/** Of a file or folder that nobody but this user, or root, may have had a hand in. */
export function checkPrivate(path: string, stats: Pick<Stats, "mode" | "uid">): void {
  const own = process.getuid?.();
  if (own !== undefined && stats.uid !== own && stats.uid !== 0) {
    throw unusable(path, "belongs to another user", "Run the agent as the user it was enrolled by.");
  }
  if ((stats.mode & OTHERS_MASK) !== 0) {
    throw unusable(path, "can be read or changed by other users", `Run: chmod -R go= '${path}'`);
  }
}

async function readPrivate(path: string, hasModes: boolean): Promise<Buffer | undefined> {
  let file;
  try {
    // A link could lead to a file of somebody else; O_NONBLOCK so that a pipe does not hold the agent.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw asStateError(error, path);
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > FILE_BYTES_MAX) {
      throw unusable(path, "is not a file of the agent", "Enroll the device again in an empty folder.");
    }
    if (hasModes) checkPrivate(path, stats);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${randomUUID()}.new`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw asStateError(error, path);
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders.
  const folder = await open(path, "r").catch(() => undefined);
  try {
    await folder?.sync();
  } catch {
    // Some network file systems do not know it.
  } finally {
    await folder?.close();
  }
}

/** What a killed agent left behind. */
async function removeLeftovers(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (TEMPORARY.test(name)) await rm(join(path, name), { force: true });
  }
}

function asStateError(error: unknown, path: string): AppError {
  if (error instanceof AppError) return error;
  const code = errorCode(error);
  const remedy =
    code === "ENOENT"
      ? "Enroll the device first: holdfast agent enroll --service URL --code CODE"
      : "Run the agent as the user it was enrolled by.";
  return new AppError("ERR_AGENT_STATE", `The agent's state in ${path} cannot be used: ${code}.`, {
    subject: path,
    remedy,
    cause: error,
  });
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "it failed";
}

function unusable(path: string, what: string, remedy: string): AppError {
  return new AppError("ERR_AGENT_STATE", `The agent's state is not safe: ${path} ${what}.`, {
    subject: path,
    remedy,
  });
}
