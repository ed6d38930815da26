/**
 * A storage in memory, for tests and simulations: time and space are parameters.
 *
 * @module
 */
import { AppError, type Clock, systemClock } from "@holdfast/kernel";
import { throwIfAborted } from "../cancel.ts";
import {
  type ByteRange,
  type ObjectInfo,
  PLAIN_STORAGE,
  type PutOptions,
  type Storage,
  type StorageCapabilities,
} from "../contract.ts";
import { checkObjectName, checkPrefix } from "../names.ts";
import { assertRange, notFound, tooShort } from "../reading.ts";

interface StoredObject {
  readonly bytes: Buffer;
  readonly modifiedMs: number;
}

export interface MemoryStorageOptions {
  /** Gives {@link ObjectInfo.modifiedMs}. */
  readonly clock?: Clock;
  /** What to claim; the behaviour stays that of memory. */
  readonly capabilities?: Partial<StorageCapabilities>;
  /** Bytes that all objects together may have; unlimited when missing. */
  readonly capacity?: number;
}

export class MemoryStorage implements Storage {
  readonly location = "memory";
  readonly capabilities: StorageCapabilities;
  readonly #options: MemoryStorageOptions;
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #objects = new Map<string, StoredObject>();
  #used = 0;

  constructor(options: MemoryStorageOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#capacity = options.capacity ?? Number.MAX_SAFE_INTEGER;
    this.capabilities = { ...PLAIN_STORAGE, freeSpace: true, ...options.capabilities };
  }

  /** A storage with the same objects that goes its own way from here on. */
  clone(): MemoryStorage {
    const copy = new MemoryStorage(this.#options);
    for (const [name, object] of this.#objects) copy.#objects.set(name, object);
    copy.#used = this.#used;
    return copy;
  }

  async put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<"created" | "exists"> {
    checkObjectName(name);
    // Callers that run at once take turns here, as they would around a real transfer.
    await Promise.resolve();
    throwIfAborted(options.signal, name);
    if (this.#objects.has(name)) return "exists";
    if (bytes.length > this.#capacity - this.#used) throw full(name);
    this.#objects.set(name, { bytes: Buffer.from(bytes), modifiedMs: this.#clock.now() });
    this.#used += bytes.length;
    return "created";
  }

  async get(name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
    checkObjectName(name);
    if (range !== undefined) assertRange(range);
    await Promise.resolve();
    throwIfAborted(signal, name);
    const object = this.#objects.get(name);
    if (object === undefined) throw notFound(name, this.location);
    if (range === undefined) return Buffer.from(object.bytes);
    const end = range.offset + range.length;
    if (end > object.bytes.length) throw tooShort(name, this.location, range, object.bytes.length);
    return Buffer.from(object.bytes.subarray(range.offset, end));
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
    checkPrefix(prefix);
    await Promise.resolve();
    for (const [name, object] of this.#objects) {
      throwIfAborted(signal, "a listing");
      if (name.startsWith(prefix)) yield describe(name, object);
    }
  }

  async stat(name: string): Promise<ObjectInfo | null> {
    checkObjectName(name);
    await Promise.resolve();
    const object = this.#objects.get(name);
    return object === undefined ? null : describe(name, object);
  }

  async delete(name: string): Promise<void> {
    checkObjectName(name);
    await Promise.resolve();
    this.#used -= this.#objects.get(name)?.bytes.length ?? 0;
    this.#objects.delete(name);
  }

  async free(): Promise<number | null> {
    return this.capabilities.freeSpace ? this.#capacity - this.#used : null;
  }

  localPath(name: string): undefined {
    checkObjectName(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Keeps its objects: whoever holds a reference may look at them.
  }
}

function describe(name: string, object: StoredObject): ObjectInfo {
  return { name, size: object.bytes.length, modifiedMs: object.modifiedMs };
}

function full(name: string): AppError {
  return new AppError("ERR_STORAGE_FULL", `Storing ${name} in memory failed: the capacity is used up.`, {
    subject: name,
    remedy: "Delete objects or raise the capacity.",
  });
}
