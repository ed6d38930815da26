/**
 * One process a SQLite database: what one tells the other, wake-ups and the sync of the log (decision 11), stays within the process.
 *
 * The lock is one of the operating system's on a file beside the database, taken by way of SQLite on every platform: it goes with
 * the process, however that ends.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { AppError } from "@holdfast/kernel";
import { sqliteFileOf } from "./upgrade-copy.ts";

/** One that was told to stop, or killed, may take a moment to be gone. */
const ENDING_MS = 5000;
/** sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const NOTHING: Disposable = { [Symbol.dispose]: () => undefined };

/**
 * @param url of the database, as `openDatabase` takes it. Processes share PostgreSQL: there is nothing to lock.
 * @throws AppError `ERR_SERVICE_RUNNING`.
 */
export function lockForProcess(url: string): Disposable {
  const file = sqliteFileOf(url);
  if (file === undefined) return NOTHING;
  const path = `${file}-lock`;
  closeSync(openSync(path, "a", 0o600));
  const lock = new DatabaseSync(path, { timeout: ENDING_MS });
  try {
    // Nothing is ever written: the transaction alone holds the lock.
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (cause) {
    lock.close();
    if (!(cause instanceof Error && "errcode" in cause && cause.errcode === SQLITE_BUSY)) throw cause;
    throw new AppError("ERR_SERVICE_RUNNING", `Another process of the service works with ${file}.`, {
      subject: file,
      remedy:
        "Stop it first, or give this one another folder with --data. Several processes can share a PostgreSQL database.",
      cause,
    });
  }
  return { [Symbol.dispose]: () => lock.close() };
}
