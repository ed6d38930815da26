/**
 * {@link FileCalls} by Node's own `fs`, where system calls cannot be made through koffi.
 *
 * With process directories (Linux) each name is resolved below the open directory, as with the system calls. Without
 * them entries are reached by path: links are looked for before each step, but a user who swaps one in between two
 * steps is not stopped; `posixCapabilities().missing` says so.
 *
 * @module
 */
import fs from "node:fs";
import { type EntryKind, type EntryStat, fromNodeStats } from "./entry-stat.ts";
import { ERRNO, negatedErrno } from "./errno.ts";
import type { DirectoryHandle, FileCalls, NodeChangeFailure, NodeChangeStep } from "./file-calls.ts";
import { toSeconds } from "./timespec.ts";

const SEPARATOR = Buffer.from("/");
const OPEN_DIRECTORY = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY;

/** The path by which `node:fs` reaches an entry of an open directory. */
export type Reach = (directory: DirectoryHandle, name: Uint8Array) => Buffer;

/**
 * @param processDirectories whether `/proc/self/fd/N/name` reaches an entry of an open directory.
 * @param entryPath default: with a slash between folder and name.
 */
export function createPortableCalls(processDirectories: boolean, entryPath: Reach = reachBySlash): FileCalls {
  return {
    marksUnfinished: processDirectories,
    ...createDirectoryCalls(processDirectories, entryPath),
    ...createFileCalls(entryPath),
    ...createInspection(entryPath),
    ...createNamespaceCalls(entryPath),
    changeNode: createNodeChange(entryPath),
    seal: () => [],
  };
}

export function reachBySlash(directory: DirectoryHandle, name: Uint8Array): Buffer {
  const path = directory.path ?? Buffer.from(`/proc/self/fd/${String(directory.fd)}`);
  return Buffer.concat([path, SEPARATOR, name]);
}

function attempt(call: () => number | undefined): number {
  try {
    return call() ?? 0;
  } catch (error) {
    return negatedErrno(error);
  }
}

/** Runs a call without result; 0 or the negated error number. */
function done(call: () => void): number {
  return attempt(() => {
    call();
    return 0;
  });
}

function createDirectoryCalls(
  processDirectories: boolean,
  entryPath: Reach,
): Pick<FileCalls, "openTop" | "openDirectory" | "closeDirectory" | "syncFileSystem"> {
  const open = (path: Buffer, flags: number): DirectoryHandle | number => {
    const fd = attempt(() => fs.openSync(path, flags));
    return fd < 0 ? fd : { fd, path: processDirectories ? undefined : path };
  };
  return {
    openTop: (path) => open(path, OPEN_DIRECTORY),
    openDirectory: (parent, name) => open(entryPath(parent, name), OPEN_DIRECTORY | fs.constants.O_NOFOLLOW),
    closeDirectory: (directory) => {
      fs.closeSync(directory.fd);
    },
    syncFileSystem: (directory) =>
      done(() => {
        fs.fsyncSync(directory.fd);
      }),
  };
}

type FileContentCalls = Pick<
  FileCalls,
  | "openFile"
  | "closeFile"
  | "writeAt"
  | "truncate"
  | "allocate"
  | "setOwner"
  | "setMode"
  | "setTimes"
  | "setXattr"
  | "removeXattr"
>;

function createFileCalls(entryPath: Reach): FileContentCalls {
  return {
    openFile: (parent, name, flags, mode) =>
      attempt(() => fs.openSync(entryPath(parent, name), flags | fs.constants.O_NOFOLLOW, mode)),
    closeFile: (fd) =>
      done(() => {
        fs.closeSync(fd);
      }),
    writeAt: (fd, bytes, offset) =>
      done(() => {
        let position = 0;
        while (position < bytes.length) {
          position += fs.writeSync(fd, bytes, position, bytes.length - position, offset + position);
        }
      }),
    truncate: (fd, size) =>
      done(() => {
        fs.ftruncateSync(fd, size);
      }),
    allocate: () => -ERRNO.ENOSYS,
    setOwner: (fd, uid, gid) =>
      done(() => {
        fs.fchownSync(fd, uid, gid);
      }),
    setMode: (fd, mode) =>
      done(() => {
        fs.fchmodSync(fd, mode);
      }),
    setTimes: (fd, mtimeNs) =>
      done(() => {
        fs.futimesSync(fd, toSeconds(mtimeNs), toSeconds(mtimeNs));
      }),
    setXattr: () => -ERRNO.ENOSYS,
    removeXattr: () => -ERRNO.ENOSYS,
  };
}

