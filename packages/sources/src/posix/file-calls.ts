/**
 * Calls that name an entry by an open directory and one name, with two implementations: system calls through koffi,
 * and Node's own `fs` (on Linux through `/proc/self/fd/N/name`, elsewhere by path).
 *
 * Every call that can fail returns the negated error number instead of throwing. Names are single components without
 * NUL; this is the caller's duty. No call ever follows a symbolic link in the last component.
 *
 * @module
 */
import type { EntryKind, EntryStat } from "./entry-stat.ts";

/** A directory held open. Close it with {@link FileCalls.closeDirectory} of the same thread. */
export interface DirectoryHandle {
  readonly fd: number;
  /** The real path, only where entries cannot be reached through the descriptor. */
  readonly path: Buffer | undefined;
}

export interface Xattr {
  /** With its name space, e.g. `user.comment`. */
  readonly name: Buffer;
  readonly value: Buffer;
}

/** What to set on an entry that is not opened: a link, a FIFO or a device. Absent fields are left alone. */
export interface NodeChange {
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
  readonly mtimeNs?: bigint;
  readonly xattrs?: readonly Xattr[];
}

export type NodeChangeStep = "open" | "owner" | "mode" | "xattr" | "times";

export interface NodeChangeFailure {
  readonly step: NodeChangeStep;
  /** Negated error number. */
  readonly errno: number;
  /** Name of the extended attribute, for the step `xattr`. */
  readonly xattr?: Buffer;
}

/** Results: not negative, or the negated error number. */
export interface FileCalls {
  /** True when a file created with no permissions and the sticky bit keeps exactly these, see restore-tree. */
  readonly marksUnfinished: boolean;

  /** Opens a directory by path, following symbolic links: for the place a person has named. */
  openTop(path: Buffer): DirectoryHandle | number;
  /** Opens a directory below another; `ELOOP` or `ENOTDIR` when the name is a symbolic link or no directory. */
  openDirectory(parent: DirectoryHandle, name: Uint8Array): DirectoryHandle | number;
  closeDirectory(directory: DirectoryHandle): void;

  /** Opens or creates a file by flags of `fs.constants`; never follows a link, never hands the descriptor on. */
  openFile(parent: DirectoryHandle, name: Uint8Array, flags: number, mode: number): number;
  /** Closes what {@link openFile} of the same thread has opened. */
  closeFile(fd: number): number;
  /** Writes all bytes at an offset; returns 0. */
  writeAt(fd: number, bytes: Uint8Array, offset: number): number;
  truncate(fd: number, size: number): number;
  /** Reserves blocks that read as zeros. `EOPNOTSUPP` or `ENOSYS` where that is not to be had. */
  allocate(fd: number, offset: number, length: number): number;
  /** Waits until everything on the directory's file system has reached the disk. */
  syncFileSystem(directory: DirectoryHandle): number;

  stat(parent: DirectoryHandle, name: Uint8Array): EntryStat | number;
  statFile(fd: number): EntryStat | number;
  readLink(parent: DirectoryHandle, name: Uint8Array): Buffer | number;

  makeDirectory(parent: DirectoryHandle, name: Uint8Array, mode: number): number;
  makeSymlink(target: Uint8Array, parent: DirectoryHandle, name: Uint8Array): number;
  makeLink(from: DirectoryHandle, fromName: Uint8Array, to: DirectoryHandle, toName: Uint8Array): number;
  /** A FIFO or a device, without permissions but the owner's. */
  makeNode(parent: DirectoryHandle, name: Uint8Array, kind: EntryKind, major: number, minor: number): number;
  rename(parent: DirectoryHandle, from: Uint8Array, to: Uint8Array): number;
  /** Like {@link rename}, but `EEXIST` when the new name is taken, in one step where the file system can. */
  renameIfFree(parent: DirectoryHandle, from: Uint8Array, to: Uint8Array): number;
  unlink(parent: DirectoryHandle, name: Uint8Array): number;
  removeDirectory(parent: DirectoryHandle, name: Uint8Array): number;

  setOwner(fd: number, uid: number, gid: number): number;
  setMode(fd: number, mode: number): number;
  /** Sets the modification time; the access time becomes the same. */
  setTimes(fd: number, mtimeNs: bigint): number;
  setXattr(fd: number, xattr: Xattr): number;
  removeXattr(fd: number, name: Uint8Array): number;
  /** Changes an entry that is not opened, but only while it still is of this kind. Returns what failed. */
  changeNode(
    parent: DirectoryHandle,
    name: Uint8Array,
    kind: EntryKind,
    change: NodeChange,
  ): readonly NodeChangeFailure[];
  /**
   * Sets, on an entry that has its content, its name and everything else, what of its attributes would have been in the
   * way of these: that it cannot be changed, that it is encrypted. Returns what failed.
   */
  seal(parent: DirectoryHandle, name: Uint8Array, xattrs: readonly Xattr[]): readonly NodeChangeFailure[];
}
