import { AppError, type ErrorContext } from "./errors.ts";

/** For damage that shows in the stored bytes. */
export const VERIFY_REMEDY = "Run `holdfast verify` to learn which copies are touched.";
/** For content that is not what its id says, which only reading it all can find. */
export const VERIFY_DATA_REMEDY = "Run `holdfast verify --read-data` to learn which copies are touched.";

/**
 * The error of stored bytes that are not what was written there: `ERR_DAMAGED`.
 *
 * @param what the thing, beginning a sentence: "The copy 5f0c".
 * @param reason the end of that sentence: "its checksum does not match".
 * @param context where it differs from the usual: the thing as subject, and {@link VERIFY_REMEDY}.
 */
export function damaged(what: string, reason: string, context: ErrorContext = {}): AppError {
  return new AppError("ERR_DAMAGED", `${what} is damaged: ${reason}.`, {
    subject: what,
    remedy: VERIFY_REMEDY,
    ...context,
  });
}
