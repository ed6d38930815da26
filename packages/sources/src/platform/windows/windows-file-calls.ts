/**
 * {@link FileCalls} on Windows: Node's own calls by path, and what Node lacks by {@link WindowsCalls}.
 *
 * There is no call that opens relative to an open folder and follows no link. Each step looks for a link first; a user who
 * swaps one in between two steps is not stopped (docs/platforms.md).
 *
 * @module
 */
import fs from "node:fs";
import { WINDOWS_LINK } from "../attribute-names.ts";
import { trackPaths } from "../tracked-paths.ts";
import type { EntryStat } from "../../posix/entry-stat.ts";
import { ERRNO, negatedErrno } from "../../posix/errno.ts";
import type { DirectoryHandle, FileCalls, NodeChangeFailure, Xattr } from "../../posix/file-calls.ts";
import { createPortableCalls, type Reach } from "../../posix/portable-calls.ts";
import { toSeconds } from "../../posix/timespec.ts";
import { ATTRIBUTE, decodeAttributeData, REMOTE } from "./file-attributes.ts";
import { belowPath, VIRTUAL_MARK } from "./paths.ts";
import { reparseKindOf } from "./reparse-points.ts";
import { sealOnWindows, setWindowsAttribute } from "./windows-attributes.ts";
import type { WindowsCalls } from "./windows-calls.ts";

export const reachOnWindows: Reach = (directory, name) =>
  Buffer.from(belowPath(text(directory.path), text(name)), "utf8");

/** @param calls undefined where koffi is missing: then nothing but content, names and times is restored. */
export function createWindowsFileCalls(calls: WindowsCalls | undefined, reach = reachOnWindows): FileCalls {
  const tracked = trackPaths(createPortableCalls(false, reach), reach);
  const base = tracked.calls;
  const stat = createStat(base, calls, reach);
  const setXattr = (path: Buffer, xattr: Xattr): number =>
    calls === undefined ? -ERRNO.ENOSYS : setWindowsAttribute(calls, text(path), xattr);
  return {
    ...base,
    ...createOpening(base, stat, reach),
    stat,
    // Who owns a file stands in its security descriptor.
    setOwner: () => 0,
    // Descriptors of folders may not write attributes: all goes by path.
    setMode: (fd, mode) => attempt(() => fs.chmodSync(tracked.pathOf(fd), mode)),
    setTimes: (fd, mtimeNs) =>
      attempt(() => fs.utimesSync(tracked.pathOf(fd), toSeconds(mtimeNs), toSeconds(mtimeNs))),
    setXattr: (fd, xattr) => setXattr(tracked.pathOf(fd), xattr),
    removeXattr: () => 0,
    // There is no call for a whole file system that everybody may use.
    syncFileSystem: () => 0,
    makeDirectory: (parent, name, mode) => {
      const made = base.makeDirectory(parent, name, mode);
      if (made >= 0 || made === -ERRNO.EEXIST) return made;
      // The root of a drive answers that access is denied.
      const present = stat(parent, name);
      return typeof present !== "number" && present.kind === "directory" ? -ERRNO.EEXIST : made;
    },
    rename: (parent, from, to) => {
      const renamed = base.rename(parent, from, to);
      if (renamed !== -ERRNO.EPERM && renamed !== -ERRNO.EACCES) return renamed;
      const present = stat(parent, to);
      return typeof present !== "number" && present.kind === "directory" ? -ERRNO.EISDIR : renamed;
    },
    changeNode: (parent, name, kind, { mtimeNs, xattrs = [] }) => {
      const failures: NodeChangeFailure[] = [];
      const path = reach(parent, name);
      const present = stat(parent, name);
      if (typeof present === "number" || present.kind !== kind)
        return [{ step: "open", errno: -ERRNO.EBUSY }];
      for (const xattr of xattrs) {
        const isLink = xattr.name.toString("latin1") === WINDOWS_LINK;
        const errno = isLink ? makeAgain(path, xattr.value.toString("latin1")) : setXattr(path, xattr);
        if (errno < 0) failures.push({ step: "xattr", errno, xattr: xattr.name });
      }
      const timed =
        mtimeNs === undefined
          ? 0
          : attempt(() => fs.lutimesSync(path, toSeconds(mtimeNs), toSeconds(mtimeNs)));
      return timed < 0 ? [...failures, { step: "times", errno: timed }] : failures;
    },
    seal: (parent, name, xattrs) => {
      const errno = calls === undefined ? 0 : sealOnWindows(calls, text(reach(parent, name)), xattrs);
      return errno < 0 ? [{ step: "xattr", errno }] : [];
    },
  };
}

