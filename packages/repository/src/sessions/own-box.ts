import { openBox } from "@holdfast/crypto";
import { AppError, isAppError } from "@holdfast/kernel";

/**
 * Opens a box under a key that is known to be right: one that does not open is damaged.
 *
 * @throws AppError `ERR_DAMAGED`.
 */
export function openOwnBox(key: Buffer, context: Buffer, box: Buffer, what: string): Buffer {
  try {
    return openBox(key, context, box, what);
  } catch (error) {
    if (!isAppError(error)) throw error;
    throw new AppError("ERR_DAMAGED", `${what} is damaged: its content does not open.`, {
      subject: what,
      cause: error,
    });
  }
}
