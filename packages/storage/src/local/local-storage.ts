/**
 * A folder of this machine (or one mounted on it) as a storage: one file an object.
 *
 * An object is written to `tmp/<random>`, fsynced, linked to its final name, and the folder is fsynced: it is there
 * as a whole or not at all, and stays. Temporary files of killed writers are removed when older than a day, before
 * the first put of a storage that was opened.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { lstat, readdir, stat, statfs, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import {
  AppError,
  type Clock,
  errorCode,
  type Randomness,
  systemClock,
  systemRandomness,
} from "@holdfast/kernel";
import { throwIfAborted } from "../cancel.ts";
import {
  type ByteRange,
  type ObjectInfo,
  PLAIN_STORAGE,
  type PutOptions,
  type Storage,
  type StorageCapabilities,
} from "../contract.ts";
import { checkObjectName, checkPrefix, TEMPORARY_FOLDER } from "../names.ts";
import { assertRange, notFound, tooShort } from "../reading.ts";
import { isMissing, storageFailure } from "./failures.ts";
import { createBaseFolder, Folders } from "./folders.ts";
import { publish } from "./publish.ts";
import { readFileRange } from "./read-file.ts";
import { statObject, walk } from "./walk.ts";
import { FileWriter } from "./write-file.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

export interface LocalStorageOptions {
  /** Make the folder, and the folders above it, when missing. */
  readonly create?: boolean;
  readonly clock?: Clock;
  readonly randomness?: Randomness;
}

/** @throws {AppError} `ERR_STORAGE_UNREACHABLE` when the folder is missing and not to be created. */
export async function openLocalStorage(
  path: string,
  options: LocalStorageOptions = {},
): Promise<LocalStorage> {
  const base = resolve(path);
  try {
    if (options.create === true) await createBaseFolder(base);
    await checkBase(base);
  } catch (error) {
    throw storageFailure(error, "Opening the storage", base);
  }
  return new LocalStorage(base, options.clock ?? systemClock, options.randomness ?? systemRandomness);
}

/** Tells a missing object from a missing disk. */
async function checkBase(base: string): Promise<void> {
  if ((await stat(base)).isDirectory()) return;
  throw new AppError("ERR_STORAGE_UNREACHABLE", `${base} is not a folder.`, {
    subject: base,
    remedy: "Name a folder as the storage.",
  });
}

/** Made by {@link openLocalStorage}. */
export class LocalStorage implements Storage {
  readonly location: string;
  readonly capabilities: StorageCapabilities = { ...PLAIN_STORAGE, freeSpace: true };
  readonly #clock: Clock;
  readonly #randomness: Randomness;
  readonly #folders: Folders;
  readonly #writer = new FileWriter();
  #swept: Promise<unknown> | undefined;

  constructor(base: string, clock: Clock, randomness: Randomness) {
    this.location = base;
    this.#clock = clock;
    this.#randomness = randomness;
    this.#folders = new Folders(base);
  }

