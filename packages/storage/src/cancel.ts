import { AppError } from "@holdfast/kernel";

/** @throws {AppError} `ERR_CANCELLED` (or the signal's own reason when that is an AppError) once `signal` is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined, subject: string): void {
  if (signal?.aborted !== true) return;
  throw cancelled(signal.reason, subject);
}

export function cancelled(reason: unknown, subject: string): AppError {
  if (reason instanceof AppError) return reason;
  return new AppError("ERR_CANCELLED", `The work on ${subject} was cancelled.`, { subject, cause: reason });
}
