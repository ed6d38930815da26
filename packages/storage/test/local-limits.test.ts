/** A full disk, a read-only disk and missing rights: real ones, where this machine lets the test make them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { openLocalStorage } from "../src/index.ts";
import { sharedPageAligned } from "../src/shared-memory.ts";
import { scratchFolder } from "./scratch-folder.ts";

const MEBIBYTE = 1024 * 1024;
const NOBODY = 65534;

function isExpected(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isAppError(error, code) && error.remedy !== undefined;
}

/** A small file system in memory; undefined after skipping the test where mounting is not allowed. */
async function mountSmallDisk(context: TestContext) {
  const scratch = await scratchFolder();
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", scratch.path], { stdio: "pipe" });
  } catch {
    await scratch[Symbol.asyncDispose]();
    context.skip("NOT TESTED: mounting a small tmpfs needs root on Linux");
    return undefined;
  }
  return {
    path: scratch.path,
    remountReadOnly: () => execFileSync("/bin/mount", ["-o", "remount,ro", scratch.path]),
    [Symbol.asyncDispose]: async () => {
      execFileSync("/bin/umount", [scratch.path]);
      await scratch[Symbol.asyncDispose]();
    },
  };
}

suite("local storage: limits of the disk", () => {
  for (const [memory, make] of [
    ["ordinary memory", (length: number) => new Uint8Array(length)],
    ["shared memory", sharedPageAligned],
  ] as const) {
    test(`a full disk is told, leaves nothing half, and what fits still fits, from ${memory}`, async (context) => {
      await using disk = await mountSmallDisk(context);
      if (disk === undefined) return;
      await using storage = await openLocalStorage(disk.path);
      await storage.put("packs/a", make(2 * MEBIBYTE).fill(1));
      await assert.rejects(storage.put("packs/b", make(3 * MEBIBYTE)), isExpected("ERR_STORAGE_FULL"));
      assert.equal(await storage.stat("packs/b"), null);
      assert.deepEqual(await readdir(join(disk.path, "tmp")), []);
      assert((await storage.free()) > MEBIBYTE);
      assert.equal(await storage.put("packs/b", make(MEBIBYTE)), "created");
      assert((await storage.get("packs/a")).every((byte) => byte === 1));
    });
  }

  test("a read-only disk refuses writing and can be read", async (context) => {
    await using disk = await mountSmallDisk(context);
    if (disk === undefined) return;
    await using storage = await openLocalStorage(disk.path);
    await storage.put("packs/a", Buffer.from("hello"));
    disk.remountReadOnly();
    await using reader = await openLocalStorage(disk.path);
    await assert.rejects(reader.put("packs/b", new Uint8Array(1)), isExpected("ERR_STORAGE_DENIED"));
    await assert.rejects(reader.put("index/b", new Uint8Array(1)), isExpected("ERR_STORAGE_DENIED"));
    await assert.rejects(reader.delete("packs/a"), isExpected("ERR_STORAGE_DENIED"));
    assert.equal((await reader.get("packs/a")).toString(), "hello");
    assert.equal((await Array.fromAsync(reader.list(""))).length, 1);
  });

  test("missing rights are told as such", async (context) => {
    if (process.platform === "win32" || process.seteuid === undefined || process.geteuid === undefined) {
      context.skip("NOT TESTED: needs POSIX users");
      return;
    }
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    await storage.put("packs/a", Buffer.from("hello"));
    const user = process.geteuid();
    await chmod(join(scratch.path, "packs"), 0o000);
    if (user === 0) process.seteuid(NOBODY);
    try {
      await assert.rejects(storage.get("packs/a"), isExpected("ERR_STORAGE_DENIED"));
      await assert.rejects(storage.put("packs/b", new Uint8Array(1)), isExpected("ERR_STORAGE_DENIED"));
      await assert.rejects(storage.delete("packs/a"), isExpected("ERR_STORAGE_DENIED"));
      await assert.rejects(Array.fromAsync(storage.list("packs/")), isExpected("ERR_STORAGE_DENIED"));
    } finally {
      if (user === 0) process.seteuid(user);
      await chmod(join(scratch.path, "packs"), 0o700);
    }
  });
});
