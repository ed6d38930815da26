/**
 * `If-Match` (RFC 9110, section 13.1.1) with revisions as entity tags.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { InputError } from "./problems.ts";

/** @throws InputError unless it is one strong entity tag with a number. */
export function revisionOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const digits = /^\s*"(\d{1,15})"\s*$/u.exec(header)?.[1];
  if (digits !== undefined) return Number(digits);
  throw new InputError([{ path: "If-Match", message: 'is not one entity tag like "3"' }]);
}

/** @throws AppError `ERR_REVISION_NEEDED` or `ERR_CHANGED_MEANWHILE`. */
export function checkRevision(row: { readonly revision: number }, ifMatch: number | undefined): void {
  if (ifMatch === undefined) throw revisionNeeded();
  if (ifMatch === row.revision) return;
  throw new AppError("ERR_CHANGED_MEANWHILE", "Somebody else has changed this meanwhile.", {
    remedy: "Load it again, and repeat your change.",
  });
}

export function revisionNeeded(): AppError {
  return new AppError("ERR_REVISION_NEEDED", "An edit has to say which revision it is based on.", {
    remedy: "Send the ETag of the thing that was loaded as `If-Match`.",
  });
}
