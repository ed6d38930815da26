import type { MessagePort } from "node:worker_threads";
import type { ObjectPart } from "./expected-reads.ts";

/** One thread's way to the objects of a storage. */
export interface SyncObjectReader {
  /**
   * The bytes at `offset` of the object; valid until the next call, not to be written to.
   *
   * @param objectLength bytes of the whole object: how far reading ahead makes sense.
   * @throws AppError `ERR_STORAGE_NOT_FOUND` when there is no such object, `ERR_DAMAGED` when it ends before or cannot be
   * read in this place, other errors of the storage.
   */
  read(name: string, offset: number, length: number, objectLength: number): Buffer;
  /**
   * Says what is going to be read, in this order and after what was said before; missing where that would not help. To be
   * disposed when nothing of it will be read any more.
   */
  expect?(parts: readonly ObjectPart[]): Disposable;
  close(): void;
}

/** Where a thread finds objects: plain data for `postMessage`, with `port` in the transfer list. */
export type ObjectSource =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "requests"; readonly shared: SharedArrayBuffer; readonly port: MessagePort };
