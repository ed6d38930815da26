// A repository that is known to have copies.
import { AppError, isAppError } from "@holdfast/kernel";
import { readConfig } from "@holdfast/repository";
import type { Storage } from "@holdfast/storage";

/**
 * An empty place where copies should be is a disk that is not mounted, not the first backup or replication: a new repository would fill what
 * lies below it, while everybody believes that all is well.
 *
 * @throws AppError `ERR_REPOSITORY_MISSING`.
 */
export async function requireRepository(storage: Storage): Promise<void> {
  try {
    await readConfig(storage);
  } catch (error) {
    if (!isAppError(error, "ERR_REPOSITORY_MISSING")) throw error;
    throw new AppError(
      "ERR_REPOSITORY_MISSING",
      `There is no repository at ${storage.location} any more, though it has copies.`,
      {
        subject: storage.location,
        remedy:
          "Check that the disk or share is mounted, and that it is the right one. If the copies are lost for good, add a storage with another folder and clone the plan to it.",
        cause: error,
      },
    );
  }
}
