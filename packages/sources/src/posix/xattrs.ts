/**
 * Extended attributes, POSIX access control lists and file capabilities among them, as raw bytes.
 *
 * @module
 */
import { ERRNO } from "./errno.ts";
import type { DirectoryHandle, Xattr } from "./file-calls.ts";
import { nativeBinding, type NativeBinding } from "./native-binding.ts";
import { createNameTerminator } from "./terminated-name.ts";

export interface XattrReading {
  /** Sorted by name, bytewise. */
  readonly xattrs: readonly Xattr[];
  /** What could not be read; `name` is undefined when not even the list could. */
  readonly failures: readonly { readonly name: Buffer | undefined; readonly errno: number }[];
}

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of include/uapi/linux/limits.h. */
const LIST_BYTES_MAX = 64 * 1024;
const VALUE_BYTES_MAX = 64 * 1024;

const NONE: XattrReading = { xattrs: [], failures: [] };
const scratch = Buffer.alloc(LIST_BYTES_MAX);
const value = Buffer.alloc(VALUE_BYTES_MAX);

interface Subject {
  readonly list: () => number;
  readonly get: (name: Uint8Array) => number;
}

/** The attributes of an open file or directory. Empty where the file system or the machine has none. */
export function readOpenXattrs(fd: number): XattrReading {
  const binding = nativeBinding();
  if (typeof binding === "string") return NONE;
  return readAll(binding, {
    list: () => binding.flistxattr(fd, scratch, scratch.length),
    get: (name) => binding.fgetxattr(fd, name, value, value.length),
  });
}

/** The attributes of an entry of an open directory that is not opened itself: a link, a FIFO, a device, a socket. */
export function readEntryXattrs(directory: DirectoryHandle, name: Uint8Array): XattrReading {
  const binding = nativeBinding();
  if (typeof binding === "string") return NONE;
  // There are no calls with a directory and a name before Linux 6.13; the magic link does the same.
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${String(directory.fd)}/`), name, NUL]);
  return readAll(binding, {
    list: () => binding.llistxattr(path, scratch, scratch.length),
    get: (attribute) => binding.lgetxattr(path, attribute, value, value.length),
  });
}

const NUL = Buffer.from("\0");
const terminate = createNameTerminator();

function readAll(binding: NativeBinding, subject: Subject): XattrReading {
  const listLength = subject.list();
  if (listLength === 0) return NONE;
  if (listLength < 0) {
    const errno = -binding.errno();
    return errno === -ERRNO.ENOTSUP ? NONE : { xattrs: [], failures: [{ name: undefined, errno }] };
  }
  const xattrs: Xattr[] = [];
  const failures: { name: Buffer; errno: number }[] = [];
  for (const name of splitNames(Buffer.from(scratch.subarray(0, listLength)))) {
    const length = subject.get(terminate(name));
    if (length >= 0) {
      xattrs.push({ name, value: Buffer.from(value.subarray(0, length)) });
      continue;
    }
    const errno = -binding.errno();
    // ENODATA: removed since it was listed.
    if (errno !== -ERRNO.ENODATA) failures.push({ name, errno });
  }
  return { xattrs: xattrs.toSorted((a, b) => Buffer.compare(a.name, b.name)), failures };
}

function splitNames(list: Buffer): readonly Buffer[] {
  const names: Buffer[] = [];
  let start = 0;
  for (let end = list.indexOf(0); end >= 0; end = list.indexOf(0, start)) {
    if (end > start) names.push(list.subarray(start, end));
    start = end + 1;
  }
  return names;
}
