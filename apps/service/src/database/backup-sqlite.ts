/**
 * A copy of the embedded database, consistent also while the service writes. It holds what the database holds: without the unlock
 * file or the recovery kit no value in it opens (docs/security.md, section 5). PostgreSQL has `pg_dump`.
 *
 * Stops its thread meanwhile: for a command, not for the service.
 *
 * @module
 */
import { closeSync, existsSync, fsyncSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError, isAppError } from "@holdfast/kernel";

const TIMEOUT_MS = 30_000;

/**
 * @param target a file that does not exist; made with mode 0600.
 * @throws AppError `ERR_USAGE`, `ERR_DAMAGED` when the copy is not whole; then there is none.
 */
export function backupSqlite(source: string, target: string): void {
  if (!existsSync(source)) {
    throw new AppError("ERR_USAGE", `There is no database ${source}.`, { subject: source });
  }
  reserve(target);
  try {
    const database = new DatabaseSync(source, { readOnly: true, timeout: TIMEOUT_MS });
    try {
      // SQLite takes the empty file for the new one; rows are read in one transaction.
      database.prepare("VACUUM INTO ?").run(target);
    } finally {
      database.close();
    }
    for (const path of [target, dirname(target)]) synchronise(path);
    checkSqlite(target);
  } catch (error) {
    rmSync(target, { force: true });
    if (isAppError(error)) throw error;
    throw new AppError("ERR_FAILED", `The database ${source} could not be copied.`, {
      subject: source,
      remedy: "Check the free space at the target, and that the file is a database of Holdfast.",
      cause: error,
    });
  }
}

/** Reads all of a database that nobody writes to. @throws AppError `ERR_DAMAGED`. */
export function checkSqlite(path: string): void {
  const problems = readProblems(path);
  if (problems.length === 0) return;
  throw new AppError(
    "ERR_DAMAGED",
    `The database ${path} is damaged: ${problems.join("; ").slice(0, 400)}.`,
    {
      subject: path,
      remedy: "Restore it from an older backup.",
    },
  );
}

function readProblems(path: string): readonly string[] {
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: TIMEOUT_MS });
    try {
      const integrity = database.prepare("PRAGMA integrity_check(5)").all();
      const references = database.prepare("PRAGMA foreign_key_check").all();
      return [
        ...integrity.map((row) => String(row["integrity_check"])).filter((text) => text !== "ok"),
        ...references.slice(0, 5).map((row) => `a row of ${String(row["table"])} refers to nothing`),
      ];
    } finally {
      database.close();
    }
  } catch (error) {
    return [error instanceof Error ? error.message : "it does not open"];
  }
}

function reserve(target: string): void {
  try {
    closeSync(openSync(target, "wx", 0o600));
  } catch (cause) {
    throw new AppError("ERR_USAGE", `The file ${target} cannot be made.`, {
      subject: target,
      remedy: "Give a file that does not exist, in a folder that does.",
      cause,
    });
  }
}

function synchronise(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
