/**
 * Error numbers of system calls.
 *
 * Calls on the hot path return a number that is not negative, or the negated error number, like the kernel itself:
 * an expected `EEXIST` or `ENOENT` then costs no exception.
 *
 * @module
 */
import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";

export const ERRNO = constants.errno;

/** The name of an error number, e.g. `ENOENT`; takes it negated or not. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-Math.abs(errno))?.[0] ?? `errno ${String(Math.abs(errno))}`;
}

/** What an error number means, e.g. `no such file or directory`; takes it negated or not. */
export function errnoText(errno: number): string {
  return getSystemErrorMap().get(-Math.abs(errno))?.[1] ?? errnoName(errno);
}

/** The negated error number of an exception thrown by `node:fs`; anything else is thrown again. */
export function negatedErrno(error: unknown): number {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number" && error.errno < 0) {
    return error.errno;
  }
  throw error;
}
