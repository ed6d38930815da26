import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { throwIfAborted } from "../cancel.ts";
import type { ByteRange } from "../contract.ts";

/** Between two slices an abort is noticed. */
const SLICE_LENGTH = 8 * 1024 * 1024;

/** What was read, and where the file ended when that is less than asked. */
export interface ReadResult {
  readonly bytes: Buffer;
  /** Set when the file ends before the range does. */
  readonly shortSize: number | undefined;
  readonly range: ByteRange;
}

/**
 * Reads the range, or the whole file. Neither a symbolic link nor a pipe that somebody put in the place of an object is
 * followed or waited for.
 */
export async function readFileRange(
  path: string,
  range: ByteRange | undefined,
  signal: AbortSignal | undefined,
): Promise<ReadResult> {
  await using handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  // A range of nothing reads nothing, so only the size tells whether it lies within the file.
  const size = range === undefined || range.length === 0 ? await fileSize(handle) : undefined;
  const wanted = range ?? { offset: 0, length: size ?? 0 };
  const bytes = Buffer.allocUnsafe(wanted.length);
  const filled = await fill(handle, bytes, wanted.offset, signal);
  if (filled < bytes.length) return { bytes, shortSize: wanted.offset + filled, range: wanted };
  if (size !== undefined && wanted.offset > size) return { bytes, shortSize: size, range: wanted };
  return { bytes, shortSize: undefined, range: wanted };
}

/** Fails as a read would when this is a folder. */
async function fileSize(handle: FileHandle): Promise<number> {
  const stats = await handle.stat();
  if (stats.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
  return stats.size;
}

async function fill(
  handle: FileHandle,
  bytes: Buffer,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let filled = 0;
  while (filled < bytes.length) {
    throwIfAborted(signal, "a read");
    const length = Math.min(SLICE_LENGTH, bytes.length - filled);
    const { bytesRead } = await handle.read(bytes, filled, length, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
