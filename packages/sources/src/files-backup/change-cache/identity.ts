/**
 * What must be equal for an entry to count as unchanged since the last backup.
 *
 * @module
 */
import type { EntryMetadata } from "../../posix/entry-metadata.ts";

export interface Identity {
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  /**
   * A digest of what the entry says besides and the file system may change without touching the inode: names of user and
   * group, and the device where it stands in the entry.
   */
  readonly tag: number;
}

export function identityOf(metadata: EntryMetadata): Identity {
  const { size, mtimeNs, ctimeNs, inode } = metadata;
  return { size, mtimeNs, ctimeNs, inode, tag: tagOf(metadata) };
}

/** Whether two looks at an open file saw the same content; the tag does not matter. */
export function isSameContent(
  one: Pick<Identity, "size" | "mtimeNs" | "ctimeNs" | "inode">,
  other: Pick<Identity, "size" | "mtimeNs" | "ctimeNs" | "inode">,
): boolean {
  return (
    one.size === other.size &&
    one.mtimeNs === other.mtimeNs &&
    one.ctimeNs === other.ctimeNs &&
    one.inode === other.inode
  );
}

/** Tags of owners, each computed once: there are few. */
const ownerTags = new Map<number, number>();

function tagOf(metadata: EntryMetadata): number {
  const key = metadata.uid * 0x1_0000_0000 + metadata.gid;
  let tag = ownerTags.get(key);
  if (tag === undefined) {
    tag = fnv(`${metadata.user ?? ""}\0${metadata.group ?? ""}`);
    ownerTags.set(key, tag);
  }
  const isLinked = metadata.nlink > 1 && metadata.kind !== "directory";
  return isLinked ? (tag ^ Math.imul(metadata.dev + 1, 0x9e37_79b1)) >>> 0 : tag;
}

/** FNV-1a, 32 bits: tells a change of names by mistake, not by intent. */
function fnv(text: string): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  }
  return hash >>> 0;
}
