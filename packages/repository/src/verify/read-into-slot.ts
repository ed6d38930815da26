/**
 * Brings an object into a slot: local files past the page cache, everything else through the storage.
 *
 * Pages of the page cache are dear on virtual machines (0.3 to 0.6 s of CPU a gigabyte), and a verification reads each
 * byte once: it would only push out what others need.
 *
 * @module
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { AppError, errorCode } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";

const BLOCK_BYTES = 4096;
/** Between two reads a cancellation is noticed. */
const READ_BYTES = 8 * 1024 * 1024;
/** O_DIRECT is refused by some file systems, and is not there on some platforms. */
const REFUSED: ReadonlySet<string | undefined> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP"]);
const DIRECT = constants.O_DIRECT as number | undefined;

/** How objects come in; remembers when the file system refuses direct reads. */
export class SlotReader {
  readonly #storage: Storage;
  readonly #signal: AbortSignal | undefined;
  #direct = DIRECT !== undefined;

  constructor(storage: Storage, signal: AbortSignal | undefined) {
    this.#storage = storage;
    this.#signal = signal;
  }

  /**
   * Fills the start of `slot` with the object.
   *
   * @param slot at an address divisible by 4096, with room for the object rounded up to that.
   * @returns the length of the object, which may be another than `size`.
   * @throws AppError `ERR_STORAGE_NOT_FOUND`, `ERR_DAMAGED` when the file cannot be read, other errors of the storage.
   */
  async read(name: string, size: number, slot: Buffer): Promise<number> {
    const path = this.#storage.localPath(name);
    if (path === undefined) return this.#fetch(name, size, slot);
    try {
      if (this.#direct) return await this.#readFile(path, DIRECT ?? 0, size, slot);
    } catch (error) {
      if (!REFUSED.has(errorCode(error))) throw await this.#explain(name, error);
      this.#direct = false;
    }
    try {
      return await this.#readFile(path, 0, size, slot);
    } catch (error) {
      throw await this.#explain(name, error);
    }
  }

  async #fetch(name: string, size: number, slot: Buffer): Promise<number> {
    const bytes = await this.#storage.get(name, { offset: 0, length: size }, this.#signal);
    slot.set(bytes, 0);
    return bytes.length;
  }

  async #readFile(path: string, flags: number, size: number, slot: Buffer): Promise<number> {
    await using handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | flags);
    // One block more than the size, so that a file that has grown shows.
    const room = Math.min(slot.length, (Math.floor(size / BLOCK_BYTES) + 1) * BLOCK_BYTES);
    // Awaited here: the file is closed on return.
    return await fill(handle, slot.subarray(0, room), this.#signal);
  }

  /** The storage tells best what is wrong with it: a failure to read is asked for again there. */
  async #explain(name: string, cause: unknown): Promise<AppError> {
    if (cause instanceof AppError) return cause;
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") {
      if ((await this.#storage.stat(name)) === null) {
        return new AppError("ERR_STORAGE_NOT_FOUND", `${name} is missing.`, { subject: name, cause });
      }
    }
    if (code === "EIO" || code === "EISDIR" || code === "ELOOP") {
      return new AppError("ERR_DAMAGED", `${name} cannot be read (${code}).`, { subject: name, cause });
    }
    return new AppError(
      "ERR_STORAGE_FAILED",
      `${name} cannot be read${code === undefined ? "" : ` (${code})`}.`,
      {
        subject: name,
        remedy: "Check the disk and the permissions of the storage.",
        cause,
      },
    );
  }
}

async function fill(handle: FileHandle, into: Buffer, signal: AbortSignal | undefined): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    if (signal?.aborted === true) throw new AppError("ERR_CANCELLED", "The verification was cancelled.");
    const { bytesRead } = await handle.read(into, filled, Math.min(READ_BYTES, into.length - filled), filled);
    filled += bytesRead;
    // Behind a short read a direct one would begin at no block.
    if (bytesRead === 0 || bytesRead % BLOCK_BYTES !== 0) break;
  }
  return filled;
}
