/**
 * Files whose content is in memory, written in one go.
 *
 * A file at a free name is created there directly, which costs about 15 us where a temporary name and a rename cost 24.
 * A restore that is killed must not leave half a file that looks complete, so the file is born with the mode 01000
 * (sticky, no permissions), which no regular file has otherwise, and gets its own mode as the last step. A later
 * restore recognises that mode and writes the file anew, whatever its policy for existing entries.
 *
 * Where that cannot serve (a name that is taken, attributes to set before the mode, the very mode 01000, a platform
 * that refuses it) the file is written under a temporary name and renamed. File systems without permissions (FAT) keep
 * no mark: there a kill can leave a short file, as with any copying program.
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
  type Problem,
  type RestoreOutcome,
  type RestoreWarning,
} from "./outcome.ts";
import { isUnfinished, makeTemporary, placeTemporary, UNFINISHED_FILE_MODE } from "./placing.ts";
import type { RestoreMetadata, TargetContext } from "./target-context.ts";

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const TEMPORARY_MODE = 0o600;

/** @throws {AppError} `ERR_TARGET` when the target is full. */
export function writeSmallFile(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  content: Uint8Array,
  metadata: RestoreMetadata,
): RestoreOutcome {
  const { calls } = context;
  if (canMark(context, metadata)) {
    const fd = calls.openFile(parent, place.name, CREATE, UNFINISHED_FILE_MODE);
    if (fd >= 0) {
      const filled = fill(context, { parent, name: place.name, fd }, place, content, metadata);
      if (isProblem(filled)) return failedOutcome(place, filled);
      return { result: "created", name: place.name, warnings: filled };
    }
    if (fd !== -ERRNO.EEXIST) return failedOutcome(place, callProblem(fd, "it cannot be made"));
  }
  // The answer of placeTemporary decides; this look only spares the writing.
  if (context.existing === "skip" && isTaken(context, parent, place.name)) {
    return { result: "skipped", name: place.name, warnings: NO_WARNINGS };
  }
  return writeTemporary(context, parent, place, content, metadata);
}

function canMark(context: TargetContext, metadata: RestoreMetadata): boolean {
  const plain = metadata.xattrs === undefined || metadata.xattrs.length === 0;
  return context.calls.marksUnfinished && plain && (metadata.mode & 0o7777) !== UNFINISHED_FILE_MODE;
}

export function isTaken(context: TargetContext, parent: DirectoryHandle, name: Buffer): boolean {
  return typeof context.calls.stat(parent, name) !== "number" && !isUnfinished(context, parent, name);
}

function writeTemporary(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  content: Uint8Array,
  metadata: RestoreMetadata,
): RestoreOutcome {
  let fd = -1;
  const temporary = makeTemporary(context, (name) => {
    fd = context.calls.openFile(parent, name, CREATE, TEMPORARY_MODE);
    return fd;
  });
  if (isProblem(temporary)) return failedOutcome(place, temporary);
  const filled = fill(context, { parent, name: temporary, fd }, place, content, metadata);
  if (isProblem(filled)) return failedOutcome(place, filled);
  const placed = placeTemporary(context, parent, temporary, place);
  if (isProblem(placed)) return failedOutcome(place, placed);
  if (placed.result === "skipped") return { ...placed, warnings: filled };
  const sealed = seal(context, parent, { folder: place.folder, name: placed.name }, metadata);
  return { ...placed, warnings: [...filled, ...sealed] };
}

interface CreatedFile {
  readonly parent: DirectoryHandle;
  readonly name: Buffer;
  readonly fd: number;
}

/** Writes and closes a file that was just created; it is removed again when its content cannot be written. */
function fill(
  context: TargetContext,
  created: CreatedFile,
  place: EntryPlace,
  content: Uint8Array,
  metadata: RestoreMetadata,
): readonly RestoreWarning[] | Problem {
  const { calls } = context;
  const { fd } = created;
  const written = content.length === 0 ? 0 : calls.writeAt(fd, content, 0);
  const warnings = written < 0 ? NO_WARNINGS : applyToOpened(context, fd, place, metadata);
  // Network file systems tell some failed writes only here.
  const closed = calls.closeFile(fd);
  if (written >= 0 && closed >= 0) return warnings;
  calls.unlink(created.parent, created.name);
  return callProblem(Math.min(written, closed), "its content cannot be written");
}
