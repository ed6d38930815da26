/** The local folder: what it leaves on the disk, what it does not touch, and how it tells its failures. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { isAppError, systemClock, systemRandomness } from "@holdfast/kernel";
import { LocalStorage, openLocalStorage } from "../src/index.ts";
import { ManualClock } from "./manual-clock.ts";
import { scratchFolder } from "./scratch-folder.ts";

const posix = process.platform === "win32" ? "needs POSIX files" : false;

suite("local storage: the base folder", () => {
  test("a missing one is unreachable and is not made", async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "missing");
    await assert.rejects(openLocalStorage(path), (error) => isAppError(error, "ERR_STORAGE_UNREACHABLE"));
    assert.deepEqual(await readdir(scratch.path), []);
  });

  test("with create it is made, for this user alone, with what is above it", { skip: posix }, async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "a/b/c");
    await using storage = await openLocalStorage(path, { create: true });
    await storage.put("packs/aa/x", Buffer.from("hello"));
    for (const folder of [
      dirname(path),
      path,
      join(path, "packs"),
      join(path, "packs/aa"),
      join(path, "tmp"),
    ]) {
      assert.equal((await stat(folder)).mode & 0o777, 0o700, folder);
    }
    assert.equal((await stat(storage.localPath("packs/aa/x"))).mode & 0o777, 0o600);
    assert.equal(storage.location, path);
  });

  test("with create one that is there is taken as it is", async () => {
    await using scratch = await scratchFolder();
    await chmod(scratch.path, 0o750);
    await openLocalStorage(scratch.path, { create: true });
    assert.equal((await stat(scratch.path)).mode & 0o777, 0o750);
  });

  test("a file is no storage", async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "file");
    await writeFile(path, "hello");
    for (const create of [false, true]) {
      await assert.rejects(openLocalStorage(path, { create }), (error) => isAppError(error));
    }
  });

  test("when it vanishes, every call says unreachable and none makes it anew", async () => {
    await using scratch = await scratchFolder();
    const path = join(scratch.path, "disk");
    await using storage = await openLocalStorage(path, { create: true });
    await storage.put("packs/a", Buffer.from("hello"));
    await rm(path, { recursive: true });
    const calls = [
      () => storage.put("packs/b", new Uint8Array(1)),
      () => storage.get("packs/a"),
      () => Array.fromAsync(storage.list("packs/")),
      () => storage.stat("packs/a"),
      () => storage.delete("packs/a"),
      () => storage.free(),
    ];
    for (const call of calls) {
      await assert.rejects(call, (error) => isAppError(error, "ERR_STORAGE_UNREACHABLE"));
    }
    assert.deepEqual(await readdir(scratch.path), []);
  });

  test("when a folder in it vanishes, a put makes it again", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    await storage.put("packs/a", Buffer.from("1"));
    await rm(join(scratch.path, "packs"), { recursive: true });
    await rm(join(scratch.path, "tmp"), { recursive: true });
    assert.equal(await storage.put("packs/b", Buffer.from("2")), "created");
    assert.equal((await storage.get("packs/b")).toString(), "2");
  });
});

suite("local storage: what lies in the folder", () => {
  test("objects are plain files under their names, and no temporary file stays", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    await storage.put("packs/aa/x", Buffer.from("hello"));
    await storage.put("packs/aa/x", Buffer.from("again"));
    await storage.put("config", Buffer.from("hello"));
    const files = await readdir(scratch.path, { recursive: true });
    assert.deepEqual(files.toSorted(), ["config", "packs", "packs/aa", "packs/aa/x", "tmp"]);
    assert.equal(storage.localPath("packs/aa/x"), join(scratch.path, "packs/aa/x"));
  });

  test("objects outlive the storage that put them", async () => {
    await using scratch = await scratchFolder();
    await (await openLocalStorage(scratch.path)).put("packs/a", Buffer.from("hello"));
    await using storage = await openLocalStorage(scratch.path);
    assert.equal((await storage.get("packs/a")).toString(), "hello");
    assert.equal(await storage.put("packs/a", Buffer.from("other")), "exists");
  });

  test("of two storages of one folder, one creates an object", async () => {
    await using scratch = await scratchFolder();
    await using one = await openLocalStorage(scratch.path);
    await using two = await openLocalStorage(scratch.path);
    for (let round = 0; round < 20; round += 1) {
      const name = `packs/${String(round)}`;
      const outcomes = await Promise.all([one.put(name, Buffer.from("1")), two.put(name, Buffer.from("2"))]);
      assert.deepEqual(outcomes.toSorted(), ["created", "exists"]);
      assert.equal((await one.get(name)).toString(), outcomes[0] === "created" ? "1" : "2");
    }
  });

  test("foreign files, links and pipes are neither listed nor read", { skip: posix }, async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    await storage.put("packs/a", Buffer.from("hello"));
    await writeFile(join(scratch.path, "packs", ".DS_Store"), "x");
    await writeFile(join(scratch.path, "packs", "Thumbs.db"), "x");
    await mkdir(join(scratch.path, "lost+found"));
    await symlink(join(scratch.path, "packs/a"), join(scratch.path, "packs/link"));
    await symlink("/", join(scratch.path, "packs/root"));
    execFileSync("/usr/bin/mkfifo", [join(scratch.path, "packs/pipe")]);
    const names = (await Array.fromAsync(storage.list(""))).map(({ name }) => name);
    assert.deepEqual(names, ["packs/a"]);
    assert.equal(await storage.stat("packs/link"), null);
    await assert.rejects(storage.get("packs/link"), (error) => isAppError(error, "ERR_STORAGE_FAILED"));
    await assert.rejects(storage.get("packs/pipe", { offset: 0, length: 1 }), (error) => isAppError(error));
  });

  test("what stands in the place of an object is not taken for it", async () => {
    await using scratch = await scratchFolder();
    await using storage = await openLocalStorage(scratch.path);
    await mkdir(join(scratch.path, "packs/a"), { recursive: true });
    await assert.rejects(storage.put("packs/a", new Uint8Array(1)), (error) =>
      isAppError(error, "ERR_STORAGE_FAILED"),
    );
    assert.deepEqual(await readdir(join(scratch.path, "tmp")), []);
  });
});

suite("local storage: temporary files of killed writers", () => {
  const DAY_MS = 24 * 60 * 60 * 1000;

  test("the first put removes those older than a day and leaves younger ones", async () => {
    await using scratch = await scratchFolder();
    const temporary = join(scratch.path, "tmp");
    await mkdir(temporary);
    const nowMs = Date.now();
    for (const [name, ageMs] of [
      ["old", DAY_MS + 60_000],
      ["young", DAY_MS - 60_000],
    ] as const) {
      await writeFile(join(temporary, name), "half");
      await utimes(join(temporary, name), new Date(nowMs - ageMs), new Date(nowMs - ageMs));
    }
    await using storage = await openLocalStorage(scratch.path, { clock: new ManualClock(nowMs) });
    await Array.fromAsync(storage.list(""));
    assert.deepEqual((await readdir(temporary)).toSorted(), ["old", "young"]);
    await Promise.all([storage.put("a", new Uint8Array(1)), storage.put("b", new Uint8Array(1))]);
    assert.deepEqual(await readdir(temporary), ["young"]);
    assert.equal(await storage.sweep(0), 1);
    assert.equal(await storage.sweep(0), 0);
  });

  test("a missing temporary folder has nothing to sweep", async () => {
    await using scratch = await scratchFolder();
    const storage = new LocalStorage(scratch.path, systemClock, systemRandomness);
    assert.equal(await storage.sweep(0), 0);
  });
});
