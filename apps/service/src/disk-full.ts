/**
 * A disk without room at the start of the service: said with the place, and how much is free there, instead of as whatever could not be
 * written.
 *
 * @module
 */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { AppError } from "@holdfast/kernel";
import { isFullDisk } from "./database/failures.ts";

/** Where the service writes at its start. */
export interface WrittenPlaces {
  readonly dataFolder: string;
  /** Of an embedded database. */
  readonly databaseFile: string | undefined;
  readonly unlockFile: string;
}

/** What an empty service takes, its worker and the log of the database included, with some room to work. */
const START_MEBIBYTES = 100;
const MEBIBYTE = 1024 * 1024;

/** The error to tell in place of one that a full disk has caused; any other as it is. */
export function explainFullDisk(error: unknown, places: WrittenPlaces): unknown {
  if (!isFullDisk(error) || (error instanceof AppError && error.code === "ERR_DISK_FULL")) return error;
  const folders = new Set(
    [places.databaseFile, places.unlockFile].flatMap((file) => (file === undefined ? [] : [dirname(file)])),
  ).add(places.dataFolder);
  const measured = [...folders].map((folder) => ({ folder, free: freeBytes(folder) }));
  const [least] = measured.toSorted((one, other) => one.free - other.free);
  const { folder, free } = least ?? { folder: places.dataFolder, free: 0 };
  return new AppError(
    "ERR_DISK_FULL",
    `The disk of ${folder} is full: ${sizeOf(free)} are free, which is not enough to start the service.`,
    {
      subject: folder,
      remedy: `Make room there, or name folders on another disk with --data and --unlock-file; a new service wants ${String(START_MEBIBYTES)} MiB. Then start it again: it goes on where it was.`,
      cause: error,
    },
  );
}

/** In the folder, or in the first one above it that is there. Quotas of users are not known here. */
function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    const above = dirname(folder);
    return above === folder ? Number.POSITIVE_INFINITY : freeBytes(above);
  }
}

function sizeOf(bytes: number): string {
  const [value, unit] = bytes < MEBIBYTE ? [bytes / 1024, "KiB"] : [bytes / MEBIBYTE, "MiB"];
  return `${value.toFixed(0)} ${unit}`;
}