  /** Whether large aligned objects are (still) written past the page cache. */
  get direct(): boolean {
    return this.#writer.direct;
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<"created" | "exists"> {
    checkObjectName(name);
    throwIfAborted(options.signal, name);
    try {
      return await this.#put(name, bytes, options);
    } catch (error) {
      if (!isMissing(error)) throw storageFailure(error, `Storing ${name}`, this.location);
    }
    // Somebody removed a folder that this storage believed to be there, or the whole disk.
    try {
      await checkBase(this.location);
      this.#folders.forget();
      return await this.#put(name, bytes, options);
    } catch (error) {
      throw storageFailure(error, `Storing ${name}`, this.location);
    }
  }

  async get(name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    const path = this.localPath(name);
    if (range !== undefined) assertRange(range);
    throwIfAborted(signal, name);
    try {
      const result = await readFileRange(path, range, signal);
      if (result.shortSize === undefined) return result.bytes;
      throw tooShort(name, this.location, result.range, result.shortSize);
    } catch (error) {
      if (isMissing(error) || errorCode(error) === "EISDIR") {
        await this.#checkPresent();
        throw notFound(name, this.location, error);
      }
      throw storageFailure(error, `Reading ${name}`, this.location);
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    try {
      await this.#checkPresent();
      yield* walk(this.location, prefix.slice(0, -1), signal);
    } catch (error) {
      throw storageFailure(error, `Listing ${prefix === "" ? "the objects" : prefix}`, this.location);
    }
  }

  async stat(name: string): Promise<ObjectInfo | null> {
    checkObjectName(name);
    try {
      const info = await statObject(this.location, name);
      if (info === null) await this.#checkPresent();
      return info;
    } catch (error) {
      throw storageFailure(error, `Looking for ${name}`, this.location);
    }
  }

  async delete(name: string): Promise<void> {
    const path = this.localPath(name);
    try {
      await unlink(path);
      await this.#folders.sync(dirname(name));
    } catch (error) {
      if (!isMissing(error)) throw storageFailure(error, `Deleting ${name}`, this.location);
      await this.#checkPresent();
    }
  }

  async free(): Promise<number> {
    try {
      const stats = await statfs(this.location);
      return stats.bavail * stats.bsize;
    } catch (error) {
      throw storageFailure(error, "Asking for the free space", this.location);
    }
  }

  localPath(name: string): string {
    checkObjectName(name);
    return join(this.location, name);
  }

  /** Removes temporary files last written at least `ageMs` ago and returns how many. */
  async sweep(ageMs: number = DAY_MS): Promise<number> {
    const folder = join(this.location, TEMPORARY_FOLDER);
    const oldest = this.#clock.now() - ageMs;
    let count = 0;
    try {
      for (const entry of await readdir(folder)) {
        if (await removeIfOld(join(folder, entry), oldest)) count += 1;
      }
    } catch (error) {
      if (!isMissing(error)) throw storageFailure(error, "Removing old temporary files", this.location);
    }
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Every descriptor is closed by the call that opened it.
  }

  async #put(name: string, bytes: Uint8Array, options: PutOptions): Promise<"created" | "exists"> {
    // What cannot be swept takes space only; it is no reason to refuse a backup.
    this.#swept ??= this.sweep().catch(() => 0);
    await this.#swept;
    await this.#folders.ensure(TEMPORARY_FOLDER);
    await this.#folders.ensure(dirname(name));
    const known = (await statObject(this.location, name)) !== null;
    const outcome = known ? "exists" : await this.#store(name, bytes, options);
    // Also for an object of somebody else, who may not have come to this step.
    await this.#folders.sync(dirname(name));
    return outcome;
  }

  async #store(name: string, bytes: Uint8Array, options: PutOptions): Promise<"created" | "exists"> {
    const temporary = this.#temporaryPath(this.#randomness(Buffer.alloc(16)).toString("hex"));
    try {
      await this.#writer.write(temporary, bytes, options);
      throwIfAborted(options.signal, name);
      const claim = this.#temporaryPath(`claim-${createHash("sha256").update(name).digest("hex")}`);
      return await publish({ temporary, final: this.localPath(name), claim, clock: this.#clock });
    } finally {
      // Gone after a rename; and a failure to remove it must not hide how the put ended.
      await unlink(temporary).catch(() => undefined);
    }
  }

  #temporaryPath(name: string): string {
    return join(this.location, TEMPORARY_FOLDER, name);
  }

  async #checkPresent(): Promise<void> {
    try {
      await checkBase(this.location);
    } catch (error) {
      throw storageFailure(error, "Opening the storage", this.location);
    }
  }
}

async function removeIfOld(path: string, oldestMs: number): Promise<boolean> {
  try {
    if ((await lstat(path)).mtimeMs > oldestMs) return false;
    await unlink(path);
    return true;
  } catch (error) {
    // Another storage of this location may sweep at the same time.
    if (isMissing(error)) return false;
    throw error;
  }
}
