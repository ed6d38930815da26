/**
 * Reading of directories: names as raw bytes, sorted bytewise, with the kind where the file system tells it.
 *
 * A directory may have millions of entries, so that there is no object per entry: one byte buffer holds all names
 * (each with a NUL behind it), numbers hold where they begin and in which order they stand. Memory is the bytes of the
 * names and 13 bytes an entry.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import fs from "node:fs";
import type { EntryKind } from "./entry-stat.ts";
import { ERRNO, errnoName, errnoText, negatedErrno } from "./errno.ts";
import type { DirectoryHandle } from "./file-calls.ts";
import { nativeBinding, type NativeBinding } from "./native-binding.ts";
import { sortNames } from "./name-sort.ts";
import { fileCalls } from "./system-calls.ts";

/** What one getdents64 call may fill; the kernel fills at most about 1 MiB, less is gentler to the cache. */
const ENTRIES_BUFFER_LENGTH = 64 * 1024;
const NAMES_BUFFER_LENGTH = 64 * 1024;
const ENTRY_COUNT_START = 4096;
/** Offsets are 32 bits wide: 4 GiB of names, about 200 million entries. */
const NAME_BYTES_MAX = 2 ** 32 - 1;

/** DT_* of dirent.h; an unknown type is 0. */
const KIND_BY_TYPE: readonly (EntryKind | undefined)[] = [
  undefined,
  "fifo",
  "char",
  undefined,
  "directory",
  undefined,
  "block",
  undefined,
  "file",
  undefined,
  "symlink",
  undefined,
  "socket",
];

/** The entries of one directory without `.` and `..`, by index in bytewise order of their names. */
export class DirectoryListing {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #offsets: Uint32Array;
  readonly #types: Uint8Array;
  readonly #order: Uint32Array;

  constructor(bytes: Buffer, offsets: Uint32Array, types: Uint8Array) {
    this.#bytes = bytes;
    this.#offsets = offsets;
    this.#types = types;
    this.#order = sortNames(bytes, offsets);
    this.count = this.#order.length;
  }

  /** A view of the name, valid as long as the listing. */
  name(index: number): Buffer {
    const entry = this.#order[index] ?? 0;
    const next = this.#offsets[entry + 1] ?? this.#bytes.length;
    return this.#bytes.subarray(this.#offsets[entry] ?? 0, next - 1);
  }

  /** Undefined where the file system does not tell. */
  kind(index: number): EntryKind | undefined {
    return KIND_BY_TYPE[this.#types[this.#order[index] ?? 0] ?? 0];
  }
}

/**
 * Reads a whole directory, through an open handle or by path (of at most 4,095 bytes).
 *
 * @throws {AppError} `ERR_SOURCE_UNREADABLE` or `ERR_SOURCE_VANISHED`.
 */
export function readDirectory(directory: DirectoryHandle | Buffer): DirectoryListing {
  if (!Buffer.isBuffer(directory)) return readHandle(directory);
  const calls = fileCalls();
  const handle = calls.openTop(directory);
  if (typeof handle === "number") throw unreadable(handle, directory.toString());
  try {
    return readHandle(handle);
  } finally {
    calls.closeDirectory(handle);
  }
}

/**
 * Opens a directory below another one without following a symbolic link; paths of any length are reached this way.
 * Returns the negated error number on failure. Close it with {@link closeDirectory} in the same thread.
 */
export function openDirectory(parent: DirectoryHandle, name: Uint8Array): DirectoryHandle | number {
  return fileCalls().openDirectory(parent, name);
}

/** Opens the directory a person has named; symbolic links in its path are followed. */
export function openTopDirectory(path: Buffer): DirectoryHandle | number {
  return fileCalls().openTop(path);
}

export function closeDirectory(directory: DirectoryHandle): void {
  fileCalls().closeDirectory(directory);
}

function unreadable(errno: number, subject: string): AppError {
  const code = errno === -ERRNO.ENOENT ? "ERR_SOURCE_VANISHED" : "ERR_SOURCE_UNREADABLE";
  const message = `The folder ${subject} cannot be read: ${errnoText(errno)} (${errnoName(errno)}).`;
  return new AppError(code, message, { subject });
}

function readHandle(directory: DirectoryHandle): DirectoryListing {
  const binding = nativeBinding();
  const names = new NameCollector();
  const errno =
    typeof binding === "string" || directory.path !== undefined
      ? collectPortable(directory, names)
      : collectNative(binding, directory.fd, names);
  if (errno < 0) throw unreadable(errno, `opened as descriptor ${String(directory.fd)}`);
  return names.finish();
}

/** Kept between calls: most directories are small. Larger arrays live as long as their listing only. */
const kept = {
  entries: Buffer.alloc(ENTRIES_BUFFER_LENGTH),
  names: Buffer.alloc(NAMES_BUFFER_LENGTH),
  offsets: new Uint32Array(ENTRY_COUNT_START),
  types: new Uint8Array(ENTRY_COUNT_START),
};

class NameCollector {
  #names = kept.names;
  #offsets = kept.offsets;
  #types = kept.types;
  #length = 0;
  #count = 0;

