/**
 * Everything that is neither a folder nor content: symbolic links, hard links, FIFOs, devices.
 *
 * @module
 */
import type { EntryKind } from "../posix/entry-stat.ts";
import { ERRNO } from "../posix/errno.ts";
import type { DirectoryHandle } from "../posix/file-calls.ts";
import { applyToNode } from "./metadata.ts";
import {
  type EntryPlace,
  failedOutcome,
  isProblem,
  NO_WARNINGS,
  problemOf,
  type RestoreOutcome,
  unsafe,
} from "./outcome.ts";
import { type MakeEntry, outcomeOf, placeNew } from "./placing.ts";
import type { RestoreMetadata, TargetContext } from "./target-context.ts";

/** PATH_MAX of Linux, without the NUL. */
const LINK_TARGET_BYTES_MAX = 4095;
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xfffff;

export type SpecialKind = "fifo" | "socket" | "char" | "block";

/** Makes a symbolic link; where it points is not looked at, because nothing ever goes through it. */
export function makeSymlink(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  target: Buffer,
  metadata: RestoreMetadata,
): RestoreOutcome {
  if (target.length === 0 || target.length > LINK_TARGET_BYTES_MAX || target.includes(0)) {
    return failedOutcome(place, unsafe("no symbolic link can point where this one does"));
  }
  const make: MakeEntry = (name) => context.calls.makeSymlink(target, parent, name);
  return makeNode(context, parent, place, "symlink", make, metadata);
}

/** Makes a FIFO or a device; a socket belongs to the program that listens and is left out with a warning. */
export function makeSpecial(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  special: { readonly kind: SpecialKind; readonly major: number; readonly minor: number },
  metadata: RestoreMetadata,
): RestoreOutcome {
  const { kind, major, minor } = special;
  if (kind === "socket") {
    const reason = "left out: a socket is made anew by its program";
    return failedOutcome(place, { code: "ERR_UNSUPPORTED", reason });
  }
  if (major > MAJOR_MAX || minor > MINOR_MAX) {
    return failedOutcome(place, unsafe("its device number is out of range"));
  }
  const make: MakeEntry = (name) => context.calls.makeNode(parent, name, kind, major, minor);
  return makeNode(context, parent, place, kind, make, metadata);
}

/**
 * Makes another name of an entry that was restored before. The outcome `failed` leaves it to the caller to write the
 * content once more: some file systems have no hard links.
 */
export function makeHardLink(
  context: TargetContext,
  parents: { readonly source: DirectoryHandle; readonly parent: DirectoryHandle },
  place: EntryPlace,
  source: EntryPlace,
  kind: EntryKind,
): RestoreOutcome {
  const { calls } = context;
  const original = calls.stat(parents.source, source.name);
  if (typeof original === "number") {
    return failedOutcome(place, problemOf(original, "its first name cannot be found"));
  }
  // Else a planted symbolic link would get a second name, and what it points to would seem to have been restored.
  if (original.kind !== kind) return failedOutcome(place, unsafe("something else has its first name"));
  const present = calls.stat(parents.parent, place.name);
  if (typeof present !== "number" && present.inode === original.inode && present.dev === original.dev) {
    return { result: "created", name: place.name, warnings: NO_WARNINGS };
  }
  const make: MakeEntry = (name) => calls.makeLink(parents.source, source.name, parents.parent, name);
  return outcomeOf(place, placeNew(context, parents.parent, place, make));
}

function makeNode(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  kind: EntryKind,
  make: MakeEntry,
  metadata: RestoreMetadata,
): RestoreOutcome {
  let errno = 0;
  const placed = placeNew(context, parent, place, (name) => {
    errno = make(name);
    return errno;
  });
  if (isProblem(placed)) {
    const needsRoot = errno === -ERRNO.EPERM && kind !== "symlink";
    return failedOutcome(
      place,
      needsRoot ? { ...placed, reason: `${placed.reason}; it takes root` } : placed,
    );
  }
  if (placed.result === "skipped") return outcomeOf(place, placed);
  const finalPlace: EntryPlace = { folder: place.folder, name: placed.name };
  const warnings = applyToNode(context, parent, finalPlace, kind, metadata);
  return { result: placed.result, name: placed.name, warnings };
}
