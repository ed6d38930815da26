/**
 * Changes of entries that cannot be opened for their content: symbolic links, FIFOs, devices.
 *
 * The entry is first pinned with O_PATH, which neither follows a link nor waits for a FIFO nor touches a driver, and
 * its kind and link count are looked at: a local user who puts a link to `/etc/shadow` in its place gets nothing
 * changed. All changes then go through the pinned descriptor.
 *
 * @module
 */
import { constants } from "node:fs";
import { decodeStatx, type EntryKind, STATX_LENGTH, STATX_MASK } from "./entry-stat.ts";
import { ERRNO } from "./errno.ts";
import type { FileCalls, NodeChange, NodeChangeFailure, NodeChangeStep } from "./file-calls.ts";
import type { NativeBinding } from "./native-binding.ts";
import { createNameTerminator } from "./terminated-name.ts";
import { encodeTimes } from "./timespec.ts";

const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const EMPTY_NAME = Buffer.from("\0");

export function createNativeNodeChange(
  binding: NativeBinding,
  check: (result: number) => number,
): FileCalls["changeNode"] {
  const terminate = createNameTerminator();
  const result = Buffer.alloc(STATX_LENGTH);
  const isStill = (fd: number, kind: EntryKind): boolean => {
    if (binding.statx(fd, EMPTY_NAME, AT_EMPTY_PATH, STATX_MASK, result) < 0) return false;
    const stat = decodeStatx(result);
    return stat !== undefined && stat.kind === kind && stat.nlink === 1;
  };
  return (parent, name, kind, change) => {
    const flags = O_PATH | constants.O_NOFOLLOW | O_CLOEXEC;
    const fd = check(binding.openat(parent.fd, terminate(name), flags, 0));
    if (fd < 0) return [{ step: "open", errno: fd }];
    try {
      if (!isStill(fd, kind)) return [{ step: "open", errno: -ERRNO.EBUSY }];
      return applyChange(binding, check, fd, kind, change);
    } finally {
      binding.close(fd);
    }
  };
}

function applyChange(
  binding: NativeBinding,
  check: (result: number) => number,
  fd: number,
  kind: EntryKind,
  change: NodeChange,
): readonly NodeChangeFailure[] {
  const terminate = createNameTerminator();
  const failures: NodeChangeFailure[] = [];
  const note = (step: NodeChangeStep, errno: number, xattr?: Buffer): void => {
    if (errno < 0) failures.push(xattr === undefined ? { step, errno } : { step, errno, xattr });
  };
  // A descriptor opened with O_PATH takes no fchmod, fsetxattr or futimens; its magic link reaches the same inode
  // and is not followed any further.
  const pinned = Buffer.from(`/proc/self/fd/${String(fd)}\0`);
  const { uid, gid, mode, mtimeNs } = change;
  if (uid !== undefined && gid !== undefined) {
    note("owner", check(binding.fchownat(fd, EMPTY_NAME, uid, gid, AT_EMPTY_PATH)));
  }
  if (mode !== undefined && kind !== "symlink") note("mode", check(binding.chmod(pinned, mode)));
  for (const { name, value } of change.xattrs ?? []) {
    note("xattr", check(binding.setxattr(pinned, terminate(name), value, value.length, 0)), name);
  }
  if (mtimeNs !== undefined) {
    note("times", check(binding.utimensat(AT_FDCWD, pinned, encodeTimes(mtimeNs), 0)));
  }
  return failures;
}
