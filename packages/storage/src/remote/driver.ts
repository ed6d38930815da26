/**
 * What a driver of a remote storage does: one attempt at a time, nothing more. {@link openRemoteStorage} makes a storage of
 * it, with checked names, retries, deadlines, limits and cancellation.
 *
 * Every call throws {@link AppError}s, `ERR_CANCELLED` when its signal was aborted, and by then has closed or given up what
 * it used: a socket in the middle of a transfer is never used again.
 *
 * - `ERR_STORAGE_UNREACHABLE`: no connection, or it was cut. `ERR_STORAGE_TIMEOUT`: nothing came for too long.
 *   `ERR_STORAGE_THROTTLED`: the storage asks to be left alone for a while. These are tried again.
 * - `ERR_STORAGE_CREDENTIALS`: the credentials were refused; they are asked for again, once.
 * - `ERR_STORAGE_UNTRUSTED`, `ERR_STORAGE_MISSING`, `ERR_STORAGE_DENIED`, `ERR_STORAGE_FULL`, `ERR_STORAGE_NOT_FOUND`: told as
 *   they are. `ERR_STORAGE_FAILED`: anything else; tried again where it is safe.
 *
 * @module
 */
import type { ByteRange, ObjectInfo, StorageCapabilities } from "../contract.ts";

export interface ObjectPage {
  readonly objects: readonly ObjectInfo[];
  /** Asks for the next page; undefined when this was the last. */
  readonly next: string | undefined;
}

export interface RemoteDriver extends AsyncDisposable {
  /** For messages: the URL without any secret. */
  readonly location: string;
  readonly capabilities: StorageCapabilities;

  /**
   * Stores a new object: atomic, and durable when resolved. Never overwrites; `exists` when the name is taken. After any
   * error the object is there whole or not at all, and a temporary one may be left.
   *
   * @param sha256 digest of `bytes`, when known.
   */
  put(
    name: string,
    bytes: Uint8Array,
    sha256: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<"created" | "exists">;

  /**
   * The whole object, or exactly the range.
   *
   * @throws AppError `ERR_STORAGE_NOT_FOUND`, `ERR_DAMAGED` when the object ends before the range does.
   */
  get(name: string, range: ByteRange | undefined, signal: AbortSignal): Promise<Buffer>;

  /** Objects below a folder such as `packs/`, or all for an empty prefix. Temporary objects are left out. */
  list(prefix: string, next: string | undefined, signal: AbortSignal): Promise<ObjectPage>;

  stat(name: string, signal: AbortSignal): Promise<ObjectInfo | null>;

  /** A missing object is no error. */
  delete(name: string, signal: AbortSignal): Promise<void>;

  /** Bytes that can still be stored, null when unknown. */
  free(signal: AbortSignal): Promise<number | null>;
}
