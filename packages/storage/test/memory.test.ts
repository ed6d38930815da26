/** What the storage in memory has beyond the contract: time, capacity, copies of itself. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { MemoryStorage } from "../src/index.ts";
import { ManualClock } from "./manual-clock.ts";

suite("memory storage", () => {
  test("times come from the clock", async () => {
    const clock = new ManualClock(5000);
    const storage = new MemoryStorage({ clock });
    await storage.put("a", new Uint8Array(1));
    clock.advance(10);
    await storage.put("b", new Uint8Array(1));
    assert.equal((await storage.stat("a"))?.modifiedMs, 5000);
    assert.equal((await storage.stat("b"))?.modifiedMs, 5010);
  });

  test("a capacity can be used up and given back", async () => {
    const storage = new MemoryStorage({ capacity: 10 });
    await storage.put("a", new Uint8Array(6));
    await assert.rejects(storage.put("b", new Uint8Array(5)), (error) =>
      isAppError(error, "ERR_STORAGE_FULL"),
    );
    assert.equal(await storage.stat("b"), null);
    assert.equal(await storage.put("a", new Uint8Array(6)), "exists");
    assert.equal(await storage.free(), 4);
    await storage.put("b", new Uint8Array(4));
    await storage.delete("a");
    assert.equal(await storage.free(), 6);
    assert.equal(await storage.clone().free(), 6);
  });

  test("a clone has the same objects and goes its own way", async () => {
    const storage = new MemoryStorage();
    await storage.put("a", Buffer.from("hello"));
    const clone = storage.clone();
    await clone.delete("a");
    await clone.put("b", new Uint8Array(1));
    assert.equal((await storage.get("a")).toString(), "hello");
    assert.equal(await storage.stat("b"), null);
  });
});
