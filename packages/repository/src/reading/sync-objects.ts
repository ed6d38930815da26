import type { MessagePort } from "node:worker_threads";

/** One thread's way to the objects of a storage. */
export interface SyncObjectReader {
  /**
   * Fills `into` with the bytes at `offset` of the object.
   *
   * @throws AppError `ERR_STORAGE_NOT_FOUND` when there is no such object, `ERR_DAMAGED` when it ends before or cannot be
   * read in this place, other errors of the storage.
   */
  readSync(name: string, offset: number, into: Uint8Array): void;
  close(): void;
}

/** Where a thread finds objects: plain data for `postMessage`, with `port` in the transfer list. */
export type ObjectSource =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "requests"; readonly shared: SharedArrayBuffer; readonly port: MessagePort };
