import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AppError, type Clock, type ErrorCode } from "@holdfast/kernel";
import { testStorage } from "../src/conformance.ts";
import type { RemoteDriver } from "../src/remote/driver.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { hasCode, MemoryDriver } from "./memory-driver.ts";

testStorage("a remote storage", () => Promise.resolve(openRemoteStorage(new MemoryDriver())));

/** Sleeping takes no time but moves the clock. */
function sleepingClock(): Clock & { readonly slept: number[] } {
  const slept: number[] = [];
  const nowMs = (): number => slept.reduce((sum, ms) => sum + ms, 0);
  return {
    slept,
    now: nowMs,
    monotonic: nowMs,
    sleep: (ms) => {
      slept.push(ms);
      return Promise.resolve();
    },
  };
}

const always = <T extends Uint8Array>(bytes: T): T => bytes.fill(0x80);

function failure(code: ErrorCode): AppError {
  return new AppError(code, "The storage did not answer.", { remedy: "Look at the network." });
}

function bench(): {
  driver: MemoryDriver;
  clock: ReturnType<typeof sleepingClock>;
  open: (driver: RemoteDriver) => ReturnType<typeof openRemoteStorage>;
} {
  const clock = sleepingClock();
  const open = (driver: RemoteDriver): ReturnType<typeof openRemoteStorage> =>
    openRemoteStorage(driver, { clock, randomness: always, deadlineMs: 60_000 });
  return { driver: new MemoryDriver(), clock, open };
}

suite("retries of a remote storage", () => {
  test("come after pauses that grow", async () => {
    const { driver, clock, open } = bench();
    const storage = open(driver);
    await storage.put("a", Buffer.from("hello"));
    for (let count = 0; count < 4; count += 1) {
      driver.accidents.push({ call: "get", error: failure("ERR_STORAGE_UNREACHABLE") });
    }
    assert.equal((await storage.get("a")).toString(), "hello");
    assert.deepEqual(
      clock.slept.map((ms) => Math.round(ms)),
      [100, 201, 402, 803],
    );
  });

  test("end at the deadline, and say how often it was tried", async () => {
    const { driver, clock, open } = bench();
    const storage = open(driver);
    for (let count = 0; count < 50; count += 1) {
      driver.accidents.push({ call: "stat", error: failure("ERR_STORAGE_TIMEOUT") });
    }
    await assert.rejects(storage.stat("a"), /did not answer\. Gave up after \d+ attempts in \d+ s/u);
    assert(clock.monotonic() <= 60_000);
    assert(driver.calls.length > 5);
  });

  test("have their whole time after a call that took long", async () => {
    const { clock, open } = bench();
    class Slow extends MemoryDriver {
      override async put(...call: Parameters<RemoteDriver["put"]>): ReturnType<RemoteDriver["put"]> {
        await clock.sleep(120_000, call[3]);
        return super.put(...call);
      }
    }
    const slow = new Slow();
    slow.accidents.push({ call: "put", error: failure("ERR_STORAGE_UNREACHABLE") });
    assert.equal(await open(slow).put("a", Buffer.from("hello")), "created");
  });

  test("of all calls end together when the storage is gone", async () => {
    const { driver, clock, open } = bench();
    const storage = open(driver);
    const lose = (count: number): void => {
      for (let number = 0; number < count; number += 1)
        driver.accidents.push({ call: "stat", error: failure("ERR_STORAGE_UNREACHABLE") });
    };
    lose(100);
    await assert.rejects(storage.stat("a"), /Gave up after/u);
    await assert.rejects(storage.stat("b"), hasCode("ERR_STORAGE_UNREACHABLE"));
    assert(clock.monotonic() <= 60_000);
    // It is there again, and lost again.
    driver.accidents.length = 0;
    assert.equal(await storage.stat("c"), null);
    lose(2);
    assert.equal(await storage.stat("d"), null);
  });

  test("begin anew after an outage that nobody has noticed the end of", async () => {
    const { driver, clock, open } = bench();
    const storage = open(driver);
    for (let count = 0; count < 50; count += 1)
      driver.accidents.push({ call: "stat", error: failure("ERR_STORAGE_UNREACHABLE") });
    await assert.rejects(storage.stat("a"), /Gave up after/u);
    driver.accidents.length = 2;
    await clock.sleep(60_001, new AbortController().signal);
    assert.equal(await storage.stat("b"), null);
  });

  test("are not made where they are of no use", async () => {
    const codes = [
      "ERR_STORAGE_DENIED",
      "ERR_STORAGE_FULL",
      "ERR_STORAGE_MISSING",
      "ERR_STORAGE_UNTRUSTED",
    ] as const;
    for (const code of codes) {
      const { driver, open } = bench();
      driver.accidents.push({ call: "delete", error: failure(code) });
      await assert.rejects(open(driver).delete("a"), hasCode(code));
      assert.equal(driver.calls.length, 1);
    }
  });

  test("give refused credentials one more chance", async () => {
    const driver = new MemoryDriver();
    let told = 0;
    const onRefused = (): void => {
      told += 1;
    };
    const storage = openRemoteStorage(driver, { clock: sleepingClock(), onRefused });
    driver.accidents.push({ call: "stat", error: failure("ERR_STORAGE_CREDENTIALS") });
    assert.equal(await storage.stat("a"), null);
    assert.equal(told, 1);
    driver.accidents.push({ call: "stat", error: failure("ERR_STORAGE_CREDENTIALS") });
    driver.accidents.push({ call: "stat", error: failure("ERR_STORAGE_CREDENTIALS") });
    await assert.rejects(storage.stat("a"), hasCode("ERR_STORAGE_CREDENTIALS"));
    assert.equal(told, 2);
  });

  test("know their own object when the first answer to a put was lost", async () => {
    const { driver, open } = bench();
    const storage = open(driver);
    const lost = { call: "put", error: failure("ERR_STORAGE_UNREACHABLE"), answerLost: true } as const;
    driver.accidents.push(lost);
    assert.equal(await storage.put("a", Buffer.from("ours")), "created");
    driver.accidents.push(lost);
    assert.equal(await storage.put("a", Buffer.from("same")), "exists");
    assert.equal((await storage.get("a")).toString(), "ours");
  });
});

suite("limits of a remote storage", () => {
  test("let so many calls in at once", async () => {
    const driver = new MemoryDriver();
    const storage = openRemoteStorage(driver, { parallel: 3 });
    await Promise.all(Array.from({ length: 20 }, (_, number) => storage.stat(`a${String(number)}`)));
    assert.equal(driver.runningMost, 3);
  });

  test("refuse a list that does not end, and names that are none", async () => {
    class Hostile extends MemoryDriver {
      override list(): ReturnType<RemoteDriver["list"]> {
        const names = ["packs/a", "../etc/passwd", "index/b"];
        const objects = names.map((name) => ({ name, size: 1, modifiedMs: 0 }));
        return Promise.resolve({ objects, next: "again" });
      }
    }
    const names: string[] = [];
    const listing = (async () => {
      for await (const { name } of openRemoteStorage(new Hostile()).list("packs/")) names.push(name);
    })();
    await assert.rejects(listing, hasCode("ERR_STORAGE_FAILED"));
    assert.deepEqual(names, ["packs/a", "packs/a"]);
  });

  test("end with the storage", async () => {
    const driver = new MemoryDriver();
    const storage = openRemoteStorage(driver);
    const waiting = storage.stat("a");
    await storage[Symbol.asyncDispose]();
    await assert.rejects(waiting, hasCode("ERR_CANCELLED"));
    await assert.rejects(storage.stat("a"), hasCode("ERR_CANCELLED"));
  });
});
