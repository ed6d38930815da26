/**
 * Folders: made for their owner alone, so that nobody looks into what is not finished; their metadata come once their
 * content is complete.
 *
 * @module
 */
import { ERRNO } from "../posix/errno.ts";
import type { DirectoryHandle } from "../posix/file-calls.ts";
import { joinPath } from "./entry-name.ts";
import { UNFINISHED_FOLDER_MODE } from "./folder-cache.ts";
import { applyToOpened, seal } from "./metadata.ts";
import {
  callProblem,
  type EntryPlace,
  failedOutcome,
  isProblem,
  NO_WARNINGS,
  type RestoreOutcome,
  type RestoreWarning,
  unsafe,
  warningOf,
} from "./outcome.ts";
import { outcomeOf, placeBeside } from "./placing.ts";
import type { RestoreMetadata, TargetContext } from "./target-context.ts";

/** Someone who plants something again after each removal must not keep the restore busy for ever. */
const REPLACE_ATTEMPTS_MAX = 3;
const INHERITED = [Buffer.from("system.posix_acl_default"), Buffer.from("system.posix_acl_access")];

/** @throws {AppError} `ERR_TARGET` when the target is full. */
export function makeFolder(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
): RestoreOutcome {
  const { calls } = context;
  const make = (name: Buffer): number => {
    const made = calls.makeDirectory(parent, name, UNFINISHED_FOLDER_MODE);
    if (made >= 0) removeInherited(context, joinPath(place.folder, name));
    return made;
  };
  const made = make(place.name);
  if (made >= 0) return { result: "created", name: place.name, warnings: NO_WARNINGS };
  if (made !== -ERRNO.EEXIST) return failedOutcome(place, callProblem(made, "the folder cannot be made"));
  const present = calls.stat(parent, place.name);
  if (typeof present !== "number" && present.kind === "directory") {
    return { result: "merged", name: place.name, warnings: NO_WARNINGS };
  }
  if (context.existing === "overwrite") return replaceByFolder(context, parent, place, make);
  if (context.existing === "keep-both") {
    return outcomeOf(place, placeBeside(place, make, "the folder cannot be made"));
  }
  const problem = unsafe("something else has the name of this folder, so that the folder is left out");
  return { result: "skipped", name: place.name, warnings: [warningOf(place, problem)] };
}

/** Gives a folder its metadata, the times last: to be called after all of its content. */
export function finishFolder(
  context: TargetContext,
  place: EntryPlace,
  metadata: RestoreMetadata,
): readonly RestoreWarning[] {
  const path = place.name.length === 0 ? place.folder : joinPath(place.folder, place.name);
  const folder = context.folders.open(path);
  if (isProblem(folder)) return [warningOf(place, folder)];
  const warnings = applyToOpened(context, folder.fd, place, metadata);
  // The target itself stays open to whoever restores into it.
  const parent = place.name.length === 0 ? undefined : context.folders.open(place.folder);
  if (parent === undefined || isProblem(parent)) return warnings;
  return [...warnings, ...seal(context, parent, place, metadata)];
}

function replaceByFolder(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  make: (name: Buffer) => number,
): RestoreOutcome {
  let made = -ERRNO.EEXIST;
  for (let attempt = 0; attempt < REPLACE_ATTEMPTS_MAX && made === -ERRNO.EEXIST; attempt += 1) {
    // unlink takes away a link itself, never what it points to, and no folder.
    const removed = context.calls.unlink(parent, place.name);
    if (removed < 0 && removed !== -ERRNO.ENOENT) {
      return failedOutcome(place, callProblem(removed, "what has the name of this folder cannot be removed"));
    }
    made = make(place.name);
  }
  if (made < 0) return failedOutcome(place, callProblem(made, "the folder cannot be made"));
  return { result: "replaced", name: place.name, warnings: NO_WARNINGS };
}

/** A default access control list above the target would open every restored entry to others. */
function removeInherited(context: TargetContext, path: Buffer): void {
  const folder = context.folders.open(path);
  if (isProblem(folder)) return;
  for (const name of INHERITED) context.calls.removeXattr(folder.fd, name);
}
