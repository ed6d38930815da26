/**
 * Objects as files of a folder, read by the thread that needs them.
 *
 * Reads go past the page cache where the file system lets them: a new page costs more than reading it does, and nobody
 * reads a pack twice soon. Instead of the system the reader itself reads ahead, when it is asked for neighbours.
 *
 * @module
 */
import { closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { AppError, errorCode, VERIFY_REMEDY } from "@holdfast/kernel";
import type { SyncObjectReader } from "./sync-objects.ts";

/** Packs that are kept open: neighbours in a copy lie in few of them. */
const OPEN_FILES_MAX = 64;
const BLOCK_BYTES = 4096;
/** Read at once when neighbours are asked for: some ten records of small files, two of large ones. */
const WINDOW_BYTES = 2 * 1024 * 1024;
/** What a thread of the same backup put between two neighbours does not make them strangers. */
const NEAR_BYTES = 4 * 1024 * 1024;
const WASM_PAGE_BYTES = 65_536;
/** Absent on some platforms; refused by some file systems. */
const DIRECT = constants.O_DIRECT as number | undefined;
const DIRECT_REFUSED: ReadonlySet<string | undefined> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

export function openFolderObjects(folder: string): SyncObjectReader {
  return new FolderObjects(folder);
}

/** What lies in the memory: bytes of one object from `start` to `end`. */
interface Window {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

class FolderObjects implements SyncObjectReader {
  readonly #folder: string;
  /** From the least to the most recently used. */
  readonly #descriptors = new Map<string, number>();
  #memory = alignedMemory(WINDOW_BYTES + 2 * BLOCK_BYTES);
  #window: Window = { name: "", start: 0, end: 0 };
  #direct = DIRECT !== undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  read(name: string, offset: number, length: number, objectLength: number): Buffer {
    const end = offset + length;
    const { name: known, start: from, end: to } = this.#window;
    if (known !== name || offset < from || end > to) this.#fill(name, offset, length, objectLength);
    const { start } = this.#window;
    return this.#memory.subarray(offset - start, end - start);
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }

  /** Brings a window that begins at or before `offset` into the memory. */
  #fill(name: string, offset: number, length: number, objectLength: number): void {
    const before = this.#window;
    const isNear = before.name === name && offset >= before.start && offset <= before.end + NEAR_BYTES;
    const start = offset - (offset % BLOCK_BYTES);
    const wanted = isNear ? Math.max(offset + length, start + WINDOW_BYTES) : offset + length;
    const end = roundUp(Math.min(wanted, Math.max(objectLength, offset + length)));
    if (this.#memory.length < end - start) this.#memory = alignedMemory(end - start);
    this.#window = { name: "", start: 0, end: 0 };
    const filled = this.#readAt(name, start, end - start);
    if (start + filled < offset + length) throw endsEarly(name, start + filled);
    this.#window = { name, start, end: start + filled };
  }

  /** Fills the start of the memory; fewer bytes at the end of the file. */
  #readAt(name: string, position: number, length: number): number {
    try {
      return this.#readAll(this.#open(name), position, length);
    } catch (error) {
      if (!this.#direct || !DIRECT_REFUSED.has(errorCode(error))) throw this.#failure(error, name);
    }
    this.#direct = false;
    this.close();
    try {
      return this.#readAll(this.#open(name), position, length);
    } catch (error) {
      throw this.#failure(error, name);
    }
  }

  #readAll(descriptor: number, position: number, length: number): number {
    let filled = 0;
    while (filled < length) {
      const count = readSync(descriptor, this.#memory, filled, length - filled, position + filled);
      filled += count;
      // Behind a short read, which is one at the end of the file, a direct one would begin at no block.
      if (count === 0 || count % BLOCK_BYTES !== 0) break;
    }
    return filled;
  }

  #open(name: string): number {
    const known = this.#descriptors.get(name);
    if (known !== undefined) {
      this.#descriptors.delete(name);
      this.#descriptors.set(name, known);
      return known;
    }
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | (this.#direct ? (DIRECT ?? 0) : 0);
    const descriptor = openSync(join(this.#folder, name), flags);
    const [oldest] = this.#descriptors;
    if (this.#descriptors.size >= OPEN_FILES_MAX && oldest !== undefined) {
      this.#descriptors.delete(oldest[0]);
      closeSync(oldest[1]);
    }
    this.#descriptors.set(name, descriptor);
    return descriptor;
  }

  #failure(cause: unknown, name: string): AppError {
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return this.#missing(name, cause);
    if (code === "EIO" || code === "EISDIR" || code === "ELOOP") {
      return new AppError("ERR_DAMAGED", `${name} in ${this.#folder} cannot be read (${code}).`, {
        subject: name,
        remedy: "Check the disk that it lies on, then run `holdfast verify`.",
        cause,
      });
    }
    const denied = code === "EACCES" || code === "EPERM";
    return new AppError(
      denied ? "ERR_STORAGE_DENIED" : "ERR_STORAGE_FAILED",
      `${name} in ${this.#folder} cannot be read${code === undefined ? "" : ` (${code})`}.`,
      { subject: name, remedy: "Check the disk and the permissions of the folder.", cause },
    );
  }

  /** A disk that is gone is not a missing object. */
  #missing(name: string, cause: unknown): AppError {
    if (statSync(this.#folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      return new AppError("ERR_STORAGE_UNREACHABLE", `The folder ${this.#folder} is not there any more.`, {
        subject: this.#folder,
        remedy: "Check that its disk is mounted.",
        cause,
      });
    }
    return new AppError("ERR_STORAGE_NOT_FOUND", `${name} is missing in ${this.#folder}.`, {
      subject: name,
      remedy: VERIFY_REMEDY,
      cause,
    });
  }
}

/** WebAssembly memory begins at a page. */
function alignedMemory(length: number): Buffer {
  const pages = Math.ceil(length / WASM_PAGE_BYTES);
  return Buffer.from(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}

function roundUp(value: number): number {
  return Math.ceil(value / BLOCK_BYTES) * BLOCK_BYTES;
}

function endsEarly(name: string, at: number): AppError {
  return new AppError("ERR_DAMAGED", `${name} ends at byte ${String(at)}, before what the index says.`, {
    subject: name,
    remedy: VERIFY_REMEDY,
  });
}
