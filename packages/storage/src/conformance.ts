/**
 * The contract of a storage as tests. Every driver's test file calls {@link testStorage} and adds only its own quirks.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { ObjectInfo, Storage } from "./contract.ts";
import { sharedPageAligned } from "./shared-memory.ts";

const MEBIBYTE = 1024 * 1024;

const LEGAL_NAMES = ["0", "-", "a..b", "a.b.c", "a-", "-a", "config", "a/b/c/d/e/f", "x".repeat(200)];

const ILLEGAL_NAMES = [
  "",
  "/",
  "/a",
  "a/",
  "a//b",
  ".",
  "..",
  "../a",
  "a/..",
  "a/../b",
  "a/./b",
  "a/.",
  ".hidden",
  "a/.b",
  "a.",
  "A",
  "a b",
  "a_b",
  "a\\b",
  "a\0b",
  "a\n",
  "a:b",
  "a?b",
  "a#b",
  "%2e%2e/a",
  "\u00e9",
  "tmp",
  "tmp/a",
  "x".repeat(201),
];

type Open = () => Promise<Storage>;

/** @param open gives an empty storage each time; it is disposed by the tests. */
export function testStorage(name: string, open: Open): void {
  suite(`${name}: storage contract`, () => {
    testPut(open);
    testConcurrentPuts(open);
    testLargeObjects(open);
    testGet(open);
    testList(open);
    testDelete(open);
    testNames(open);
    testAbort(open);
    testDescription(open);
  });
}

function testPut(open: Open): void {
  test("an object comes back as it was put", async () => {
    await using storage = await open();
    assert.equal(await storage.put("a/b", Buffer.from("hello")), "created");
    assert.equal((await storage.get("a/b")).toString(), "hello");
  });

  test("a second put of a name leaves the first object alone", async () => {
    await using storage = await open();
    assert.equal(await storage.put("a", Buffer.from("first")), "created");
    assert.equal(await storage.put("a", Buffer.from("second one")), "exists");
    assert.equal((await storage.get("a")).toString(), "first");
  });

  test("an empty object is an object", async () => {
    await using storage = await open();
    assert.equal(await storage.put("empty", new Uint8Array(0)), "created");
    assert.equal(await storage.put("empty", new Uint8Array(1)), "exists");
    assert.equal((await storage.get("empty")).length, 0);
    assert.equal((await storage.stat("empty"))?.size, 0);
  });

  test("neither the bytes put nor those got are shared with the storage", async () => {
    await using storage = await open();
    const bytes = Buffer.from("hello");
    await storage.put("a", bytes);
    bytes.fill(0);
    (await storage.get("a")).fill(1);
    assert.equal((await storage.get("a")).toString(), "hello");
  });

  test("a view into a larger buffer is put without what surrounds it", async () => {
    await using storage = await open();
    await storage.put("a", Buffer.from("<hello>").subarray(1, 6));
    assert.equal((await storage.get("a")).toString(), "hello");
  });

  test("a digest given along does not change what is stored", async () => {
    await using storage = await open();
    const bytes = pattern(1000, 3);
    assert.equal(await storage.put("a", bytes, { sha256: digest(bytes) }), "created");
    assert.deepEqual(await storage.get("a"), bytes);
  });
}

function testConcurrentPuts(open: Open): void {
  test("of concurrent puts of one name exactly one creates it, and it is whole", async () => {
    await using storage = await open();
    const contents = Array.from({ length: 8 }, (_, seed) => pattern(2 * MEBIBYTE + seed, seed));
    const outcomes = await Promise.all(contents.map((bytes) => storage.put("packs/aa/x", bytes)));
    assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1);
    const winner = contents[outcomes.indexOf("created")];
    assert(winner !== undefined);
    assert((await storage.get("packs/aa/x")).equals(winner));
  });

  test("concurrent puts of many names in new folders all arrive", async () => {
    await using storage = await open();
    const names = Array.from({ length: 24 }, (_, index) => `packs/${String(index % 3)}/${String(index)}`);
    const outcomes = await Promise.all(names.map((name) => storage.put(name, Buffer.from(name))));
    assert(outcomes.every((outcome) => outcome === "created"));
    for (const name of names) assert.equal((await storage.get(name)).toString(), name);
  });
}

