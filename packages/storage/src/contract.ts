/**
 * What the repository needs of a place that keeps backups: immutable objects under unique names.
 *
 * There is no rename and no overwrite, so every kind of storage can honour this contract and no lock is needed.
 * Failures are {@link AppError}s: `ERR_STORAGE_FULL`, `ERR_STORAGE_DENIED`, `ERR_STORAGE_UNREACHABLE`, else
 * `ERR_STORAGE_FAILED`; an aborted call rejects with `ERR_CANCELLED`; an illegal name is `ERR_USAGE`. A call that
 * failed may still have taken effect: only a resolved promise says anything about the storage.
 *
 * @module
 */

/** What a storage can do; data, so that callers decide by it and not by the kind of storage. */
export interface StorageCapabilities {
  /** A finished put or delete is seen by every later list. */
  readonly listConsistent: boolean;
  /** {@link Storage.free} knows the free space. */
  readonly freeSpace: boolean;
  /** The storage itself refuses a second object of the same name; elsewhere a temporary name and a link or rename do. */
  readonly conditionalPut: boolean;
  /** The storage compares what arrived with its SHA-256. */
  readonly serverChecksum: boolean;
  /** What was put can be neither changed nor deleted for a time that somebody set on the storage. */
  readonly objectLock: boolean;
  /** What is deleted is kept as an older version. */
  readonly versioning: boolean;
}

/** Of a storage that does nothing but keep objects. */
export const PLAIN_STORAGE: StorageCapabilities = {
  listConsistent: true,
  freeSpace: false,
  conditionalPut: false,
  serverChecksum: false,
  objectLock: false,
  versioning: false,
};

export interface ObjectInfo {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** By the storage's own clock, milliseconds since the epoch. */
  readonly modifiedMs: number;
}

export interface PutOptions {
  /** Digest of `bytes`, for storages that check what arrived. It is not checked against `bytes` before the transfer. */
  readonly sha256?: Uint8Array;
  readonly signal?: AbortSignal;
  /**
   * The memory behind `bytes` begins at a multiple of 4096, so that the page cache may be bypassed. Shared memory
   * (of WebAssembly) counts as aligned without being asked.
   */
  readonly aligned?: boolean;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Several calls may be in flight at once, on one storage and on several of the same location. */
export interface Storage extends AsyncDisposable {
  /** For messages; never holds a secret. */
  readonly location: string;
  readonly capabilities: StorageCapabilities;

  /**
   * Stores a new object: atomic, and durable when resolved. `exists` when an object of that name is there already; that
   * one is left alone and is durable too. `bytes` must not change before the promise is settled; afterwards they are
   * not read any more, also when the call was aborted.
   */
  put(name: string, bytes: Uint8Array, options?: PutOptions): Promise<"created" | "exists">;

  /**
   * The whole object, or exactly `length` bytes at `offset`. The memory is the caller's, who may free it.
   *
   * @throws {AppError} `ERR_STORAGE_NOT_FOUND` when there is no such object, `ERR_DAMAGED` when it ends before the
   * range does.
   */
  get(name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer>;

  /** Objects whose name begins with `prefix`, in any order. A prefix is a folder such as `packs/`, or empty for all. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectInfo>;

  /** Null when there is no such object. */
  stat(name: string): Promise<ObjectInfo | null>;

  /** Durable when resolved. A missing object is no error. */
  delete(name: string): Promise<void>;

  /** Bytes that can still be stored, null when unknown. */
  free(): Promise<number | null>;

  /** Absolute path of the object's file when objects are plain local files, so that threads may read it themselves. */
  localPath(name: string): string | undefined;
}
