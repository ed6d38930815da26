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

/** Node's own numbers on Windows are not those of the C library: everything goes by name there. */
const NUMBERS: Readonly<Record<string, number | undefined>> = ERRNO;

/** The name of an error number, e.g. `ENOENT`; takes it negated or not. */
export function errnoName(errno: number): string {
  const number = Math.abs(errno);
  const found = Object.entries(NUMBERS).find(([, known]) => known === number);
  return getSystemErrorMap().get(-number)?.[0] ?? found?.[0] ?? `errno ${String(number)}`;
}

/** What an error number means, e.g. `no such file or directory`; takes it negated or not. */
export function errnoText(errno: number): string {
  const name = errnoName(errno);
  for (const [known, text] of getSystemErrorMap().values()) if (known === name) return text;
  return name;
}

/** The negated error number of an exception thrown by `node:fs`; anything else is thrown again. */
export function negatedErrno(error: unknown): number {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number" && error.errno < 0) {
    const named = "code" in error && typeof error.code === "string" ? NUMBERS[error.code] : undefined;
    return named === undefined ? error.errno : -named;
  }
  throw error;
}
