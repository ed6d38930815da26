/**
 * Brings what SQLite has written to its log (WAL) to the disk, without stopping the thread for it: SQLite runs with `synchronous =
 * NORMAL`, which leaves a commit to the system, and whoever has written waits here until it is on the disk, as with `FULL`. Those who
 * wait at the same time share one sync. The log is consistent at every moment (sqlite.org/wal.html, section 3): what is lost with the
 * power is a commit that nobody was told of.
 *
 * @module
 */
import { type FileHandle, open } from "node:fs/promises";
import { AppError } from "@holdfast/kernel";

export interface LogSync {
  /** Starts when something was committed; resolves when that is on the disk. @throws AppError see {@link check}. */
  readonly written: () => Promise<void>;
  /** Resolves when everything is on the disk that was committed by now. @throws AppError see {@link check}. */
  readonly settled: () => Promise<void>;
  /**
   * Nobody knows what of the file is on the disk after a sync that failed, also when a later one succeeds: nothing is written any more.
   *
   * @throws AppError `ERR_DATABASE_UNREACHABLE`.
   */
  readonly check: () => void;
  readonly close: () => Promise<void>;
}

/** @param sync of the file; for tests. */
export function createLogSync(path: string, sync = syncData): LogSync {
  let file: Promise<FileHandle> | undefined;
  let running: Promise<void> | undefined;
  /** Begins when the running one has ended. */
  let next: Promise<void> | undefined;
  let failure: AppError | undefined;

  const start = (): Promise<void> => {
    next = undefined;
    file ??= open(path, "r+");
    running = file
      .then(sync)
      .catch((cause: unknown) => {
        failure ??= lost(path, cause);
        throw failure;
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  };
  const check = (): void => {
    if (failure !== undefined) throw failure;
  };
  return {
    written: async () => {
      check();
      if (running !== undefined) next ??= running.then(start);
      await (next ?? start());
    },
    settled: async () => {
      await (next ?? running);
      check();
    },
    check,
    close: async () => {
      await (next ?? running)?.catch(() => undefined);
      await (await file?.catch(() => undefined))?.close();
    },
  };
}

function syncData(file: FileHandle): Promise<void> {
  return file.datasync();
}

function lost(path: string, cause: unknown): AppError {
  return new AppError("ERR_DATABASE_UNREACHABLE", `The disk did not take what was written to ${path}.`, {
    subject: path,
    remedy: "Check the disk and its free space, then start the service again: nothing is written until then.",
    cause,
  });
}