  /** Copies the name that begins at `start` of `source` and ends at a NUL; leaves out `.` and `..`. */
  add(source: Uint8Array, start: number, type: number): void {
    const names = this.#names;
    const begin = this.#length;
    let out = begin;
    let position = start;
    let byte = source[position] ?? 0;
    while (byte !== 0) {
      names[out] = byte;
      out += 1;
      position += 1;
      byte = source[position] ?? 0;
    }
    if (isDots(names, begin, out)) return;
    names[out] = 0;
    if (this.#count === this.#offsets.length) this.#growEntries();
    this.#offsets[this.#count] = begin;
    this.#types[this.#count] = type;
    this.#count += 1;
    this.#length = out + 1;
  }

  /** Makes room for names of so many bytes in all, NULs included. */
  reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#names.length) return;
    if (needed > NAME_BYTES_MAX) {
      throw new AppError("ERR_SOURCE_UNREADABLE", "A folder has more than 4 GiB of names.");
    }
    const grown = Buffer.allocUnsafe(Math.min(Math.max(needed, this.#names.length * 2), NAME_BYTES_MAX));
    grown.set(this.#names.subarray(0, this.#length));
    this.#names = grown;
  }

  finish(): DirectoryListing {
    const names = Buffer.from(this.#names.subarray(0, this.#length));
    return new DirectoryListing(
      names,
      this.#offsets.slice(0, this.#count),
      this.#types.slice(0, this.#count),
    );
  }

  #growEntries(): void {
    const offsets = new Uint32Array(this.#offsets.length * 2);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const types = new Uint8Array(this.#types.length * 2);
    types.set(this.#types);
    this.#types = types;
  }
}

function isDots(names: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  return length <= 2 && names[start] === 0x2e && (length === 1 || names[start + 1] === 0x2e);
}

/** struct linux_dirent64: u64 inode, s64 offset, u16 record length, u8 type, name with a NUL. */
function collectNative(binding: NativeBinding, fd: number, names: NameCollector): number {
  const { entries } = kept;
  if (binding.lseek(fd, 0, 0) < 0) return -binding.errno();
  for (;;) {
    const length = binding.getdents64(fd, entries, entries.length);
    if (length < 0) return -binding.errno();
    if (length === 0) return 0;
    names.reserve(length);
    let position = 0;
    while (position < length) {
      names.add(entries, position + 19, entries[position + 18] ?? 0);
      position += entries.readUInt16LE(position + 16);
    }
  }
}

function collectPortable(directory: DirectoryHandle, names: NameCollector): number {
  let entries: fs.Dirent<NonSharedBuffer>[];
  try {
    const path = directory.path ?? Buffer.from(`/proc/self/fd/${String(directory.fd)}`);
    entries = fs.readdirSync(path, { encoding: "buffer", withFileTypes: true });
  } catch (error) {
    return negatedErrno(error);
  }
  for (const entry of entries) {
    names.reserve(entry.name.length + 1);
    names.add(entry.name, 0, direntType(entry));
  }
  return 0;
}

function direntType(entry: fs.Dirent<NonSharedBuffer>): number {
  const kinds: readonly [boolean, EntryKind][] = [
    [entry.isFile(), "file"],
    [entry.isDirectory(), "directory"],
    [entry.isSymbolicLink(), "symlink"],
    [entry.isFIFO(), "fifo"],
    [entry.isSocket(), "socket"],
    [entry.isCharacterDevice(), "char"],
    [entry.isBlockDevice(), "block"],
  ];
  const kind = kinds.find(([matches]) => matches)?.[1];
  return kind === undefined ? 0 : KIND_BY_TYPE.indexOf(kind);
}
