import { AppError } from "@holdfast/kernel";
import { ASK_OPERATOR } from "../failure-meaning.ts";

/** A storage that says now this and now that: `ERR_STORAGE_FAILED`. */
export function contradiction(message: string, subject: string): AppError {
  return new AppError("ERR_STORAGE_FAILED", message, { subject, remedy: ASK_OPERATOR });
}
