/**
 * What libsmbclient gives, as values of JavaScript: the C library's structures on 64-bit Linux, and error numbers.
 *
 * @module
 */
import { constants } from "node:os";
import process from "node:process";

/** `SMBC_VFS_FEATURE_DFS`, a bit of `f_flag`. */
const FEATURE_DFS = 0x1000_0000n;
/** `FILE_ATTRIBUTE_DIRECTORY` (MS-FSCC 2.6). */
const ATTRIBUTE_DIRECTORY = 0x10;
const MODE_TYPE_MASK = 0o170000;
const MODE_FOLDER = 0o040000;

/** A call failed; `errno` is the name of the error number. */
export class CallError extends Error {
  readonly errno: string;

  constructor(call: string, errno: string) {
    super(`${call} failed with ${errno}.`);
    this.errno = errno;
  }
}

export interface FileInfo {
  readonly isFolder: boolean;
  readonly size: number;
  readonly modifiedMs: number;
}

export interface FolderEntry extends FileInfo {
  readonly name: string;
}

export interface VolumeInfo {
  readonly free: number | null;
  readonly isDfs: boolean;
}

export function errnoName(number: number): string {
  for (const [name, value] of Object.entries(constants.errno)) {
    if (value === number) return name;
  }
  return `E${String(number)}`;
}

/** `struct stat`: size and time of modification are at the same place on both processors. */
export function decodeStat(stats: Buffer): FileInfo {
  const mode = stats.readUInt32LE(process.arch === "arm64" ? 16 : 24);
  return {
    isFolder: (mode & MODE_TYPE_MASK) === MODE_FOLDER,
    size: safe(stats.readBigInt64LE(48)),
    modifiedMs: milliseconds(stats.readBigInt64LE(88), stats.readBigInt64LE(96)),
  };
}

/**
 * `struct statvfs`. In SMB 2 and 3 the library puts the bytes of a sector into `f_bsize` and the sectors of a unit into
 * `f_frsize`, and 0 where it knows nothing.
 */
export function decodeVolume(stats: Buffer): VolumeInfo {
  const unit = stats.readBigUInt64LE(0) * stats.readBigUInt64LE(8);
  const free = unit * stats.readBigUInt64LE(32);
  const known = unit > 0n && free <= BigInt(Number.MAX_SAFE_INTEGER);
  return { free: known ? Number(free) : null, isDfs: (stats.readBigUInt64LE(72) & FEATURE_DFS) !== 0n };
}

/** A decoded `struct libsmb_file_info`. */
export function parseEntry(value: unknown): FolderEntry {
  if (typeof value !== "object" || value === null) throw nonsense();
  if (!("name" in value && "size" in value && "attributes" in value)) throw nonsense();
  if (!("modifiedSeconds" in value && "modifiedNanoseconds" in value)) throw nonsense();
  const { name, attributes } = value;
  if (typeof name !== "string" || typeof attributes !== "number") throw nonsense();
  return {
    name,
    isFolder: (attributes & ATTRIBUTE_DIRECTORY) !== 0,
    size: safe(toBigInt(value.size)),
    modifiedMs: milliseconds(toBigInt(value.modifiedSeconds), toBigInt(value.modifiedNanoseconds)),
  };
}

function milliseconds(seconds: bigint, nanoseconds: bigint): number {
  return safe(seconds * 1000n + nanoseconds / 1_000_000n);
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw nonsense();
  return number;
}

function toBigInt(value: unknown): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return BigInt(value);
  throw nonsense();
}

/** Nothing that a file system has, but what a hostile server may say. */
function nonsense(): CallError {
  return new CallError("Decoding", "ERANGE");
}
