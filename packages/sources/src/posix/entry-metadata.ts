/**
 * Everything a backup keeps about one entry but its content and its extended attributes.
 *
 * @module
 */
import { constants } from "node:fs";
import type { EntryStat } from "./entry-stat.ts";
import { ERRNO } from "./errno.ts";
import type { DirectoryHandle } from "./file-calls.ts";
import { ownerNames } from "./owner-names.ts";
import { fileCalls } from "./system-calls.ts";

export interface EntryMetadata extends EntryStat {
  /** Undefined when this machine has no name for the number. */
  readonly user: string | undefined;
  readonly group: string | undefined;
  /** Where a symbolic link points, as raw bytes. */
  readonly linkTarget: Buffer | undefined;
}

/** Reads the metadata of an entry of an open directory; the negated error number on failure. */
export function readEntryMetadata(directory: DirectoryHandle, name: Uint8Array): EntryMetadata | number {
  const calls = fileCalls();
  const stat = calls.stat(directory, name);
  if (typeof stat === "number") return stat;
  if (stat.kind !== "symlink") return withOwnerNames(stat, undefined);
  const linkTarget = calls.readLink(directory, name);
  return typeof linkTarget === "number" ? linkTarget : withOwnerNames(stat, linkTarget);
}

/** The metadata of an open file or directory: what is to be compared after a file was read. */
export function readOpenMetadata(fd: number): EntryMetadata | number {
  const stat = fileCalls().statFile(fd);
  return typeof stat === "number" ? stat : withOwnerNames(stat, undefined);
}

/** True when fewer blocks are allocated than the size needs. */
export function mayBeSparse(stat: EntryStat): boolean {
  return stat.kind === "file" && stat.blocks * 512 < stat.size;
}

/** O_NOATIME of the processors served; node:fs has it on Linux only. */
const NO_ACCESS_TIME = constants.O_NOATIME as number | undefined;

/**
 * Opens a file to be read: never follows a link, never waits for a FIFO that has taken the file's place, leaves the
 * access time alone where that is allowed. The negated error number on failure; close with {@link closeFile}.
 */
export function openForReading(directory: DirectoryHandle, name: Uint8Array): number {
  const calls = fileCalls();
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  if (NO_ACCESS_TIME !== undefined) {
    const fd = calls.openFile(directory, name, flags | NO_ACCESS_TIME, 0);
    // Only the owner and root may ask for O_NOATIME.
    if (fd !== -ERRNO.EPERM) return fd;
  }
  return calls.openFile(directory, name, flags, 0);
}

export function closeFile(fd: number): void {
  fileCalls().closeFile(fd);
}

function withOwnerNames(stat: EntryStat, linkTarget: Buffer | undefined): EntryMetadata {
  const names = ownerNames();
  return {
    kind: stat.kind,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    dev: stat.dev,
    inode: stat.inode,
    nlink: stat.nlink,
    size: stat.size,
    blocks: stat.blocks,
    rdevMajor: stat.rdevMajor,
    rdevMinor: stat.rdevMinor,
    user: names.userName(stat.uid),
    group: names.groupName(stat.gid),
    linkTarget,
  };
}
