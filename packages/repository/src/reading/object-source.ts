/**
 * Reading of stored objects by threads that do not wait for promises.
 *
 * Objects that are plain local files are read by the thread itself. For every other storage the thread asks the main
 * thread, which has the only connection, and sleeps on shared memory until the bytes are there.
 *
 * @module
 */
import { dirname, join } from "node:path";
import type { Storage } from "@holdfast/storage";
import { CONFIG_NAME, packName } from "../format/object-names.ts";
import { openFolderObjects } from "./folder-objects.ts";
import { answerRequests, openRequestedObjects } from "./requested-objects.ts";
import type { ObjectSource, SyncObjectReader } from "./sync-objects.ts";

/** Opens a source in the thread that it was posted to. */
export function openObjects(source: ObjectSource): SyncObjectReader {
  return source.kind === "folder"
    ? openFolderObjects(source.path)
    : openRequestedObjects(source.shared, source.port);
}

/** The objects of a storage for one thread; dispose it when that thread has ended. */
export interface OfferedObjects extends Disposable {
  readonly source: ObjectSource;
}

export function offerObjects(storage: Storage, signal?: AbortSignal): OfferedObjects {
  const path = folderOf(storage);
  if (path === undefined) return answerRequests(storage, signal);
  return { source: { kind: "folder", path }, [Symbol.dispose]: () => undefined };
}

/** The folder below which the storage keeps every object as a file of its name, if there is one. */
export function folderOf(storage: Storage): string | undefined {
  const config = storage.localPath(CONFIG_NAME);
  if (config === undefined) return undefined;
  const folder = dirname(config);
  const probe = packName(Buffer.alloc(32));
  return storage.localPath(probe) === join(folder, probe) ? folder : undefined;
}
