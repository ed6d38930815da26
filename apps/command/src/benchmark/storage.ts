/**
 * How fast a storage takes objects and gives them back. What is written is removed again.
 *
 * @module
 */
import { randomBytes, randomFillSync } from "node:crypto";
import type { Storage } from "@holdfast/storage";
import type { Measurement } from "./measure.ts";

const OBJECT_BYTES = 16 * 1024 * 1024;
const OBJECTS_MAX = 16;
const PHASE_MS = 2000;
/** As a writer does it: one on the way while the next one is made. */
const AT_ONCE = 2;

/** @throws AppError of the storage. */
export async function measureStorage(storage: Storage, signal: AbortSignal): Promise<readonly Measurement[]> {
  const run = randomBytes(8).toString("hex");
  const bytes = randomFillSync(Buffer.alloc(OBJECT_BYTES));
  const names: string[] = [];
  try {
    const written = await timed(OBJECTS_MAX, async (index) => {
      const name = `benchmark/${run}-${String(index)}`;
      names.push(name);
      await storage.put(name, bytes, { signal });
    });
    const read = await timed(names.length, async (index) => {
      await storage.get(names[index] ?? "", undefined, signal);
    });
    return [
      { group: "storage", name: "write", bytesPerSecond: written, note: "until it is safe on disk" },
      { group: "storage", name: "read", bytesPerSecond: read, note: "perhaps from the system's cache" },
    ];
  } finally {
    for (const name of names) await storage.delete(name);
  }
}

/** Bytes a second of up to `count` objects, as many as fit into the time. */
async function timed(count: number, transfer: (index: number) => Promise<void>): Promise<number> {
  const startMs = performance.now();
  let started = 0;
  let finished = 0;
  const work = async (): Promise<void> => {
    while (started < count && performance.now() - startMs < PHASE_MS) {
      const index = started;
      started += 1;
      await transfer(index);
      finished += 1;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return (finished * OBJECT_BYTES * 1000) / (performance.now() - startMs);
}
