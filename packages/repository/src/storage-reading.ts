/**
 * Reading of objects that another session may delete at any moment.
 *
 * @module
 */
import { isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";

/** The object, or undefined when it is not there (any more). */
export async function getIfThere(storage: Storage, name: string): Promise<Buffer | undefined> {
  try {
    return await storage.get(name);
  } catch (error) {
    if (isAppError(error, "ERR_STORAGE_NOT_FOUND")) return undefined;
    throw error;
  }
}
