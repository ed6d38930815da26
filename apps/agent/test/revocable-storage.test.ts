/** A storage that a run holds as long as it may. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError } from "@holdfast/kernel";
import { MemoryStorage } from "@holdfast/storage";
import { RevocableStorage } from "../src/lease/revocable-storage.ts";
import { VirtualClock } from "./virtual-clock.ts";

suite("A storage on a lease", () => {
  test("lets nothing through after it was revoked, and closes what is below", async () => {
    const below = new MemoryStorage();
    let closed = 0;
    below[Symbol.asyncDispose] = () => {
      closed += 1;
      return Promise.resolve();
    };
    const storage = new RevocableStorage(below);
    await storage.put("packs/a", Buffer.from("a"));
    await storage.put("packs/b", Buffer.from("b"));
    const listing = storage.list("packs/")[Symbol.asyncIterator]();
    await listing.next();
    const reason = new AppError("ERR_LEASE_ENDED", "It ran out.");
    storage.revoke(reason);
    assert.equal(closed, 1);
    storage.revoke(new AppError("ERR_CANCELLED", "Later."));
    const isReason = (error: unknown): boolean => error === reason;
    await assert.rejects(storage.put("packs/c", Buffer.from("c")), isReason);
    await assert.rejects(storage.get("packs/a"), isReason);
    await assert.rejects(storage.stat("packs/a"), isReason);
    await assert.rejects(storage.delete("packs/a"), isReason);
    await assert.rejects(storage.free(), isReason);
    await assert.rejects(listing.next(), isReason);
    await assert.rejects(storage.list("packs/")[Symbol.asyncIterator]().next(), isReason);
    await assert.rejects(storage.list("nothing/")[Symbol.asyncIterator]().next(), isReason);
    assert.throws(() => storage.localPath("packs/a"), isReason);
    await storage[Symbol.asyncDispose]();
    assert.equal(closed, 1);
    assert.equal(await below.stat("packs/c"), null);
    assert.notEqual(await below.stat("packs/a"), null);
  });

  test("stores no more a second than the plan allows, on average", async () => {
    const clock = new VirtualClock();
    const storage = new RevocableStorage(new MemoryStorage(), {
      pace: [{ from: 0, bytesPerSecond: 1000 }],
      clock,
    });
    const begin = clock.monotonic();
    const stored: number[] = [];
    const puts = ["a", "b", "c"].map(async (name) => {
      await storage.put(name, Buffer.alloc(2000));
      stored.push(clock.monotonic() - begin);
    });
    await new Promise(setImmediate);
    await clock.pass(10_000, 500);
    await Promise.all(puts);
    // What stood still before makes up for an eighth of a second.
    assert.deepEqual(stored, [2000, 4000, 6000]);
  });

  test("stores nothing that waited for its turn when it was revoked", async () => {
    const clock = new VirtualClock();
    const below = new MemoryStorage();
    const storage = new RevocableStorage(below, { pace: [{ from: 0, bytesPerSecond: 1000 }], clock });
    const waiting = storage.put("b", Buffer.alloc(5000));
    const reason = new AppError("ERR_LEASE_ENDED", "It ran out.");
    storage.revoke(reason);
    await assert.rejects(waiting, (error) => error === reason);
    assert.equal(await below.stat("b"), null);
  });

  test("waits for no turn once its run is cancelled, but lets the run tidy up", async () => {
    const clock = new VirtualClock();
    const below = new MemoryStorage();
    const run = new AbortController();
    const storage = new RevocableStorage(below, {
      signal: run.signal,
      pace: [{ from: 0, bytesPerSecond: 1000 }],
      clock,
    });
    const waiting = storage.put("b", Buffer.alloc(5000));
    const reason = new AppError("ERR_CANCELLED", "Enough.");
    run.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    await storage.delete("a");
    assert.equal(await below.stat("a"), null);
  });
});
