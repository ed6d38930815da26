/** The order of the calls that make an object durable, and the way past the page cache. */
import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { openLocalStorage } from "../src/index.ts";
import { Folders } from "../src/local/folders.ts";
import { FileWriter } from "../src/local/write-file.ts";
import { sharedPageAligned } from "../src/shared-memory.ts";
import { recordCalls } from "./file-calls.ts";
import { scratchFolder } from "./scratch-folder.ts";

const MEBIBYTE = 1024 * 1024;
const linux = process.platform === "linux" ? false : "reads /proc, and knows O_DIRECT of Linux";

suite("local storage: durability order", { skip: linux }, () => {
  test("content before name, name before folder, new folders before success", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    await storage.put("first", new Uint8Array(1));
    using recorder = recordCalls();
    await storage.put("packs/aa/x", Buffer.from("hello"));
    const calls = recorder.calls
      .filter(({ what }) => what !== "open")
      .map(({ what, path }) => `${what} ${path.slice(scratch.path.length).replace(/^\/tmp\/.+$/, "/tmp/*")}`);
    assert.deepEqual(calls, [
      "mkdir /packs",
      "sync ",
      "mkdir /packs/aa",
      "sync /packs",
      "write /tmp/*",
      "sync /tmp/*",
      "link /packs/aa/x",
      "unlink /tmp/*",
      "sync /packs/aa",
    ]);
  });

  test("an object of somebody else is made durable before it is said to exist", async () => {
    await using scratch = await scratchFolder();
    await (await openLocalStorage(scratch.path)).put("packs/a", new Uint8Array(1));
    await using storage = await openLocalStorage(scratch.path);
    using recorder = recordCalls();
    assert.equal(await storage.put("packs/a", new Uint8Array(1)), "exists");
    const synced = recorder.calls.filter(({ what }) => what === "sync").map(({ path }) => path);
    assert(synced.includes(scratch.path) && synced.at(-1) === join(scratch.path, "packs"));
  });

  test("a delete ends after its folder is synced", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    await storage.put("packs/a", new Uint8Array(1));
    using recorder = recordCalls();
    await storage.delete("packs/a");
    const calls = recorder.calls.filter(({ what }) => what !== "open").map(({ what }) => what);
    assert.deepEqual(calls, ["unlink", "sync"]);
  });

  test("puts at once in one folder share its syncs", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    await storage.put("packs/first", new Uint8Array(1));
    using recorder = recordCalls();
    const names = Array.from({ length: 40 }, (_, index) => `packs/${String(index)}`);
    await Promise.all(names.map((name) => storage.put(name, new Uint8Array(1))));
    const folder = join(scratch.path, "packs");
    const syncs = recorder.calls.filter(({ what, path }) => what === "sync" && path === folder).length;
    assert(syncs >= 1 && syncs < 40, String(syncs));
    const lastLink = recorder.calls.findLastIndex(({ what }) => what === "link");
    const lastSync = recorder.calls.findLastIndex(({ what, path }) => what === "sync" && path === folder);
    assert(lastSync > lastLink);
  });

  test("a sync that runs says nothing of what came after it began: the next one is for all who wait", async () => {
    await using scratch = await scratchFolder();
    const folders = new Folders(scratch.path);
    using recorder = recordCalls();
    const running = folders.sync(".");
    const [next, shared] = [folders.sync("."), folders.sync(".")];
    assert.notEqual(next, running);
    assert.equal(shared, next);
    await Promise.all([running, next]);
    assert.equal(recorder.calls.filter(({ what }) => what === "sync").length, 2);
  });

  test("the folder of a new storage, and each above it, is in a folder that was synced", async () => {
    await using scratch = await scratchFolder();
    using recorder = recordCalls();
    await using _ = await openLocalStorage(join(scratch.path, "above/base"), { create: true });
    const synced = recorder.calls.filter(({ what }) => what === "sync").map(({ path }) => path);
    assert.deepEqual(synced, [join(scratch.path, "above"), scratch.path]);
  });

  test("a temporary file is nobody's yet", async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "new");
    await new FileWriter().write(path, new Uint8Array(1), {});
    await assert.rejects(new FileWriter().write(path, new Uint8Array(2), {}), { code: "EEXIST" });
  });
});

suite("local storage: past the page cache", { skip: linux }, () => {
  const lengths = [-1, 0, 1, 4095, 4096, 3 * MEBIBYTE - 1, 3 * MEBIBYTE, 3 * MEBIBYTE + 1].map(
    (more) => MEBIBYTE + more,
  );
  for (const length of lengths) {
    test(`${String(length)} bytes of aligned memory`, async () => {
      await using scratch = await scratchFolder();
      await using storage = await openLocalStorage(scratch.path);
      const bytes = randomFillSync(sharedPageAligned(length));
      using recorder = recordCalls();
      await storage.put("packs/a", bytes);
      const direct = recorder.calls.some(({ what }) => what === "direct-open");
      assert.equal(direct, length >= MEBIBYTE);
      assert((await storage.get("packs/a")).equals(bytes));
    });
  }

  test("only memory known to be aligned goes this way", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    const shared = randomFillSync(sharedPageAligned(4 * MEBIBYTE));
    using recorder = recordCalls();
    await storage.put("ordinary", new Uint8Array(2 * MEBIBYTE));
    await storage.put("shifted", shared.subarray(1));
    assert(recorder.calls.every(({ what }) => what !== "direct-open"));
    await storage.put("page", shared.subarray(4096));
    assert.equal(recorder.calls.filter(({ what }) => what === "direct-open").length, 1);
    assert((await storage.get("shifted")).equals(shared.subarray(1)));
    assert((await storage.get("page")).equals(shared.subarray(4096)));
  });

  test("memory that was wrongly said to be aligned is stored all the same", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    // The memory of a large Buffer begins some bytes after a page, or at one: both must do.
    const bytes = randomFillSync(Buffer.alloc(5 * MEBIBYTE + 7));
    await storage.put("packs/a", bytes, { aligned: true });
    assert((await storage.get("packs/a")).equals(bytes));
  });

  test("a file system that refuses is remembered, and the object is stored the usual way", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    const bytes = randomFillSync(sharedPageAligned(9 * MEBIBYTE + 5));
    using recorder = recordCalls({ directWrite: "EINVAL" });
    assert.equal(storage.direct, true);
    await storage.put("packs/a", bytes);
    assert.equal(storage.direct, false);
    await storage.put("packs/b", bytes);
    assert.equal(recorder.calls.filter(({ what }) => what === "direct-open").length, 1);
    assert((await storage.get("packs/a")).equals(bytes));
    assert((await storage.get("packs/b")).equals(bytes));
  });

  test("another error of it fails the put and leaves nothing", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    using recorder = recordCalls({ directWrite: "EIO" });
    await assert.rejects(storage.put("packs/a", sharedPageAligned(MEBIBYTE)), (error) =>
      isAppError(error, "ERR_STORAGE_FAILED"),
    );
    assert.equal(storage.direct, true);
    assert(recorder.calls.every(({ what }) => what !== "link"));
    assert.deepEqual(await readdir(join(scratch.path, "tmp")), []);
  });
});
