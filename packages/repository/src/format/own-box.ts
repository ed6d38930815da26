import { openBox } from "@holdfast/crypto";
import { damaged, isAppError } from "@holdfast/kernel";

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
    throw damaged(what, "its content does not open", { cause: error });
  }
}
