/**
 * One agent a folder. The lock is one of the operating system's on a file, which SQLite takes on every platform: it goes with the
 * process, however that ends, and no leftover has to be judged.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError } from "@holdfast/kernel";

const NAME = "lock";
/** Somebody who only asks holds the lock for a moment. */
const STARTING_MS = 500;
/** sqlite.org/rescode.html */
const SQLITE_BUSY = 5;

/** @throws AppError `ERR_AGENT_RUNNING`. */
export function lockFolder(folder: string): Disposable {
  const lock = tryLock(join(folder, NAME), STARTING_MS);
  if (lock !== undefined) return lock;
  throw new AppError("ERR_AGENT_RUNNING", `Another agent runs on ${folder}.`, {
    subject: folder,
    remedy: "Stop it first, or give this one a folder of its own with --state.",
  });
}

export function isLocked(folder: string): boolean {
  const path = join(folder, NAME);
  if (!existsSync(path)) return false;
  const lock = tryLock(path, 0);
  lock?.[Symbol.dispose]();
  return lock === undefined;
}

function tryLock(path: string, timeout: number): Disposable | undefined {
  const database = new DatabaseSync(path, { timeout });
  try {
    // Nothing is ever written: the transaction alone holds the lock.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}