function createOpening(
  base: FileCalls,
  stat: FileCalls["stat"],
  reach: Reach,
): Pick<FileCalls, "openTop" | "openDirectory" | "closeDirectory" | "openFile"> {
  return {
    openTop: (path) => virtual(path) ?? base.openTop(path),
    openDirectory: (parent, name) => {
      const place = virtual(reach(parent, name));
      if (place !== undefined) return place;
      const present = stat(parent, name);
      if (typeof present === "number") return present;
      if (present.kind === "symlink") return -ERRNO.ELOOP;
      return present.kind === "directory" ? base.openDirectory(parent, name) : -ERRNO.ENOTDIR;
    },
    closeDirectory: (directory) => {
      if (directory.fd !== VIRTUAL_FD) base.closeDirectory(directory);
    },
    openFile: (parent, name, flags, mode) => {
      const present = stat(parent, name);
      const isThere = typeof present !== "number" || present === -ERRNO.ENOTSUP;
      // A link to nothing would have its target made.
      if (isThere && (flags & fs.constants.O_EXCL) !== 0) return -ERRNO.EEXIST;
      if (typeof present !== "number" && present.kind === "symlink") return -ERRNO.ELOOP;
      return base.openFile(parent, name, flags, mode);
    },
  };
}

const VIRTUAL_FD = -1;

function virtual(path: Buffer): DirectoryHandle | undefined {
  return text(path).startsWith(VIRTUAL_MARK) ? { fd: VIRTUAL_FD, path } : undefined;
}

/** Folders above drives and shares. */
const VIRTUAL_STAT: EntryStat = {
  kind: "directory",
  mode: 0o555,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  ctimeNs: 0n,
  dev: 0,
  inode: 0n,
  nlink: 1,
  size: 0,
  blocks: 0,
  rdevMajor: 0,
  rdevMinor: 0,
};

/** `ENOTSUP` for what would not be kept as what it is: content that is elsewhere, and links that only a program knows. */
function createStat(base: FileCalls, calls: WindowsCalls | undefined, reach: Reach): FileCalls["stat"] {
  return (parent, name) => {
    const path = text(reach(parent, name));
    if (path.startsWith(VIRTUAL_MARK)) return VIRTUAL_STAT;
    const stat = base.stat(parent, name);
    if (typeof stat === "number" || calls === undefined) return stat;
    const data = calls.attributeData(path);
    const bits = typeof data === "number" ? 0 : decodeAttributeData(data).bits;
    if ((bits & REMOTE) !== 0 && stat.kind === "file") return -ERRNO.ENOTSUP;
    if ((bits & ATTRIBUTE.reparsePoint) === 0) return stat;
    const point = calls.reparsePoint(path);
    return typeof point === "number" || reparseKindOf(point) === "other" ? -ERRNO.ENOTSUP : stat;
  };
}

/** A link is made for a file or a folder; Node's guess goes by what is there. */
function makeAgain(path: Buffer, kind: string): number {
  if (kind !== "file" && kind !== "dir" && kind !== "junction") return -ERRNO.EINVAL;
  return attempt(() => {
    const target = fs.readlinkSync(path, "buffer");
    fs.unlinkSync(path);
    try {
      fs.symlinkSync(target, path, kind);
    } catch (error) {
      fs.symlinkSync(target, path);
      throw error;
    }
  });
}

function attempt(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    return negatedErrno(error);
  }
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("utf8");
}
