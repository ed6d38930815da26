import { closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "@holdfast/kernel";
import type { SyncObjectReader } from "./sync-objects.ts";

/** Packs that are kept open: neighbours in a copy lie in few of them. */
const OPEN_FILES_MAX = 64;

/** Objects as files of a folder. */
export function openFolderObjects(folder: string): SyncObjectReader {
  return new FolderObjects(folder);
}

class FolderObjects implements SyncObjectReader {
  readonly #folder: string;
  /** From the least to the most recently used. */
  readonly #descriptors = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  readSync(name: string, offset: number, into: Uint8Array): void {
    const descriptor = this.#open(name);
    let done = 0;
    while (done < into.length) {
      const count = this.#read(descriptor, name, into, done, offset + done);
      if (count === 0) throw endsEarly(name, offset + done);
      done += count;
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }

  #open(name: string): number {
    const known = this.#descriptors.get(name);
    if (known !== undefined) {
      this.#descriptors.delete(name);
      this.#descriptors.set(name, known);
      return known;
    }
    const descriptor = this.#openNew(name);
    const [oldest] = this.#descriptors;
    if (this.#descriptors.size >= OPEN_FILES_MAX && oldest !== undefined) {
      this.#descriptors.delete(oldest[0]);
      closeSync(oldest[1]);
    }
    this.#descriptors.set(name, descriptor);
    return descriptor;
  }

  #openNew(name: string): number {
    try {
      return openSync(join(this.#folder, name), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      throw this.#failure(error, name);
    }
  }

  #read(descriptor: number, name: string, into: Uint8Array, done: number, position: number): number {
    try {
      return readSync(descriptor, into, done, into.length - done, position);
    } catch (error) {
      throw this.#failure(error, name);
    }
  }

  #failure(cause: unknown, name: string): AppError {
    const code = codeOf(cause);
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
      remedy: "Run `holdfast verify` to learn which copies are touched.",
      cause,
    });
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function endsEarly(name: string, at: number): AppError {
  return new AppError("ERR_DAMAGED", `${name} ends at byte ${String(at)}, before what the index says.`, {
    subject: name,
    remedy: "Run `holdfast verify` to learn which copies are touched.",
  });
}
