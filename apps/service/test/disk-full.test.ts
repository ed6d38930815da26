/**
 * The first start of the service on a disk without room, which only a disk of a known size shows: a file system in memory.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { type RunningService, startService } from "../src/service.ts";

interface Disk extends Disposable {
  readonly path: string;
  /** Somewhere else. */
  readonly elsewhere: string;
  readonly resize: (size: string) => void;
}

function mountDisk(size: string): Disk {
  const folder = mkdtempSync(join(tmpdir(), "hf-disk-"));
  const path = join(folder, "disk");
  mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", path], { stdio: "ignore" });
  return {
    path,
    elsewhere: join(folder, "elsewhere"),
    resize: (to) => {
      execFileSync("mount", ["-o", `remount,size=${to}`, path], { stdio: "ignore" });
    },
    [Symbol.dispose]: () => {
      execFileSync("umount", [path], { stdio: "ignore" });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function whyNoDisk(): string | false {
  try {
    mountDisk("64k")[Symbol.dispose]();
    return false;
  } catch {
    return "only root can mount a file system in memory";
  }
}

function start(data: string, keys: string): Promise<RunningService> {
  return startService({
    dataFolder: data,
    unlockFile: join(keys, "unlock"),
    listen: { host: "127.0.0.1", port: 0 },
    database: `sqlite:${join(data, "holdfast.sqlite")}`,
    version: "0.1.0",
    log: () => undefined,
  });
}

/** What is said, and that nobody is told to report it. */
async function assertFull(starting: Promise<RunningService>, folder: string): Promise<void> {
  await assert.rejects(starting, (error: unknown) => {
    assert.ok(isAppError(error, "ERR_DISK_FULL"), String(error));
    assert.equal(error.subject, folder);
    assert.match(error.message, /The disk of .* is full: \d+ [KM]iB are free/u);
    assert.match(error.remedy ?? "", /Make room there/u);
    assert.doesNotMatch(error.remedy ?? "", /report/u);
    return true;
  });
}

suite("a disk without room", { skip: whyNoDisk() }, () => {
  // The file itself, the memory that processes share, the tables, and what comes after them.
  for (const size of ["4k", "16k", "400k", "800k"]) {
    test(`of ${size} is said at the first start, which succeeds when there is room`, async () => {
      using disk = mountDisk(size);
      const data = join(disk.path, "data");
      await assertFull(start(data, disk.elsewhere), data);
      disk.resize("16m");
      const service = await start(data, disk.elsewhere);
      assert.ok(service.setupLink !== undefined);
      await service.stop();
    });
  }

  test("for the unlock file is said with its folder", async () => {
    using disk = mountDisk("8k");
    writeFileSync(join(disk.path, "filling"), Buffer.alloc(8192));
    const keys = join(disk.path, "keys");
    await assertFull(start(disk.elsewhere, keys), keys);
  });
});
