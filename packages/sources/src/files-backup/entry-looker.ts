/**
 * Looks at entries: one system call each, into memory that is used again, and no object unless one is asked for. In a
 * backup of an unchanged source this is nearly all there is to do.
 *
 * @module
 */
import { constants } from "node:fs";
import { readOpenMetadata, type EntryMetadata } from "../posix/entry-metadata.ts";
import {
  decodeStatx,
  deviceNumber,
  type EntryKind,
  type EntryStat,
  formatBits,
  STATX_LENGTH,
  STATX_MASK,
} from "../posix/entry-stat.ts";
import { ERRNO } from "../posix/errno.ts";
import type { DirectoryHandle } from "../posix/file-calls.ts";
import { nativeBinding, type NativeBinding } from "../posix/native-binding.ts";
import { ownerNames } from "../posix/owner-names.ts";
import { fileCalls } from "../posix/system-calls.ts";
import { createNameTerminator } from "../posix/terminated-name.ts";
import { newStamp, type Stamp } from "./change-cache/stamp.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const EMPTY_NAME = Buffer.from("\0");

/** Words of struct statx (include/uapi/linux/stat.h). */
const NLINK = 4;
const UID = 5;
const GID = 6;
const MODE = 7;
const INODE = 8;
const SIZE = 10;
const CTIME = 24;
const MTIME = 28;
const DEVICE_MAJOR = 34;
const DEVICE_MINOR = 35;
const FORMAT_SHIFT = 12;

/** Kinds by the file format bits. */
const KINDS: readonly (EntryKind | undefined)[] = Array.from({ length: 16 }, (_, format) =>
  (["file", "directory", "symlink", "fifo", "socket", "char", "block"] as const).find(
    (kind) => formatBits(kind) >>> FORMAT_SHIFT === format,
  ),
);

export class EntryLooker {
  /** Of the entry looked at last; overwritten by the next look. */
  readonly stamp: Stamp = newStamp();
  readonly #bytes = Buffer.alloc(STATX_LENGTH);
  readonly #words = new Int32Array(this.#bytes.buffer, this.#bytes.byteOffset, STATX_LENGTH / 4);
  readonly #terminate = createNameTerminator();
  readonly #binding: NativeBinding | undefined;
  readonly #tags = new Map<number, number>();
  #device = 0;

  constructor() {
    const binding = nativeBinding();
    this.#binding = typeof binding === "string" ? undefined : binding;
  }

  /** Looks at an entry of an open directory; 0, or the negated error number. */
  look(directory: DirectoryHandle, name: Uint8Array): number {
    if (this.#binding === undefined) return this.#take(fileCalls().stat(directory, name));
    const path = this.#terminate(name);
    return this.#done(this.#binding.statx(directory.fd, path, AT_SYMLINK_NOFOLLOW, STATX_MASK, this.#bytes));
  }

  /** Looks at an open file or directory. */
  lookAtOpen(fd: number): number {
    if (this.#binding === undefined) return this.#take(readOpenMetadata(fd));
    return this.#done(this.#binding.statx(fd, EMPTY_NAME, AT_EMPTY_PATH, STATX_MASK, this.#bytes));
  }

  /** Of the entry looked at last. */
  get kind(): EntryKind {
    return KINDS[(this.#word(MODE) & constants.S_IFMT) >>> FORMAT_SHIFT] ?? "file";
  }

  get device(): number {
    return this.#device;
  }

  get inode(): bigint {
    return this.#bytes.readBigUInt64LE(INODE * 4);
  }

  /** Everything about the entry looked at last, but where a link points. */
  metadata(): EntryMetadata {
    const stat = decodeStatx(this.#bytes);
    if (stat === undefined) throw new Error("an entry has no kind");
    const names = ownerNames();
    return {
      ...stat,
      dev: this.#device,
      user: names.userName(stat.uid),
      group: names.groupName(stat.gid),
      linkTarget: undefined,
    };
  }

  #done(status: number): number {
    if (status < 0) return -(this.#binding?.errno() ?? ERRNO.EIO);
    this.#device = deviceNumber(this.#word(DEVICE_MAJOR) >>> 0, this.#word(DEVICE_MINOR) >>> 0);
    this.#setStamp();
    return KINDS[(this.#word(MODE) & constants.S_IFMT) >>> FORMAT_SHIFT] === undefined ? -ERRNO.ENOTSUP : 0;
  }

  #setStamp(): void {
    const { stamp } = this;
    stamp[0] = this.#word(INODE);
    stamp[1] = this.#word(INODE + 1);
    stamp[2] = this.#word(SIZE);
    stamp[3] = this.#word(SIZE + 1);
    stamp[4] = this.#word(MTIME);
    stamp[5] = this.#word(MTIME + 1);
    stamp[6] = this.#word(MTIME + 2);
    stamp[7] = this.#word(CTIME);
    stamp[8] = this.#word(CTIME + 1);
    stamp[9] = this.#word(CTIME + 2);
    stamp[10] = this.#tag();
  }

  #tag(): number {
    const uid = this.#word(UID) >>> 0;
    const gid = this.#word(GID) >>> 0;
    const key = uid * 0x1_0000_0000 + gid;
    let tag = this.#tags.get(key);
    if (tag === undefined) {
      const names = ownerNames();
      tag = fnv(`${names.userName(uid) ?? ""}\0${names.groupName(gid) ?? ""}`);
      this.#tags.set(key, tag);
    }
    const isLinked = this.#word(NLINK) > 1 && this.kind !== "directory";
    return isLinked ? tag ^ Math.imul(this.#device + 1, 0x9e37_79b1) : tag;
  }

  #word(index: number): number {
    return this.#words[index] ?? 0;
  }

  /** Where there are no system calls: writes what Node found in the same form. */
  #take(stat: EntryStat | number): number {
    if (typeof stat === "number") return stat;
    const bytes = this.#bytes.fill(0);
    bytes.writeUInt32LE(stat.nlink, NLINK * 4);
    bytes.writeUInt32LE(stat.uid, UID * 4);
    bytes.writeUInt32LE(stat.gid, GID * 4);
    bytes.writeUInt16LE(formatBits(stat.kind) | stat.mode, MODE * 4);
    bytes.writeBigUInt64LE(stat.inode, INODE * 4);
    bytes.writeBigUInt64LE(BigInt(stat.size), SIZE * 4);
    bytes.writeBigUInt64LE(BigInt(stat.blocks), (SIZE + 2) * 4);
    writeTime(bytes, CTIME * 4, stat.ctimeNs);
    writeTime(bytes, MTIME * 4, stat.mtimeNs);
    bytes.writeUInt32LE(stat.rdevMajor, 128);
    bytes.writeUInt32LE(stat.rdevMinor, 132);
    this.#device = stat.dev;
    this.#setStamp();
    return 0;
  }
}

const NS_PER_SECOND = 1_000_000_000n;

function writeTime(bytes: Buffer, at: number, timeNs: bigint): void {
  const rest = ((timeNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  bytes.writeBigInt64LE((timeNs - rest) / NS_PER_SECOND, at);
  bytes.writeUInt32LE(Number(rest), at + 8);
}

/** FNV-1a: tells a change of names from none. */
function fnv(text: string): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  }
  return hash | 0;
}
