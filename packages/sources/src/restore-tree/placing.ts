/**
 * What happens when the name of a restored entry is taken.
 *
 * Nothing that is there is ever opened, written to or followed: it is stepped aside from, or replaced as a whole by a
 * rename. So a FIFO cannot make the restore wait, and a symbolic or hard link cannot make it write elsewhere. A folder
 * that has content is never removed.
 *
 * @module
 */
import { ERRNO } from "../posix/errno.ts";
import type { DirectoryHandle } from "../posix/file-calls.ts";
import { joinPath } from "./entry-name.ts";
import {
  callProblem,
  type EntryPlace,
  failedOutcome,
  isProblem,
  NO_WARNINGS,
  type Problem,
  type RestoreOutcome,
  type RestoreResult,
} from "./outcome.ts";
import { restoredName } from "./restored-name.ts";
import type { TargetContext } from "./target-context.ts";

/** A regular file with exactly this mode is what a killed restore has left of a small file: see small-file.ts. */
export const UNFINISHED_FILE_MODE = 0o1000;
const RESTORED_NAMES_MAX = 10_000;
const TEMPORARY_NAMES_MAX = 100;

export interface Placed {
  readonly result: RestoreResult;
  readonly name: Buffer;
}

/** True when a killed restore has left an unfinished file at this name; it counts as nothing. */
export function isUnfinished(context: TargetContext, parent: DirectoryHandle, name: Buffer): boolean {
  const stat = context.calls.stat(parent, name);
  return typeof stat !== "number" && stat.kind === "file" && stat.mode === UNFINISHED_FILE_MODE;
}

/** Something of the caller's making that appears under a name in one step, or not at all (`EEXIST` when it is taken). */
export type MakeEntry = (name: Buffer) => number;

/** Makes an entry at its place by the policy for existing ones. */
export function placeNew(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  make: MakeEntry,
): Placed | Problem {
  const made = make(place.name);
  if (made >= 0) return { result: "created", name: place.name };
  if (made !== -ERRNO.EEXIST) return callProblem(made, "it cannot be made");
  const unfinished = isUnfinished(context, parent, place.name);
  if (context.existing === "skip" && !unfinished) return { result: "skipped", name: place.name };
  if (context.existing === "keep-both" && !unfinished) {
    return placeBeside(place, make, "it cannot be made");
  }
  const temporary = makeTemporary(context, make);
  return isProblem(temporary) ? temporary : replaceBy(context, parent, temporary, place);
}

/** Gives a finished temporary entry its final name by the policy for existing ones; it is gone when that fails. */
export function placeTemporary(
  context: TargetContext,
  parent: DirectoryHandle,
  temporary: Buffer,
  place: EntryPlace,
): Placed | Problem {
  const { calls } = context;
  const renamed = calls.renameIfFree(parent, temporary, place.name);
  if (renamed >= 0) return { result: "created", name: place.name };
  if (renamed !== -ERRNO.EEXIST) {
    calls.unlink(parent, temporary);
    return callProblem(renamed, "it cannot be given its name");
  }
  if (context.existing === "overwrite" || isUnfinished(context, parent, place.name)) {
    return replaceBy(context, parent, temporary, place);
  }
  if (context.existing === "skip") {
    calls.unlink(parent, temporary);
    return { result: "skipped", name: place.name };
  }
  const rename = (name: Buffer): number => calls.renameIfFree(parent, temporary, name);
  let placed: Placed | Problem | undefined;
  try {
    placed = placeBeside(place, rename, "it cannot be given a name");
    return placed;
  } finally {
    if (placed === undefined || isProblem(placed)) calls.unlink(parent, temporary);
  }
}

/** Makes an entry under a temporary name. */
export function makeTemporary(context: TargetContext, make: MakeEntry): Buffer | Problem {
  for (let attempt = 0; attempt < TEMPORARY_NAMES_MAX; attempt += 1) {
    const name = context.temporaryName();
    const made = make(name);
    if (made >= 0) return name;
    if (made !== -ERRNO.EEXIST) return callProblem(made, "it cannot be made");
  }
  return callProblem(-ERRNO.EEXIST, "no temporary name is free");
}

/** Puts a temporary entry in the place of what is there. An empty folder gives way, one with content does not. */
function replaceBy(
  context: TargetContext,
  parent: DirectoryHandle,
  temporary: Buffer,
  place: EntryPlace,
): Placed | Problem {
  const { calls, folders } = context;
  let renamed = calls.rename(parent, temporary, place.name);
  if (renamed === -ERRNO.EISDIR || renamed === -ERRNO.EEXIST || renamed === -ERRNO.ENOTEMPTY) {
    folders.forget(joinPath(place.folder, place.name));
    const removed = calls.removeDirectory(parent, place.name);
    renamed = removed < 0 ? removed : calls.rename(parent, temporary, place.name);
  }
  // Two names of one file: a rename then does nothing and leaves both.
  calls.unlink(parent, temporary);
  if (renamed >= 0) return { result: "replaced", name: place.name };
  const notEmpty = renamed === -ERRNO.ENOTEMPTY || renamed === -ERRNO.EEXIST;
  return callProblem(
    renamed,
    notEmpty ? "a folder with content has its name" : "it cannot be given its name",
  );
}

export function placeBeside(place: EntryPlace, make: MakeEntry, doing: string): Placed | Problem {
  let made = -ERRNO.EEXIST;
  for (let number = 1; number <= RESTORED_NAMES_MAX && made === -ERRNO.EEXIST; number += 1) {
    const name = restoredName(place.name, number);
    made = make(name);
    if (made >= 0) return { result: "kept-both", name };
  }
  return callProblem(made, doing);
}

export function outcomeOf(place: EntryPlace, placed: Placed | Problem): RestoreOutcome {
  if (isProblem(placed)) return failedOutcome(place, placed);
  return { result: placed.result, name: placed.name, warnings: NO_WARNINGS };
}
