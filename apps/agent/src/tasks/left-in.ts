import type { Storage } from "@holdfast/storage";

/** What is left in a storage, for people to look at: that it does not tell is no reason to fail. */
export async function leftIn(storage: Storage): Promise<{ readonly freeBytes?: number }> {
  const bytes = await storage.free().catch(() => null);
  return bytes === null ? {} : { freeBytes: Math.trunc(bytes) };
}
