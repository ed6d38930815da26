import { constants } from "node:fs";
import {
  decodeStatx,
  deviceNumber,
  type EntryKind,
  type EntryStat,
  formatBits,
  STATX_LENGTH,
  STATX_MASK,
} from "./entry-stat.ts";
import { ERRNO } from "./errno.ts";
import type { DirectoryHandle, FileCalls } from "./file-calls.ts";
import type { NativeBinding } from "./native-binding.ts";
import { createNativeNodeChange } from "./native-node-change.ts";
import { createNameTerminator } from "./terminated-name.ts";
import { encodeTimes } from "./timespec.ts";

// Values of include/uapi/linux/fcntl.h that node:fs does not name. O_NOFOLLOW and O_DIRECTORY differ between
// processors and come from node:fs.
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;
const RENAME_NOREPLACE = 1;
const LINK_TARGET_BYTES_MAX = 4096;

const OPEN_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC;
const EMPTY_NAME = Buffer.from("\0");

/** {@link FileCalls} by system calls of Linux. */
export function createNativeCalls(binding: NativeBinding): FileCalls {
  const check = (result: number): number => (result < 0 ? -(binding.errno() || ERRNO.EIO) : result);
  return {
    marksUnfinished: true,
    ...createDirectoryCalls(binding, check),
    ...createFileCalls(binding, check),
    ...createInspection(binding, check),
    ...createNamespaceCalls(binding, check),
    changeNode: createNativeNodeChange(binding, check),
    seal: () => [],
  };
}

export type Check = (result: number) => number;

function handle(fd: number): DirectoryHandle | number {
  return fd < 0 ? fd : { fd, path: undefined };
}

function createDirectoryCalls(
  binding: NativeBinding,
  check: Check,
): Pick<FileCalls, "openTop" | "openDirectory" | "closeDirectory" | "syncFileSystem"> {
  const terminate = createNameTerminator();
  return {
    openTop: (path) => handle(check(binding.openat(AT_FDCWD, terminate(path), OPEN_DIRECTORY, 0))),
    openDirectory: (parent, name) =>
      handle(check(binding.openat(parent.fd, terminate(name), OPEN_DIRECTORY | constants.O_NOFOLLOW, 0))),
    closeDirectory: (directory) => {
      binding.close(directory.fd);
    },
    syncFileSystem: (directory) => check(binding.syncfs(directory.fd)),
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

function createFileCalls(binding: NativeBinding, check: Check): FileContentCalls {
  const terminate = createNameTerminator();
  const safeFlags = constants.O_NOFOLLOW | O_CLOEXEC;
  return {
    openFile: (parent, name, flags, mode) =>
      check(binding.openat(parent.fd, terminate(name), flags | safeFlags, mode)),
    closeFile: (fd) => check(binding.close(fd)),
    writeAt: (fd, bytes, offset) => {
      let done = 0;
      while (done < bytes.length) {
        const rest = done === 0 ? bytes : bytes.subarray(done);
        const written = check(binding.pwrite(fd, rest, rest.length, offset + done));
        if (written < 0 && written !== -ERRNO.EINTR) return written;
        done += Math.max(written, 0);
      }
      return 0;
    },
    truncate: (fd, size) => check(binding.ftruncate(fd, size)),
    allocate: (fd, offset, length) => check(binding.fallocate(fd, 0, offset, length)),
    setOwner: (fd, uid, gid) => check(binding.fchown(fd, uid, gid)),
    setMode: (fd, mode) => check(binding.fchmod(fd, mode)),
    setTimes: (fd, mtimeNs) => check(binding.futimens(fd, encodeTimes(mtimeNs))),
    setXattr: (fd, xattr) =>
      check(binding.fsetxattr(fd, terminate(xattr.name), xattr.value, xattr.value.length, 0)),
    removeXattr: (fd, name) => check(binding.fremovexattr(fd, terminate(name))),
  };
}

function createInspection(
  binding: NativeBinding,
  check: Check,
): Pick<FileCalls, "stat" | "statFile" | "readLink"> {
  const terminate = createNameTerminator();
  const result = Buffer.alloc(STATX_LENGTH);
  const target = Buffer.alloc(LINK_TARGET_BYTES_MAX);
  const decode = (status: number): EntryStat | number =>
    status < 0 ? status : (decodeStatx(result) ?? -ERRNO.ENOTSUP);
  return {
    stat: (parent, name) =>
      decode(check(binding.statx(parent.fd, terminate(name), AT_SYMLINK_NOFOLLOW, STATX_MASK, result))),
    statFile: (fd) => decode(check(binding.statx(fd, EMPTY_NAME, AT_EMPTY_PATH, STATX_MASK, result))),
    readLink: (parent, name) => {
      const length = check(binding.readlinkat(parent.fd, terminate(name), target, target.length));
      return length < 0 ? length : Buffer.from(target.subarray(0, length));
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

function createNamespaceCalls(binding: NativeBinding, check: Check): NamespaceCalls {
  const terminate = createNameTerminator();
  const terminateSecond = createNameTerminator();
  const exists = (parent: DirectoryHandle, name: Uint8Array): boolean =>
    binding.statx(parent.fd, terminate(name), AT_SYMLINK_NOFOLLOW, 0, scratch) === 0;
  const scratch = Buffer.alloc(STATX_LENGTH);
  return {
    makeDirectory: (parent, name, mode) => check(binding.mkdirat(parent.fd, terminate(name), mode)),
    makeSymlink: (target, parent, name) =>
      check(binding.symlinkat(terminate(target), parent.fd, terminateSecond(name))),
    makeLink: (from, fromName, to, toName) =>
      check(binding.linkat(from.fd, terminate(fromName), to.fd, terminateSecond(toName), 0)),
    makeNode: (parent, name, kind: EntryKind, major, minor) =>
      check(
        binding.mknodat(parent.fd, terminate(name), formatBits(kind) | 0o600, deviceNumber(major, minor)),
      ),
    rename: (parent, from, to) =>
      check(binding.renameat(parent.fd, terminate(from), parent.fd, terminateSecond(to))),
    renameIfFree: (parent, from, to) => {
      const result = check(
        binding.renameat2(parent.fd, terminate(from), parent.fd, terminateSecond(to), RENAME_NOREPLACE),
      );
      if (result !== -ERRNO.EINVAL && result !== -ERRNO.ENOSYS) return result;
      // NFS and some FUSE file systems know no RENAME_NOREPLACE: look first, then rename.
      if (exists(parent, to)) return -ERRNO.EEXIST;
      return check(binding.renameat(parent.fd, terminate(from), parent.fd, terminateSecond(to)));
    },
    unlink: (parent, name) => check(binding.unlinkat(parent.fd, terminate(name), 0)),
    removeDirectory: (parent, name) => check(binding.unlinkat(parent.fd, terminate(name), AT_REMOVEDIR)),
  };
}
