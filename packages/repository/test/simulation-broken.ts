/** Processes that see something else than the truth, as if a rule of the protocol were missing. */
import type { ObjectInfo, Storage } from "@holdfast/storage";
import { withCalls } from "./changed-storage.ts";
import type { Distortion } from "./simulation-world.ts";

/** A cleaner that waits for nobody. */
export const seesNoSessions: Distortion = (storage) =>
  withLists(storage, (prefix, list) => (prefix === "sessions/" ? nothing() : list));

/** A writer that uses chunks of packs that are about to be deleted. */
export const seesNothingCondemned: Distortion = (storage) =>
  withLists(storage, (prefix, list) => (prefix === "condemned/" ? nothing() : list));

/** A cleaner that deletes after its first look at the copies. */
export const seesNoNewCopies: Distortion = (storage) => {
  let first: Promise<ObjectInfo[]> | undefined;
  return withLists(storage, (prefix, list) => {
    if (prefix !== "copies/") return list;
    first ??= Array.fromAsync(list);
    return iterate(first);
  });
};

/** A session that never finds out that others gave it up. */
export const alwaysSeesItself: Distortion = (storage) => {
  const found: ObjectInfo = { name: "", size: 0, modifiedMs: 0 };
  return withCalls(storage, {
    stat: async (name) => (name.startsWith("sessions/") ? { ...found, name } : storage.stat(name)),
  });
};

function withLists(
  storage: Storage,
  change: (prefix: string, list: AsyncIterable<ObjectInfo>) => AsyncIterable<ObjectInfo>,
): Storage {
  return withCalls(storage, { list: (prefix, signal) => change(prefix, storage.list(prefix, signal)) });
}

// biome-ignore lint: an empty generator is what is meant.
async function* nothing(): AsyncGenerator<ObjectInfo> {}

async function* iterate(objects: Promise<readonly ObjectInfo[]>): AsyncGenerator<ObjectInfo> {
  yield* await objects;
}