function testLargeObjects(open: Open): void {
  for (const [memory, make] of [
    ["ordinary memory", (length: number) => Buffer.alloc(length)],
    ["shared memory", sharedPageAligned],
  ] as const) {
    test(`an object of 33 MiB and a bit comes back, from ${memory}`, async () => {
      await using storage = await open();
      const length = 33 * MEBIBYTE + 123;
      const bytes = make(length);
      fillPattern(bytes, 7);
      assert.equal(await storage.put("packs/aa/large", bytes), "created");
      assert.equal((await storage.stat("packs/aa/large"))?.size, length);
      assert.deepEqual(digest(await storage.get("packs/aa/large")), digest(bytes));
      const tail = await storage.get("packs/aa/large", { offset: length - 5000, length: 5000 });
      assert(tail.equals(bytes.subarray(length - 5000)));
    });
  }
}

function testGet(open: Open): void {
  test("every range within an object gives exactly its bytes, every other one fails", async () => {
    await using storage = await open();
    const bytes = Buffer.from("0123456");
    await storage.put("a", bytes);
    for (let offset = 0; offset <= bytes.length + 1; offset += 1) {
      for (let length = 0; length <= bytes.length + 1; length += 1) {
        const range = { offset, length };
        if (offset + length > bytes.length) await assertFails("ERR_DAMAGED", storage.get("a", range));
        else assert.deepEqual(await storage.get("a", range), bytes.subarray(offset, offset + length));
      }
    }
    await assertFails("ERR_DAMAGED", storage.get("a", { offset: 2 ** 40, length: 1 }));
  });

  test("a missing object is ERR_STORAGE_NOT_FOUND, whole and in part", async () => {
    await using storage = await open();
    await storage.put("folder/a", Buffer.from("hello"));
    for (const name of ["b", "folder/b", "folder", "folder/a/b", "other/a"]) {
      await assertFails("ERR_STORAGE_NOT_FOUND", storage.get(name));
      await assertFails("ERR_STORAGE_NOT_FOUND", storage.get(name, { offset: 0, length: 1 }));
      await assertFails("ERR_STORAGE_NOT_FOUND", storage.get(name, { offset: 0, length: 0 }));
      assert.equal(await storage.stat(name), null);
    }
  });
}

function testList(open: Open): void {
  test("an empty storage and a missing folder list nothing", async () => {
    await using storage = await open();
    assert.deepEqual(await listed(storage, ""), []);
    assert.deepEqual(await listed(storage, "packs/"), []);
    assert.deepEqual(await listed(storage, "packs/aa/"), []);
  });

  test("a list has every object below its prefix once, at any depth, and no other", async () => {
    await using storage = await open();
    const names = Array.from({ length: 120 }, (_, index) => `packs/${String(index % 7)}/${String(index)}`);
    names.push("config", "packs/top", "packs2/x", "pack", "packs/0/deep/er/x", "index/1");
    await Promise.all(names.map((name) => storage.put(name, Buffer.alloc(name.length))));
    for (const prefix of ["", "packs/", "packs/0/", "packs/0/deep/", "packs2/", "index/", "none/"]) {
      const infos = await listed(storage, prefix);
      assert.deepEqual(infos.map(({ name }) => name).toSorted(), belowPrefix(names, prefix));
      assert(infos.every(({ name, size }) => size === name.length));
    }
  });

  test("a list says what stat says", async () => {
    await using storage = await open();
    await storage.put("packs/a", Buffer.from("hello"));
    const [info, ...others] = await listed(storage, "packs/");
    assert.deepEqual(others, []);
    assert.deepEqual(info, await storage.stat("packs/a"));
    assert.equal(info.size, 5);
    assert(Number.isSafeInteger(info.modifiedMs));
  });

  test("a list that is left early leaves the storage usable", async () => {
    await using storage = await open();
    await storage.put("packs/a", Buffer.from("1"));
    await storage.put("packs/b", Buffer.from("2"));
    for await (const info of storage.list("packs/")) {
      assert(info.name.startsWith("packs/"));
      break;
    }
    assert.equal((await listed(storage, "packs/")).length, 2);
  });
}

function testDelete(open: Open): void {
  test("a deleted object is gone, and its name is free again", async () => {
    await using storage = await open();
    await storage.put("packs/a", Buffer.from("first"));
    await storage.put("packs/b", Buffer.from("other"));
    await storage.delete("packs/a");
    await assertFails("ERR_STORAGE_NOT_FOUND", storage.get("packs/a"));
    assert.equal(await storage.stat("packs/a"), null);
    assert.deepEqual(
      (await listed(storage, "packs/")).map(({ name }) => name),
      ["packs/b"],
    );
    assert.equal(await storage.put("packs/a", Buffer.from("second")), "created");
    assert.equal((await storage.get("packs/a")).toString(), "second");
  });

  test("deleting what is missing is no error", async () => {
    await using storage = await open();
    await storage.delete("packs/a");
    await storage.put("packs/a", Buffer.from("1"));
    await Promise.all([storage.delete("packs/a"), storage.delete("packs/a")]);
    await storage.delete("packs/a");
    assert.deepEqual(await listed(storage, ""), []);
  });
}

