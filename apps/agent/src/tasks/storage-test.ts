/** `storage.test`: writes, reads, lists and deletes a probe object. */
import { randomBytes } from "node:crypto";
import { AppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import type { TaskRunner } from "./task-context.ts";

const PROBE_BYTES = 1024;
/** A folder that no repository has objects in. */
const PROBE_FOLDER = "probe/";

export const storageTest: TaskRunner<"storage.test"> = async (task, context) => {
  const { clock, signal } = context;
  const begin = clock.monotonic();
  const storage = await context.openStorage(task.storage, { create: true });
  const name = `${PROBE_FOLDER}${randomBytes(16).toString("hex")}`;
  const bytes = randomBytes(PROBE_BYTES);
  try {
    await storage.put(name, bytes, { signal });
    const back = await storage.get(name, undefined, signal);
    if (!back.equals(bytes)) throw misbehaves(storage, "gave back other bytes than it was given");
    if (!(await isListed(storage, name, signal)))
      throw misbehaves(storage, "does not list what it was given");
  } finally {
    await storage.delete(name).catch(() => undefined);
  }
  if ((await storage.stat(name)) !== null) throw misbehaves(storage, "does not delete what it was given");
  const freeBytes = await storage.free();
  const milliseconds = clock.monotonic() - begin;
  return { milliseconds, ...(freeBytes === null ? {} : { freeBytes: Math.trunc(freeBytes) }) };
};

async function isListed(storage: Storage, name: string, signal: AbortSignal): Promise<boolean> {
  // Where lists are stale, a list without it says nothing.
  if (!storage.capabilities.listConsistent) return true;
  for await (const object of storage.list(PROBE_FOLDER, signal)) if (object.name === name) return true;
  return false;
}

function misbehaves({ location }: Storage, what: string): AppError {
  return new AppError("ERR_STORAGE_FAILED", `The storage at ${location} ${what}.`, {
    subject: location,
    remedy: "Check what the account may do there, and whether a lock or a versioning rule keeps objects.",
  });
}
