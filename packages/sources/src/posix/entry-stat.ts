/**
 * The numbers the file system keeps about one entry, from statx(2) or from Node's own `lstat`.
 *
 * @module
 */
import { type BigIntStats, constants } from "node:fs";

export const ENTRY_KINDS = ["file", "directory", "symlink", "fifo", "socket", "char", "block"] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

export interface EntryStat {
  readonly kind: EntryKind;
  /** The twelve permission bits, set-user-id, set-group-id and sticky included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Device that holds the entry; equal to `dev` of `lstat`. */
  readonly dev: number;
  readonly inode: bigint;
  readonly nlink: number;
  readonly size: number;
  /** Blocks of 512 bytes; fewer than `size` needs means that a file is sparse (or compressed). */
  readonly blocks: number;
  /** Of devices; 0 for everything else. */
  readonly rdevMajor: number;
  readonly rdevMinor: number;
}

export const STATX_LENGTH = 256;
/** STATX_BASIC_STATS */
export const STATX_MASK = 0x7ff;
const NS_PER_SECOND = 1_000_000_000n;

const KIND_BY_FORMAT: ReadonlyMap<number, EntryKind> = new Map([
  [constants.S_IFREG, "file"],
  [constants.S_IFDIR, "directory"],
  [constants.S_IFLNK, "symlink"],
  [constants.S_IFIFO, "fifo"],
  [constants.S_IFSOCK, "socket"],
  [constants.S_IFCHR, "char"],
  [constants.S_IFBLK, "block"],
]);

/** The file format bits (S_IFMT) of a kind. */
export function formatBits(kind: EntryKind): number {
  for (const [bits, known] of KIND_BY_FORMAT) if (known === kind) return bits;
  return 0;
}

/** Decodes struct statx (include/uapi/linux/stat.h), the same on every processor but for byte order. */
export function decodeStatx(bytes: Buffer): EntryStat | undefined {
  const mode = bytes.readUInt16LE(28);
  const kind = KIND_BY_FORMAT.get(mode & constants.S_IFMT);
  if (kind === undefined) return undefined;
  return {
    kind,
    mode: mode & 0o7777,
    uid: bytes.readUInt32LE(20),
    gid: bytes.readUInt32LE(24),
    mtimeNs: bytes.readBigInt64LE(112) * NS_PER_SECOND + BigInt(bytes.readUInt32LE(120)),
    ctimeNs: bytes.readBigInt64LE(96) * NS_PER_SECOND + BigInt(bytes.readUInt32LE(104)),
    dev: deviceNumber(bytes.readUInt32LE(136), bytes.readUInt32LE(140)),
    inode: bytes.readBigUInt64LE(32),
    nlink: bytes.readUInt32LE(16),
    size: bytes.readUInt32LE(40) + bytes.readUInt32LE(44) * 2 ** 32,
    blocks: bytes.readUInt32LE(48) + bytes.readUInt32LE(52) * 2 ** 32,
    rdevMajor: bytes.readUInt32LE(128),
    rdevMinor: bytes.readUInt32LE(132),
  };
}

export function fromNodeStats(stats: BigIntStats): EntryStat | undefined {
  const mode = Number(stats.mode);
  const kind = KIND_BY_FORMAT.get(mode & constants.S_IFMT);
  if (kind === undefined) return undefined;
  const device = Number(stats.rdev);
  return {
    kind,
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    dev: Number(stats.dev),
    inode: stats.ino,
    nlink: Number(stats.nlink),
    size: Number(stats.size),
    blocks: Number(stats.blocks),
    rdevMajor: deviceMajor(device),
    rdevMinor: deviceMinor(device),
  };
}

/** makedev(3) of glibc and musl, for majors below 4096 and minors below 2^20, which is all the kernel has. */
export function deviceNumber(major: number, minor: number): number {
  return (major & 0xfff) * 256 + (minor & 0xff) + Math.floor(minor / 256) * 2 ** 20;
}

function deviceMajor(device: number): number {
  return Math.floor(device / 256) & 0xfff;
}

function deviceMinor(device: number): number {
  return (device & 0xff) + Math.floor(device / 2 ** 20) * 256;
}