function testNames(open: Open): void {
  test("every legal name can be stored, listed and deleted", async () => {
    await using storage = await open();
    for (const name of LEGAL_NAMES) assert.equal(await storage.put(name, Buffer.from(name)), "created");
    for (const name of LEGAL_NAMES) assert.equal((await storage.get(name)).toString(), name);
    assert.deepEqual((await listed(storage, "")).map(({ name }) => name).toSorted(), LEGAL_NAMES.toSorted());
    for (const name of LEGAL_NAMES) await storage.delete(name);
    assert.deepEqual(await listed(storage, ""), []);
  });

  for (const name of ILLEGAL_NAMES) {
    test(`${JSON.stringify(name.slice(0, 20))} is refused as a name`, async () => {
      await using storage = await open();
      await assertFails("ERR_USAGE", storage.put(name, new Uint8Array(1)));
      await assertFails("ERR_USAGE", storage.get(name));
      await assertFails("ERR_USAGE", storage.stat(name));
      await assertFails("ERR_USAGE", storage.delete(name));
      assert.throws(
        () => storage.localPath(name),
        (error) => isAppError(error, "ERR_USAGE"),
      );
      await assertFails("ERR_USAGE", listed(storage, `${name}/`));
      assert.deepEqual(await listed(storage, ""), []);
    });
  }

  test("a prefix that is no folder is refused", async () => {
    await using storage = await open();
    for (const prefix of ["pack", "/", "packs/../", "../", "packs//"]) {
      await assertFails("ERR_USAGE", listed(storage, prefix));
    }
  });
}

function testAbort(open: Open): void {
  test("a put that was aborted before it began leaves no object", async () => {
    await using storage = await open();
    const signal = AbortSignal.abort();
    await assertFails("ERR_CANCELLED", storage.put("packs/a", new Uint8Array(8), { signal }));
    assert.deepEqual(await listed(storage, ""), []);
  });

  test("a put that is aborted on its way leaves the whole object or none", async () => {
    await using storage = await open();
    const bytes = pattern(16 * MEBIBYTE, 5);
    const abort = new AbortController();
    const put = storage.put("packs/a", bytes, { signal: abort.signal });
    setImmediate(() => {
      abort.abort();
    });
    const [outcome] = await Promise.allSettled([put]);
    if (outcome.status === "rejected") assert(isAppError(outcome.reason, "ERR_CANCELLED"));
    const info = await storage.stat("packs/a");
    if (outcome.status === "fulfilled") assert(info !== null);
    if (info !== null) assert((await storage.get("packs/a")).equals(bytes));
    assert.equal(await storage.put("packs/a", bytes), info === null ? "created" : "exists");
  });

  test("an aborted get and an aborted list fail", async () => {
    await using storage = await open();
    await storage.put("packs/a", new Uint8Array(8));
    const signal = AbortSignal.abort();
    await assertFails("ERR_CANCELLED", storage.get("packs/a", undefined, signal));
    await assertFails("ERR_CANCELLED", Array.fromAsync(storage.list("packs/", signal)));
  });
}

function testDescription(open: Open): void {
  test("the free space is known exactly when the storage claims so", async () => {
    await using storage = await open();
    const free = await storage.free();
    if (storage.capabilities.freeSpace) assert(free !== null && Number.isSafeInteger(free) && free >= 0);
    else assert.equal(free, null);
  });

  test("the location is a text to show", async () => {
    await using storage = await open();
    assert(storage.location.length > 0);
  });
}

async function assertFails(code: ErrorCode, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => isAppError(error, code) && error.message.length > 0);
}

async function listed(storage: Storage, prefix: string): Promise<readonly ObjectInfo[]> {
  return Array.fromAsync(storage.list(prefix));
}

function belowPrefix(names: readonly string[], prefix: string): readonly string[] {
  return names.filter((name) => name.startsWith(prefix)).toSorted();
}

function digest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** Every byte depends on its place and the seed, so that moved or mixed content shows. */
function fillPattern(bytes: Uint8Array, seed: number): void {
  let state = (seed + 1) >>> 0;
  for (let index = 0; index < bytes.length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  fillPattern(bytes, seed);
  return bytes;
}
