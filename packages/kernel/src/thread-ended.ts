import { AppError } from "./errors.ts";

/**
 * A worker thread that ended in the middle of its work, which it never does of its own: `ERR_FAILED`.
 *
 * @param work what it worked for, such as "backup".
 */
export function threadEnded(work: string): AppError {
  return new AppError("ERR_FAILED", `A thread of the ${work} ended in the middle of its work.`, {
    remedy: "Run it again; when it stays so, report it with what `--verbose` shows.",
  });
}