function inspect(read: () => fs.BigIntStats): EntryStat | number {
  try {
    return fromNodeStats(read()) ?? -ERRNO.ENOTSUP;
  } catch (error) {
    return negatedErrno(error);
  }
}

function createInspection(entryPath: Reach): Pick<FileCalls, "stat" | "statFile" | "readLink"> {
  return {
    stat: (parent, name) => inspect(() => fs.lstatSync(entryPath(parent, name), { bigint: true })),
    statFile: (fd) => inspect(() => fs.fstatSync(fd, { bigint: true })),
    readLink: (parent, name) => {
      try {
        return fs.readlinkSync(entryPath(parent, name), "buffer");
      } catch (error) {
        return negatedErrno(error);
      }
    },
  };
}

type NamespaceCalls = Pick<
  FileCalls,
  | "makeDirectory"
  | "makeSymlink"
  | "makeLink"
  | "makeNode"
  | "rename"
  | "renameIfFree"
  | "unlink"
  | "removeDirectory"
>;

function createNamespaceCalls(entryPath: Reach): NamespaceCalls {
  const rename: FileCalls["rename"] = (parent, from, to) =>
    done(() => {
      fs.renameSync(entryPath(parent, from), entryPath(parent, to));
    });
  return {
    makeDirectory: (parent, name, mode) =>
      done(() => {
        fs.mkdirSync(entryPath(parent, name), { mode });
      }),
    makeSymlink: (target, parent, name) =>
      done(() => {
        fs.symlinkSync(Buffer.from(target), entryPath(parent, name));
      }),
    makeLink: (from, fromName, to, toName) =>
      done(() => {
        fs.linkSync(entryPath(from, fromName), entryPath(to, toName));
      }),
    makeNode: () => -ERRNO.ENOSYS,
    rename,
    renameIfFree: (parent, from, to) => {
      const taken = fs.lstatSync(entryPath(parent, to), { throwIfNoEntry: false }) !== undefined;
      return taken ? -ERRNO.EEXIST : rename(parent, from, to);
    },
    unlink: (parent, name) =>
      done(() => {
        fs.unlinkSync(entryPath(parent, name));
      }),
    removeDirectory: (parent, name) =>
      done(() => {
        fs.rmdirSync(entryPath(parent, name));
      }),
  };
}

function createNodeChange(entryPath: Reach): FileCalls["changeNode"] {
  return (parent, name, kind, change) => {
    const path = entryPath(parent, name);
    const failures: NodeChangeFailure[] = [];
    const note = (step: NodeChangeStep, errno: number): void => {
      if (errno < 0) failures.push({ step, errno });
    };
    if (!isOfKind(path, kind)) return [{ step: "open", errno: -ERRNO.EBUSY }];
    const { uid, gid, mode, mtimeNs, xattrs } = change;
    if (uid !== undefined && gid !== undefined) {
      note(
        "owner",
        done(() => {
          fs.lchownSync(path, uid, gid);
        }),
      );
    }
    // Node has no chmod that does not follow links, and no link has a mode of its own.
    if (mode !== undefined && kind !== "symlink") note("mode", -ERRNO.ENOSYS);
    for (const xattr of xattrs ?? [])
      failures.push({ step: "xattr", errno: -ERRNO.ENOSYS, xattr: xattr.name });
    if (mtimeNs !== undefined) {
      note(
        "times",
        done(() => {
          fs.lutimesSync(path, toSeconds(mtimeNs), toSeconds(mtimeNs));
        }),
      );
    }
    return failures;
  };
}

function isOfKind(path: Buffer, kind: EntryKind): boolean {
  const stats = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && fromNodeStats(stats)?.kind === kind && stats.nlink === 1n;
}
