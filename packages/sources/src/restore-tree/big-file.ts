/**
 * Files written piece by piece, from any thread, at any offset: under a temporary name, renamed once complete.
 *
 * The file has its full size from the start, so that what is never written is a hole.
 *
 * @module
 */
import { constants } from "node:fs";
import { ERRNO } from "../posix/errno.ts";
import type { DirectoryHandle } from "../posix/file-calls.ts";
import { applyToOpened, seal } from "./metadata.ts";
import {
  callProblem,
  type EntryPlace,
  failedOutcome,
  isProblem,
  NO_WARNINGS,
  type RestoreOutcome,
  type RestoreWarning,
  warningOf,
} from "./outcome.ts";
import { makeTemporary, placeTemporary } from "./placing.ts";
import { isTaken } from "./small-file.ts";
import type { RestoreMetadata, TargetContext } from "./target-context.ts";

const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
const TEMPORARY_MODE = 0o600;
const ZEROS = Buffer.alloc(256 * 1024);

/** A file that is being written: plain data, which may be sent to other threads. */
export interface BigFile {
  readonly place: EntryPlace;
  readonly temporaryName: Buffer;
  readonly fd: number;
}

/** Begins a file; an outcome instead when it is skipped or cannot be made. */
export function beginBigFile(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  size: number,
): BigFile | RestoreOutcome {
  const { calls } = context;
  if (context.existing === "skip" && isTaken(context, parent, place.name)) {
    return { result: "skipped", name: place.name, warnings: NO_WARNINGS };
  }
  let fd = -1;
  const temporaryName = makeTemporary(context, (name) => {
    fd = calls.openFile(parent, name, CREATE, TEMPORARY_MODE);
    return fd;
  });
  if (isProblem(temporaryName)) return failedOutcome(place, temporaryName);
  const sized = calls.truncate(fd, size);
  if (sized >= 0) return { place, temporaryName, fd };
  discard(context, parent, { place, temporaryName, fd });
  return failedOutcome(place, callProblem(sized, "the file cannot be made as large as it was"));
}

/**
 * Writes content; a warning means that the file is to be abandoned.
 *
 * @throws {AppError} `ERR_TARGET` when the target is full; the file is then still to be abandoned.
 */
export function writeContent(
  context: TargetContext,
  file: BigFile,
  bytes: Uint8Array,
  offset: number,
): RestoreWarning | undefined {
  const written = context.calls.writeAt(file.fd, bytes, offset);
  return written < 0 ? contentWarning(file, written) : undefined;
}

/** Zeros that are allocated, as against holes, which are simply not written. */
export function writeZeros(
  context: TargetContext,
  file: BigFile,
  offset: number,
  length: number,
): RestoreWarning | undefined {
  const allocated = context.calls.allocate(file.fd, offset, length);
  if (allocated >= 0) return undefined;
  if (allocated !== -ERRNO.ENOSYS && allocated !== -ERRNO.ENOTSUP) return contentWarning(file, allocated);
  for (let done = 0; done < length; done += ZEROS.length) {
    const part = ZEROS.subarray(0, Math.min(ZEROS.length, length - done));
    const warning = writeContent(context, file, part, offset + done);
    if (warning !== undefined) return warning;
  }
  return undefined;
}

/** Gives a complete file its metadata and its name, and closes it. */
export function finishBigFile(
  context: TargetContext,
  parent: DirectoryHandle,
  file: BigFile,
  metadata: RestoreMetadata,
): RestoreOutcome {
  const warnings = applyToOpened(context, file.fd, file.place, metadata);
  const closed = context.calls.closeFile(file.fd);
  if (closed < 0) {
    context.calls.unlink(parent, file.temporaryName);
    return failedOutcome(file.place, callProblem(closed, "its content cannot be written"));
  }
  const placed = placeTemporary(context, parent, file.temporaryName, file.place);
  if (isProblem(placed)) return failedOutcome(file.place, placed);
  if (placed.result === "skipped") return { ...placed, warnings };
  const sealed = seal(context, parent, { folder: file.place.folder, name: placed.name }, metadata);
  return { ...placed, warnings: [...warnings, ...sealed] };
}

/** Closes and removes a file that will not be completed. */
export function discard(context: TargetContext, parent: DirectoryHandle, file: BigFile): void {
  context.calls.closeFile(file.fd);
  context.calls.unlink(parent, file.temporaryName);
}

function contentWarning(file: BigFile, errno: number): RestoreWarning {
  return warningOf(file.place, callProblem(errno, "its content cannot be written"));
}
