import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { isAppError } from "@holdfast/kernel";
import { type ByteRange, MemoryStorage } from "@holdfast/storage";
import { FetchQueue } from "../src/reading/fetch-queue.ts";

const MEBIBYTE = 1024 * 1024;
const NAME = "packs/a";
const LARGE = 6 * MEBIBYTE;

async function newQueue(): Promise<{
  readonly queue: FetchQueue;
  /** Offsets that were asked of the storage. */
  readonly asked: (number | undefined)[];
  readonly outcomes: Map<number, unknown>;
}> {
  const asked: (number | undefined)[] = [];
  const storage = new (class extends MemoryStorage {
    override async get(name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
      asked.push(range?.offset);
      return super.get(name, range, signal);
    }
  })();
  await storage.put(NAME, Buffer.from("hello"));
  const outcomes = new Map<number, unknown>();
  const queue = new FetchQueue(storage, undefined, {
    arrived: (id, bytes) => outcomes.set(id, bytes.toString()),
    failed: (id, error) => outcomes.set(id, error),
  });
  return { queue, asked, outcomes };
}

suite("fetches for a thread", () => {
  test("take no more memory than they may, and go on as it becomes free", async () => {
    const { queue, asked, outcomes } = await newQueue();
    queue.add([0, 1, 2, 3].map((id) => ({ id, name: NAME, offset: id * LARGE, length: LARGE })));
    assert.deepEqual(asked, [0, LARGE]);
    await setImmediate();
    // It is not there, which is told.
    assert(isAppError(outcomes.get(0), "ERR_DAMAGED"));
    queue.release([0]);
    assert.deepEqual(asked, [0, LARGE, 2 * LARGE]);
    // Who waits already does not wait for room that others hold.
    queue.hurry(3);
    assert.deepEqual(asked, [0, LARGE, 2 * LARGE, 3 * LARGE]);
    queue.hurry(3);
    assert.equal(asked.length, 4);
  });

  test("bring nothing that was given back, and leave out what was not begun", async () => {
    const { queue, asked, outcomes } = await newQueue();
    queue.add([
      { id: 0, name: NAME, offset: 0, length: 3 },
      { id: 1, name: NAME, offset: 3, length: 2 },
      { id: 2, name: NAME, offset: LARGE, length: 3 * LARGE },
      { id: 3, name: NAME, offset: 4 * LARGE, length: 1 },
    ]);
    queue.release([0, 2]);
    await setImmediate();
    assert.deepEqual(new Set(outcomes.keys()), new Set([1, 3]));
    assert.equal(outcomes.get(1), "lo");
    assert.deepEqual(asked, [0, 3, 4 * LARGE]);
  });
});
