/**
 * An entry of a copy: one file, directory, link or device with everything about it (docs/format.md, section 7).
 *
 * @module
 */
import type { Content } from "./content.ts";

/** An extended attribute; POSIX ACLs are attributes, too. */
export interface Xattr {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** Equal pairs within one copy are one file with several names. */
export interface HardLink {
  readonly device: bigint;
  readonly inode: bigint;
}

interface EntryBase {
  /** Raw bytes as the file system has them. */
  readonly name: Buffer;
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Empty when unknown. */
  readonly user: string;
  /** Empty when unknown. */
  readonly group: string;
  readonly mtimeSeconds: bigint;
  readonly mtimeNanoseconds: number;
  /** Ascending by name. */
  readonly xattrs: readonly Xattr[];
  readonly link: HardLink | undefined;
  /** The content changed while it was read, or parts of it could not be read. */
  readonly changedWhileRead: boolean;
}

export interface FileEntry extends EntryBase {
  readonly kind: "file";
  /** Bytes. */
  readonly size: number;
  readonly content: Content;
}

export interface DirectoryEntry extends EntryBase {
  readonly kind: "directory";
}

export interface SymlinkEntry extends EntryBase {
  readonly kind: "symlink";
  readonly target: Buffer;
}

export interface PipeEntry extends EntryBase {
  readonly kind: "fifo" | "socket";
}

export interface DeviceEntry extends EntryBase {
  readonly kind: "char" | "block";
  readonly major: number;
  readonly minor: number;
}

export type Entry = FileEntry | DirectoryEntry | SymlinkEntry | PipeEntry | DeviceEntry;
export type EntryKind = Entry["kind"];

/** What an entry may hold at most. Sources keep within it and report what they leave out. */
export const ENTRY_LIMITS = {
  /** Of a user or group name, in UTF-8. */
  ownerBytes: 256,
  xattrs: 4096,
  xattrNameBytes: 1024,
  xattrValueBytes: 1024 * 1024,
  /** Names and values of all attributes of an entry together: a page must hold the entry. */
  xattrBytes: 4 * 1024 * 1024,
  targetBytes: 64 * 1024,
  /** Of files that stand in their entry. */
  inlineBytes: 2048,
} as const;

const NO_IDS: readonly Buffer[] = [];

/** Sum of what counts as *file bytes* of an entry. */
export function fileBytesOf(entry: Entry): number {
  return entry.kind === "file" ? entry.size : 0;
}

/** The ids that an entry refers to: of its chunks, or of its list. May name one twice. */
export function entryRefs(entry: Entry): readonly Buffer[] {
  if (entry.kind !== "file") return NO_IDS;
  const { content } = entry;
  if (content.form === "list") return [content.id];
  if (content.form !== "segments") return NO_IDS;
  return content.segments.flatMap((segment) => (segment.kind === "data" ? [segment.id] : []));
}
