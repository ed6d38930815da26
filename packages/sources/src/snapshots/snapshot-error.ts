import { AppError } from "@holdfast/kernel";

const REMEDY =
  "Run it with the rights of an administrator, or without a snapshot: open files may then be left out.";

/** A volume could not be frozen, or a snapshot not be removed. */
export function snapshotError(message: string, subject: string, remedy: string = REMEDY): AppError {
  return new AppError("ERR_SNAPSHOT", message, { subject, remedy });
}
