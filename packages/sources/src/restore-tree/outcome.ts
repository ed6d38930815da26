/**
 * How the restore of one entry ends: the entry's own failures are told as warnings, and the restore goes on; only a
 * target that takes nothing any more ends it.
 *
 * @module
 */
import { AppError, type ErrorCode } from "@holdfast/kernel";
import { ERRNO, errnoName, errnoText } from "../posix/errno.ts";
import { displayPath, joinPath } from "./entry-name.ts";

/** Where an entry belongs: a folder relative to the target (empty: the target itself) and one name in it. */
export interface EntryPlace {
  readonly folder: Buffer;
  readonly name: Buffer;
}

export interface RestoreWarning {
  /** Relative to the target, raw bytes. */
  readonly path: Buffer;
  readonly code: ErrorCode;
  /** A sentence with the path. */
  readonly message: string;
}

/**
 * `created`: nothing was there. `replaced`: something else was there and is gone. `kept-both`: stands beside it under
 * another name. `merged`: a folder that was there is used. `skipped`: what was there stays. `failed`: see the warnings.
 */
export type RestoreResult = "created" | "replaced" | "kept-both" | "merged" | "skipped" | "failed";

export interface RestoreOutcome {
  readonly result: RestoreResult;
  /** The name in the folder; differs from the one asked for after `kept-both`. */
  readonly name: Buffer;
  /** May be there with every result: an entry can be complete but for its owner or an attribute. */
  readonly warnings: readonly RestoreWarning[];
}

export const NO_WARNINGS: readonly RestoreWarning[] = [];

/** What went wrong with one entry, before it is told with its path. */
export interface Problem {
  readonly code: ErrorCode;
  /** Follows a colon. */
  readonly reason: string;
}

export function isProblem(value: object): value is Problem {
  return "reason" in value;
}

export function unsafe(reason: string): Problem {
  return { code: "ERR_TARGET_UNSAFE", reason };
}

/** A failed call as a problem of one entry, whatever the error. */
export function problemOf(errno: number, doing: string): Problem {
  const code = errno === -ERRNO.ELOOP ? "ERR_TARGET_UNSAFE" : "ERR_TARGET";
  return { code, reason: `${doing}: ${errnoText(errno)} (${errnoName(errno)})` };
}

/**
 * A call that failed to create or write something, as a problem of one entry.
 *
 * @throws {AppError} `ERR_TARGET` when the target is full or takes no writes: then every entry would fail.
 */
export function callProblem(errno: number, doing: string): Problem {
  if (errno === -ERRNO.ENOSPC || errno === -ERRNO.EDQUOT || errno === -ERRNO.EROFS) {
    throw new AppError("ERR_TARGET", `takes no more data: ${errnoText(errno)} (${errnoName(errno)})`);
  }
  return problemOf(errno, doing);
}

export function warningOf(place: EntryPlace, problem: Problem): RestoreWarning {
  const path = joinPath(place.folder, place.name);
  return { path, code: problem.code, message: `${displayPath(path)}: ${problem.reason}.` };
}

export function failedOutcome(place: EntryPlace, problem: Problem): RestoreOutcome {
  return { result: "failed", name: place.name, warnings: [warningOf(place, problem)] };
}
