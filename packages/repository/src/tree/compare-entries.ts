/**
 * Whether two entries of the same path are the same, and if not, in what.
 *
 * @module
 */
import type { Content, Segment } from "./content.ts";
import type { Entry, Xattr } from "./entry.ts";

/** `modified`: another kind, content, target or device. `metadata`: anything else. */
export type EntryChange = "same" | "modified" | "metadata";

export function compareEntries(before: Entry, after: Entry): EntryChange {
  if (!hasSameSubstance(before, after)) return "modified";
  return hasSameMetadata(before, after) ? "same" : "metadata";
}

function hasSameSubstance(before: Entry, after: Entry): boolean {
  switch (before.kind) {
    case "file":
      return (
        after.kind === "file" && before.size === after.size && isSameContent(before.content, after.content)
      );
    case "symlink":
      return after.kind === "symlink" && before.target.equals(after.target);
    case "char":
    case "block":
      return before.kind === after.kind && before.major === after.major && before.minor === after.minor;
    case "directory":
    case "fifo":
    case "socket":
      break;
  }
  return before.kind === after.kind;
}

/** Equal bytes give equal content within a repository, since they are cut in the same way. */
function isSameContent(before: Content, after: Content): boolean {
  switch (before.form) {
    case "empty":
      return after.form === "empty";
    case "inline":
      return after.form === "inline" && before.bytes.equals(after.bytes);
    case "list":
      return after.form === "list" && before.depth === after.depth && before.id.equals(after.id);
    case "segments":
      break;
  }
  return (
    after.form === "segments" &&
    before.segments.length === after.segments.length &&
    before.segments.every((segment, index) => isSameSegment(segment, after.segments[index]))
  );
}

function isSameSegment(before: Segment, after: Segment | undefined): boolean {
  if (after === undefined || before.length !== after.length) return false;
  if (before.kind !== "data") return before.kind === after.kind;
  return after.kind === "data" && before.id.equals(after.id);
}

/**
 * Device and inode only say which names of one copy belong together, and device numbers change from boot to boot: what
 * counts is whether there are other names at all.
 */
function hasSameMetadata(before: Entry, after: Entry): boolean {
  return (
    before.mode === after.mode &&
    before.uid === after.uid &&
    before.gid === after.gid &&
    before.user === after.user &&
    before.group === after.group &&
    before.mtimeSeconds === after.mtimeSeconds &&
    before.mtimeNanoseconds === after.mtimeNanoseconds &&
    before.changedWhileRead === after.changedWhileRead &&
    (before.link === undefined) === (after.link === undefined) &&
    isSameXattrs(before.xattrs, after.xattrs)
  );
}

function isSameXattrs(before: readonly Xattr[], after: readonly Xattr[]): boolean {
  return (
    before.length === after.length &&
    before.every(({ name, value }, index) => {
      const other = after[index];
      return other !== undefined && name.equals(other.name) && value.equals(other.value);
    })
  );
}
