/**
 * Gets the bytes of segments to where threads can read them: from the storage's own files, from a mirror in a cache folder, or
 * into shared memory. They stay encrypted on the way.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { open, readdir, rename, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { AppError, errorCode, makeFolder } from "@holdfast/kernel";
import type { ObjectInfo, Storage } from "@holdfast/storage";
import { checkNamedByHash } from "../format/head.ts";
import { hashOfName } from "../format/object-names.ts";
import { fileLength, fileSource, type ByteSource } from "./byte-source.ts";
import { damagedSegment } from "./segment-format.ts";
import { sharedCopy } from "./shared-memory.ts";
import type { SegmentStore } from "./snapshot.ts";

/** Smaller segments are kept in memory: a repository can have thousands, and a process has few descriptors. */
const SMALL_BYTES = 128 * 1024;
const SMALL_BYTES_TOTAL = 32 * 1024 * 1024;
const HASHED_AT_ONCE_BYTES = 1024 * 1024;

export interface SegmentFilesOptions {
  /** For storages without local files. */
  readonly cacheDir: string | undefined;
  /** Of segments kept in memory for want of a cache folder. */
  readonly sharedBytesMax: number;
  /** Check every segment against its name, which reads it whole. What comes over the wire is always checked. */
  readonly checkHashes: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface StoredSegment {
  readonly name: string;
  readonly store: SegmentStore;
  /** It was in the mirror before: when it is damaged, a fresh one may be good. */
  readonly mirrored: boolean;
}

export class SegmentFiles {
  readonly #storage: Storage;
  readonly #options: SegmentFilesOptions;
  #smallBytes = 0;
  #sharedBytes = 0;

  constructor(storage: Storage, options: SegmentFilesOptions) {
    this.#storage = storage;
    this.#options = options;
  }

  /** Whether reading the head of this object before the rest saves anything. */
  isNear(object: ObjectInfo): boolean {
    return this.#storage.localPath(object.name) !== undefined || object.size <= SMALL_BYTES;
  }

  /**
   * Opens a segment. The descriptor, if any, is the caller's: see {@link closeStore}.
   *
   * @param fresh do not use what is mirrored already.
   * @throws AppError `ERR_STORAGE_NOT_FOUND` when the object is gone, `ERR_DAMAGED`, other errors of the storage.
   */
  async open(name: string, fresh = false): Promise<StoredSegment> {
    const localPath = this.#storage.localPath(name);
    if (localPath !== undefined) return this.#openFile(name, localPath, false);
    const { cacheDir } = this.#options;
    if (cacheDir === undefined) return this.#fetchToMemory(name);
    const path = join(cacheDir, basename(name));
    if (!fresh) {
      try {
        return await this.#openFile(name, path, true);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        // Missing or damaged in the mirror: what the storage has counts.
      }
    }
    await this.#mirror(name, cacheDir, path);
    return this.#openFile(name, path, false);
  }

  /** Removes what is mirrored of segments that are not in the storage any more, and what is left of killed writers. */
  async sweepMirror(present: ReadonlySet<string>): Promise<void> {
    const { cacheDir } = this.#options;
    if (cacheDir === undefined || this.#storage.localPath("index/0") !== undefined) return;
    const files = await readdir(cacheDir).catch(() => []);
    const gone = files.filter((file) => hashOfName(file) !== undefined && !present.has(`index/${file}`));
    // What cannot be removed takes space only.
    await Promise.all(gone.map((file) => unlink(join(cacheDir, file)).catch(() => undefined)));
  }

  async #openFile(name: string, path: string, mirrored: boolean): Promise<StoredSegment> {
    const descriptor = openOrThrow(name, path);
    try {
      const length = fileLength(descriptor);
      const source = fileSource(descriptor, length, name);
      if (this.#options.checkHashes) await checkHash(source, name);
      if (length > SMALL_BYTES || this.#smallBytes + length > SMALL_BYTES_TOTAL) {
        return { name, mirrored, store: { kind: "file", path, descriptor, length } };
      }
      this.#smallBytes += length;
      const bytes = Buffer.alloc(length);
      source.readSync(0, bytes);
      closeSync(descriptor);
      return { name, mirrored, store: { kind: "memory", bytes: sharedCopy(bytes) } };
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  async #fetchToMemory(name: string): Promise<StoredSegment> {
    const bytes = await this.#fetch(name);
    this.#sharedBytes += bytes.length;
    if (this.#sharedBytes > this.#options.sharedBytesMax) {
      throw new AppError("ERR_USAGE", "The index of the repository is too large to be kept in memory.", {
        subject: this.#storage.location,
        remedy: "Name a folder for the cache.",
      });
    }
    return { name, mirrored: false, store: { kind: "memory", bytes: sharedCopy(bytes) } };
  }

  async #fetch(name: string): Promise<Buffer> {
    const bytes = await this.#storage.get(name, undefined, this.#options.signal);
    checkNamedByHash(bytes, name);
    return bytes;
  }

  async #mirror(name: string, cacheDir: string, path: string): Promise<void> {
    const bytes = await this.#fetch(name);
    const temporary = `${path}.${randomBytes(8).toString("hex")}`;
    try {
      await makeFolder(cacheDir, 0o700);
      await writeDurably(temporary, bytes);
      await rename(temporary, path);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw new AppError("ERR_FAILED", `The index cannot be kept in the cache folder ${cacheDir}.`, {
        subject: cacheDir,
        remedy: "Make room in that folder, or name another one.",
        cause: error,
      });
    }
  }
}

export function closeStore(store: SegmentStore): void {
  if (store.kind === "file") closeSync(store.descriptor);
}

async function checkHash(source: ByteSource, name: string): Promise<void> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(Math.min(source.length, HASHED_AT_ONCE_BYTES));
  for (let at = 0; at < source.length; at += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, source.length - at));
    source.readSync(at, part);
    hash.update(part);
    await nextTurn();
  }
  if (hashOfName(name)?.equals(hash.digest()) !== true) {
    throw damagedSegment(`The object ${name}`, "its content does not match its name");
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(bytes);
  await file.datasync();
}

function openOrThrow(name: string, path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const missing = errorCode(error) === "ENOENT";
    throw new AppError(
      missing ? "ERR_STORAGE_NOT_FOUND" : "ERR_STORAGE_FAILED",
      `The object ${name} ${missing ? "is not there" : "cannot be opened"}.`,
      { subject: name, remedy: "Check the disk that it lies on, and try again.", cause: error },
    );
  }
}
