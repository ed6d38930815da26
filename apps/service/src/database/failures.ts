/**
 * What errors of both databases mean.
 *
 * @module
 */
import { AppError, isAppError } from "@holdfast/kernel";

/** Extended result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE_UNIQUE: ReadonlySet<number> = new Set([1555, 2067]);
const SQLITE_BUSY = 5;
const SQLITE_FOREIGN_KEY = 787;
const SQLITE_TRIGGER = 1811;

/** A row with this key or name is there already. */
export function isUniqueViolation(error: unknown): boolean {
  return codeOf(error) === "23505" || SQLITE_UNIQUE.has(sqliteCodeOf(error) ?? 0);
}

/** A row names another that is missing, or is named by another and cannot go. */
export function isForeignKeyViolation(error: unknown): boolean {
  return codeOf(error) === "23503" || sqliteCodeOf(error) === SQLITE_FOREIGN_KEY;
}

/** A trigger refused to change what never changes. */
export function isFrozen(error: unknown): boolean {
  return codeOf(error) === FROZEN_STATE || sqliteCodeOf(error) === SQLITE_TRIGGER;
}

/**
 * serialization_failure and deadlock_detected (PostgreSQL documentation, appendix A): somebody else was faster, and the same work may
 * succeed now.
 */
export function isLostRace(error: unknown): boolean {
  const code = codeOf(error);
  return code === "40001" || code === "40P01";
}

export function databaseBusy(cause: unknown): AppError {
  return new AppError("ERR_DATABASE_BUSY", "The database could not order this change among others.", {
    remedy: "Try again in a moment.",
    cause,
  });
}

/** Another process writes to the SQLite file. */
export function isBusy(error: unknown): boolean {
  // The primary code is the lowest byte.
  return ((sqliteCodeOf(error) ?? 0) & 0xff) === SQLITE_BUSY;
}

/** restrict_violation (PostgreSQL documentation, appendix A): what the triggers of this program raise. */
export const FROZEN_STATE = "23001";

const NETWORK_CODES: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "ENOTFOUND",
  "ETIMEDOUT",
  "EPIPE",
  "EAI_AGAIN",
]);

/** Classes 08 connection, 28 authorisation, 53 resources, 57 operator intervention, and 3D000: no such database. */
const UNREACHABLE_STATE = /^(?:08|28|53|57P)|^3D000$/u;

/** The database does not answer, or refuses to talk. */
export function isUnreachable(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined && (NETWORK_CODES.has(code) || /^[0-9A-Z]{5}$/u.test(code))) {
    return NETWORK_CODES.has(code) || UNREACHABLE_STATE.test(code);
  }
  return (
    error instanceof Error &&
    /^(?:Connection terminated|timeout expired|Client (?:has encountered a connection error|was closed)|Postgres connection has been discarded)/u.test(
      error.message,
    )
  );
}

/** The database cannot be worked with now, which is no fault of what was to be done. */
export function isDatabaseAbsent(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isDatabaseAbsent);
  return isAppError(error, "ERR_DATABASE_UNREACHABLE") || isUnreachable(error);
}

/** Not a fault of what was to be done: it is done again later. */
export function isOfDatabase(error: unknown): boolean {
  if (error instanceof AppError) return error.code.startsWith("ERR_DATABASE_");
  return isUnreachable(error) || isLostRace(error);
}

/** What {@link isDatabaseAbsent} found, for who asked. */
export function databaseAbsent(error: unknown): AppError {
  if (isAppError(error)) return error;
  return new AppError("ERR_DATABASE_UNREACHABLE", "The database of the service does not answer.", {
    remedy: "Try again in a moment.",
    cause: error,
  });
}

const FULL_CODES: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
/** SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: the memory that processes share is a file as well. */
const SQLITE_NO_ROOM: ReadonlySet<number> = new Set([13, 4874]);

/** It, or what led to it, is a disk without room. */
export function isFullDisk(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (FULL_CODES.has(codeOf(error) ?? "") || SQLITE_NO_ROOM.has(sqliteCodeOf(error) ?? 0)) return true;
  return isFullDisk(error.cause);
}

/** The database is there, but nobody gets to it in time. */
export function isDatabaseOverloaded(error: unknown): boolean {
  if (error instanceof AggregateError)
    return error.errors.length > 0 && error.errors.every(isDatabaseOverloaded);
  return isAppError(error, "ERR_DATABASE_OVERLOADED");
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function sqliteCodeOf(error: unknown): number | undefined {
  if (codeOf(error) !== "ERR_SQLITE_ERROR" || !(error instanceof Error) || !("errcode" in error))
    return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}
