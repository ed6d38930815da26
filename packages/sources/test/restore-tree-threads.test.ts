/**
 * Several threads on one target, and a restore that is killed.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { suite, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { FileCalls } from "../src/posix/file-calls.ts";
import { fileCalls } from "../src/posix/system-calls.ts";
import { UNFINISHED_FILE_MODE } from "../src/restore-tree/placing.ts";
import { isBigFile, openTarget, TEMPORARY_NAME_PREFIX } from "../src/restore-tree/target.ts";

const TARGET_MODULE = new URL("../src/restore-tree/target.ts", import.meta.url).href;
const METADATA = { mode: 0o644, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mtimeNs: 5n };

function temporaryTarget(): Disposable & { readonly path: string } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-threads-"));
  return {
    path: folder,
    [Symbol.dispose]: () => {
      fs.rmSync(folder, { recursive: true });
    },
  };
}

async function runWorker(code: string, workerData: unknown): Promise<unknown> {
  const worker = new Worker(code, { eval: true, workerData });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    worker.once("message", resolve).once("error", reject);
    return await promise;
  } finally {
    await worker.terminate();
  }
}

suite("restored trees from several threads", () => {
  test("different files of the same folders, which all threads make", async () => {
    using target = temporaryTarget();
    const code = `
      const { parentPort, workerData: data } = require("node:worker_threads");
      const warnings = [];
      process.on("warning", (warning) => warnings.push(String(warning)));
      import(data.module).then(({ openTarget }) => {
        const tree = openTarget(data.path, { existing: "overwrite" });
        for (let index = 0; index < 400; index += 1) {
          const folder = Buffer.from("a/b" + String(index % 20) + "/c");
          const place = { folder, name: Buffer.from(data.thread + "-" + String(index)) };
          const outcome = tree.writeFile(place, Buffer.from("x".repeat(index)), data.metadata);
          if (outcome.result !== "created") warnings.push(outcome.result);
          const same = tree.writeFile({ folder, name: Buffer.from("same") }, Buffer.alloc(1000, 7), data.metadata);
          if (same.warnings.length > 0) warnings.push(same.warnings[0].message);
        }
        tree.close();
        setImmediate(() => parentPort.postMessage(warnings));
      });`;
    const data = { path: target.path, module: TARGET_MODULE, metadata: METADATA };
    const results = await Promise.all([0, 1, 2].map((thread) => runWorker(code, { ...data, thread })));
    assert.deepEqual(results, [[], [], []]);
    for (let folder = 0; folder < 20; folder += 1) {
      const entries = fs.readdirSync(path.join(target.path, `a/b${String(folder)}/c`));
      assert.equal(entries.length, 61);
      assert.deepEqual(
        entries.filter((entry) => entry.startsWith(TEMPORARY_NAME_PREFIX)),
        [],
      );
      const same = fs.readFileSync(path.join(target.path, `a/b${String(folder)}/c/same`));
      assert(same.equals(Buffer.alloc(1000, 7)));
    }
  });

  test("another thread writes pieces of a big file", async () => {
    using target = temporaryTarget();
    const tree = openTarget(target.path, { existing: "skip" });
    const file = tree.beginFile({ folder: Buffer.from("d"), name: Buffer.from("big") }, 3_000_000);
    assert(isBigFile(file));
    const code = `
      const { parentPort, workerData: data } = require("node:worker_threads");
      import(data.module).then(({ openTarget }) => {
        const tree = openTarget(data.path, { existing: "skip" });
        const warning = tree.writeAt(data.file, Buffer.alloc(1_000_000, data.part), data.part * 1_000_000);
        tree.close();
        parentPort.postMessage(warning === undefined);
      });`;
    const data = { path: target.path, module: TARGET_MODULE, file };
    assert.deepEqual(await Promise.all([1, 2].map((part) => runWorker(code, { ...data, part }))), [
      true,
      true,
    ]);
    assert.equal(tree.finishFile(file, METADATA).result, "created");
    tree.close();
    const bytes = fs.readFileSync(path.join(target.path, "d/big"));
    assert.deepEqual([bytes.length, bytes[0], bytes[1_999_999], bytes[2_999_999]], [3_000_000, 0, 1, 2]);
  });
});

test("a file has everything before the mode that says that it is complete", () => {
  using target = temporaryTarget();
  const real = fileCalls();
  let looks = 0;
  const calls: FileCalls = {
    ...real,
    setMode: (fd, mode) => {
      const { size, mtimeNs, mode: before } = fs.fstatSync(fd, { bigint: true });
      if (real.marksUnfinished) assert.equal(Number(before) & 0o7777, UNFINISHED_FILE_MODE);
      assert.deepEqual([Number(size), mtimeNs], [4, 5n]);
      looks += 1;
      return real.setMode(fd, mode);
    },
  };
  const tree = openTarget(target.path, { existing: "skip", calls });
  const place = { folder: Buffer.from("d"), name: Buffer.from("f") };
  tree.writeFile(place, Buffer.from("text"), { ...METADATA, mtimeNs: 5n });
  tree.close();
  assert.equal(looks, 1);
});

test("a killed restore leaves no file that looks complete and is not", async () => {
  using target = temporaryTarget();
  const size = 200_000;
  const code = `
    const { openTarget } = await import(${JSON.stringify(TARGET_MODULE)});
    const tree = openTarget(${JSON.stringify(target.path)}, { existing: "skip" });
    const metadata = { mode: 0o644, uid: process.getuid(), gid: process.getgid(), mtimeNs: 5n };
    process.stdout.write("ready");
    for (let index = 0; ; index += 1) {
      const place = { folder: Buffer.from("d"), name: Buffer.from(String(index % 500)) };
      const xattrs = index % 3 === 0 ? [{ name: Buffer.from("user.x"), value: Buffer.from("x") }] : [];
      tree.writeFile(place, Buffer.alloc(${String(size)}, 7), { ...metadata, xattrs });
    }`;
  const resumed = openTarget(target.path, { existing: "skip" });
  const content = Buffer.alloc(size, 7);
  for (let round = 0; round < 5; round += 1) {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 5 + round * 7));
    child.kill("SIGKILL");
    await once(child, "exit");
    const folder = path.join(target.path, "d");
    for (const entry of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
      const stats = fs.statSync(path.join(folder, entry));
      if (entry.startsWith(TEMPORARY_NAME_PREFIX) || (stats.mode & 0o7777) === 0o1000) continue;
      assert.equal(stats.size, size);
      assert.equal(Math.trunc(stats.mtimeMs), 0);
      assert.equal(stats.mode & 0o7777, 0o644);
    }
  }
  // The next restore, although it skips what exists, completes every file.
  for (let index = 0; index < 20; index += 1) {
    resumed.writeFile({ folder: Buffer.from("d"), name: Buffer.from(String(index)) }, content, METADATA);
    assert.equal(fs.statSync(path.join(target.path, "d", String(index))).size, size);
  }
  resumed.close();
});
