/**
 * From the operating system's error numbers to the product's errors.
 *
 * @module
 */
import { AppError, errorCode } from "@holdfast/kernel";
import { MAKE_ROOM, type Meaning } from "../failure-meaning.ts";

const full: Meaning = {
  code: "ERR_STORAGE_FULL",
  reason: "there is no space left",
  remedy: MAKE_ROOM,
};
const denied: Meaning = {
  code: "ERR_STORAGE_DENIED",
  reason: "the system refuses it",
  remedy:
    "Give this user the right to read and write the folder, and check that it is not mounted read-only.",
};
const unreachable: Meaning = {
  code: "ERR_STORAGE_UNREACHABLE",
  reason: "the folder is not there",
  remedy: "Check the path, and that the disk or share is connected and mounted.",
};
const failed: Meaning = {
  code: "ERR_STORAGE_FAILED",
  reason: "the system reports an error",
  remedy: "Check the disk and its file system (system log), then try again.",
};

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: full,
  EDQUOT: full,
  EACCES: denied,
  EPERM: denied,
  EROFS: denied,
  ENOENT: unreachable,
  ESTALE: unreachable,
  ENOTCONN: unreachable,
  ETIMEDOUT: unreachable,
  EHOSTDOWN: unreachable,
  EHOSTUNREACH: unreachable,
  ENODEV: unreachable,
  ENXIO: unreachable,
};

/** Nothing of that name is there, as far as the path could be followed. */
export function isMissing(error: unknown): boolean {
  const name = errorCode(error);
  return name === "ENOENT" || name === "ENOTDIR";
}

/** @param action what was tried, as the subject of a sentence: "Writing packs/ab". */
export function storageFailure(error: unknown, action: string, location: string): AppError {
  if (error instanceof AppError) return error;
  const name = errorCode(error);
  const meaning = (name === undefined ? undefined : MEANINGS[name]) ?? failed;
  const detail = name === undefined ? "" : ` (${name})`;
  return new AppError(meaning.code, `${action} in ${location} failed: ${meaning.reason}${detail}.`, {
    subject: location,
    remedy: meaning.remedy,
    cause: error,
  });
}
