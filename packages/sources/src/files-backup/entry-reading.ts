/**
 * From what the file system says about an entry to what stands in the copy.
 *
 * @module
 */
import { ENTRY_LIMITS, type Entry, type FileEntry, type Xattr } from "@holdfast/repository";
import type { EntryMetadata } from "../posix/entry-metadata.ts";
import type { XattrReading } from "../posix/xattrs.ts";

const NS_PER_SECOND = 1_000_000_000n;

type Described = Omit<FileEntry, "kind" | "name" | "size" | "content">;

/** Everything but name, kind and content. */
export function describeEntry(
  metadata: EntryMetadata,
  xattrs: readonly Xattr[],
  changedWhileRead: boolean,
): Described {
  const { mtimeNs } = metadata;
  let mtimeSeconds = mtimeNs / NS_PER_SECOND;
  let rest = Number(mtimeNs - mtimeSeconds * NS_PER_SECOND);
  if (rest < 0) {
    mtimeSeconds -= 1n;
    rest += 1e9;
  }
  const isLinked = metadata.nlink > 1 && metadata.kind !== "directory";
  return {
    mode: metadata.mode,
    uid: metadata.uid,
    gid: metadata.gid,
    user: ownerName(metadata.user),
    group: ownerName(metadata.group),
    mtimeSeconds,
    mtimeNanoseconds: rest,
    xattrs,
    link: isLinked ? { device: BigInt(metadata.dev), inode: metadata.inode } : undefined,
    changedWhileRead,
  };
}

function ownerName(name: string | undefined): string {
  return name === undefined || Buffer.byteLength(name) > ENTRY_LIMITS.ownerBytes ? "" : name;
}

/** An entry that has no content; undefined for a link whose target could not be read. */
export function entryWithoutContent(
  name: Buffer,
  metadata: EntryMetadata,
  xattrs: readonly Xattr[],
): Entry | undefined {
  const described = describeEntry(metadata, xattrs, false);
  const { kind, linkTarget } = metadata;
  if (kind === "file") return undefined;
  if (kind === "symlink") {
    return linkTarget === undefined ? undefined : { ...described, kind, name, target: linkTarget };
  }
  if (kind === "char" || kind === "block") {
    return { ...described, kind, name, major: metadata.rdevMajor, minor: metadata.rdevMinor };
  }
  return { ...described, kind, name };
}

/** What of the attributes fits an entry, and whether something was left out. */
export function fittingXattrs(reading: XattrReading): {
  readonly xattrs: readonly Xattr[];
  readonly complete: boolean;
} {
  const { xattrs, failures } = reading;
  if (xattrs.length === 0) return { xattrs, complete: failures.length === 0 };
  let bytes = 0;
  const fitting = xattrs.filter(({ name, value }, index) => {
    bytes += name.length + value.length;
    return (
      index < ENTRY_LIMITS.xattrs &&
      name.length <= ENTRY_LIMITS.xattrNameBytes &&
      value.length <= ENTRY_LIMITS.xattrValueBytes &&
      bytes <= ENTRY_LIMITS.xattrBytes
    );
  });
  return { xattrs: fitting, complete: failures.length === 0 && fitting.length === xattrs.length };
}
