/**
 * Setting metadata on what was restored, in the only order that keeps all of it.
 *
 * The owner comes first, because a change of owner takes the set-user-id bits and file capabilities away. Attributes of
 * the user come before the mode, which may forbid them; access control lists and capabilities after it, because the
 * mode is part of the list. Times come last. Set-user-id bits are given only to the recorded owner: a program owned by
 * whoever restores must not gain his rights for everyone.
 *
 * @module
 */
import process from "node:process";
import type { EntryKind } from "../posix/entry-stat.ts";
import type { DirectoryHandle, NodeChangeFailure, NodeChangeStep, Xattr } from "../posix/file-calls.ts";
import { ownerNames } from "../posix/owner-names.ts";
import { OWN_PREFIX } from "../platform/attribute-names.ts";
import { displayBytes } from "./entry-name.ts";
import { type EntryPlace, NO_WARNINGS, problemOf, type RestoreWarning, warningOf } from "./outcome.ts";
import type { RestoreMetadata, TargetContext } from "./target-context.ts";

const SET_ID_BITS = 0o6000;
const MODE_BITS = 0o7777;
const NO_XATTRS: readonly Xattr[] = [];

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Sets everything on an open file or folder. */
export function applyToOpened(
  context: TargetContext,
  fd: number,
  place: EntryPlace,
  metadata: RestoreMetadata,
): readonly RestoreWarning[] {
  const { calls } = context;
  const failures: NodeChangeFailure[] = [];
  const note = (step: NodeChangeStep, errno: number): void => {
    if (errno < 0) failures.push({ step, errno });
  };
  const owner = ownerToSet(context, metadata);
  if (owner !== undefined) note("owner", calls.setOwner(fd, owner.uid, owner.gid));
  const mode = allowedMode(metadata, owner, failures.length === 0);
  const xattrs = metadata.xattrs ?? NO_XATTRS;
  const set = (xattr: Xattr): void => {
    const errno = calls.setXattr(fd, xattr);
    if (errno < 0) failures.push({ step: "xattr", errno, xattr: xattr.name });
  };
  for (const xattr of xattrs) if (!followsMode(xattr)) set(xattr);
  note("times", calls.setTimes(fd, metadata.mtimeNs));
  // Its own mode says that a file is complete (small-file.ts): of one without attributes nothing is to be set after it.
  note("mode", calls.setMode(fd, mode));
  for (const xattr of xattrs) if (followsMode(xattr)) set(xattr);
  return failures.length === 0 ? NO_WARNINGS : failures.map((failure) => metadataWarning(place, failure));
}

/** Sets everything on a link, FIFO or device, which is not opened for it. */
export function applyToNode(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  kind: EntryKind,
  metadata: RestoreMetadata,
): readonly RestoreWarning[] {
  const owner = ownerToSet(context, metadata);
  const failures = context.calls.changeNode(parent, place.name, kind, {
    ...owner,
    ...(kind === "symlink" ? {} : { mode: allowedMode(metadata, owner, true) }),
    xattrs: metadata.xattrs ?? NO_XATTRS,
    mtimeNs: metadata.mtimeNs,
  });
  return [
    ...failures.map((failure) => metadataWarning(place, failure)),
    ...seal(context, parent, place, metadata),
  ];
}

/** The last step, once an entry is complete and has its name: what would have forbidden one of these. */
export function seal(
  context: TargetContext,
  parent: DirectoryHandle,
  place: EntryPlace,
  { xattrs = NO_XATTRS }: RestoreMetadata,
): readonly RestoreWarning[] {
  if (xattrs.length === 0) return NO_WARNINGS;
  const failures = context.calls.seal(parent, place.name, xattrs);
  return failures.map((failure) => metadataWarning(place, failure));
}

function followsMode(xattr: Xattr): boolean {
  const name = xattr.name.toString("latin1");
  return name.startsWith("system.") || name.startsWith("security.") || name.startsWith(OWN_PREFIX);
}

function ownerToSet(context: TargetContext, metadata: RestoreMetadata): Owner | undefined {
  if (context.owners === "leave") return undefined;
  if (context.owners === "numbers") return metadata;
  const names = ownerNames();
  const { user, group } = metadata;
  return {
    uid: (user === undefined ? undefined : names.userId(user)) ?? metadata.uid,
    gid: (group === undefined ? undefined : names.groupId(group)) ?? metadata.gid,
  };
}

function allowedMode(metadata: RestoreMetadata, set: Owner | undefined, ownerIsSet: boolean): number {
  const mode = metadata.mode & MODE_BITS;
  if ((mode & SET_ID_BITS) === 0) return mode;
  const own =
    set === undefined && metadata.uid === process.geteuid?.() && metadata.gid === process.getegid?.();
  return own || (set !== undefined && ownerIsSet) ? mode : mode & ~SET_ID_BITS;
}

const STEP_TEXT: Readonly<Record<NodeChangeStep, string>> = {
  open: "its metadata were not set, because something else has taken its place",
  owner: "its owner cannot be set",
  mode: "its permissions cannot be set",
  xattr: "an extended attribute cannot be set",
  times: "its times cannot be set",
};

function metadataWarning(place: EntryPlace, failure: NodeChangeFailure): RestoreWarning {
  const attribute = failure.xattr === undefined ? "" : ` (${displayBytes(failure.xattr)})`;
  // A full disk is no reason to stop here: ext4 answers ENOSPC for an attribute that is too large for an inode.
  const problem = problemOf(failure.errno, `${STEP_TEXT[failure.step]}${attribute}`);
  return warningOf(place, failure.step === "open" ? { ...problem, code: "ERR_TARGET_UNSAFE" } : problem);
}
