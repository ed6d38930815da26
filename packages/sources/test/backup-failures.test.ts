/** Backups that something goes wrong with: in the source, the storage, the process. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { faultOn, FaultStorage, MemoryStorage, openLocalStorage } from "@holdfast/storage";
import { newCounters } from "../src/files-backup/counters.ts";
import { CONTROL, type WorkerMessage } from "../src/files-backup/messages.ts";
import { createTaskRunner } from "../src/files-backup/task-runner.ts";
import { newBench } from "./backup-harness.ts";

const CHILD = fileURLToPath(new URL("./backup-child.ts", import.meta.url));

suite("backup that meets trouble", () => {
  test("keeps a file that grows while it is read, and says so", async (context) => {
    const bench = await newBench(context);
    const path = join(bench.source, "growing");
    fs.writeFileSync(path, randomBytes(150_000_000));
    fs.writeFileSync(join(bench.source, "still"), "x");
    const growing = setInterval(() => {
      fs.appendFileSync(path, "more");
    }, 2);
    const { copyId, said } = await bench.backup().finally(() => {
      clearInterval(growing);
    });
    assert.deepEqual(
      said.map(({ code }) => code),
      ["ERR_SOURCE_CHANGED"],
    );
    const copy = await bench.read(copyId);
    const entry = copy.get(`${bench.source.slice(1)}/growing`)?.entry;
    assert(entry?.kind === "file" && entry.changedWhileRead && entry.size >= 150_000_000);
    const [manifest] = await bench.copies();
    assert.equal(manifest?.details.warnings, 1);
  });

  test("goes on without entries that vanish", async (context) => {
    const bench = await newBench(context);
    fs.writeFileSync(join(bench.source, "here"), "");
    const messages: WorkerMessage[] = [];
    const root = bench.source.slice(1);
    const run = createTaskRunner(
      {
        thread: 0,
        asked: [root],
        readFrom: [],
        exclude: [],
        oneFileSystem: false,
        skipped: [],
        control: new SharedArrayBuffer(CONTROL.words * 4),
        counters: newCounters(1),
        oldCache: undefined,
        newCache: undefined,
        store: undefined,
      },
      (message) => messages.push(message),
    );
    await run({ kind: "slice", id: 1, directory: root, names: "gone\0here", rootDevice: 0 });
    await run({ kind: "walk", id: 2, run: { parent: root, names: "gone too", rootDevice: 0 } });
    assert.deepEqual(
      messages.flatMap((message) =>
        message.kind === "walked" ? message.warnings.map(({ code }) => code) : [],
      ),
      ["ERR_SOURCE_VANISHED", "ERR_SOURCE_VANISHED"],
    );
  });

  test("leaves out what cannot be read, and says so", async (context) => {
    const bench = await newBench(context, { withoutCache: true });
    fs.writeFileSync(join(bench.source, "readable"), "content");
    fs.writeFileSync(join(bench.source, "secret"), "content", { mode: 0 });
    fs.writeFileSync(join(bench.source, "large secret"), Buffer.alloc(9_000_000, 1), { mode: 0 });
    fs.mkdirSync(join(bench.source, "closed"), { mode: 0 });
    fs.chmodSync(bench.folder, 0o755);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    const { copyId, said } = await bench.backup().finally(() => {
      if (isRoot) process.seteuid?.(0);
    });
    assert.deepEqual(new Set(said.map(({ code }) => code)), new Set(["ERR_SOURCE_UNREADABLE"]));
    assert.deepEqual(
      new Set(said.map(({ path }) => path.toString())),
      new Set(["closed", "large secret", "secret"].map((name) => join(bench.source, name))),
    );
    const root = bench.source.slice(1);
    const names = [...(await bench.read(copyId)).keys()].filter((path) => path.startsWith(`${root}/`));
    assert.deepEqual(names, [`${root}/closed`, `${root}/readable`]);
  });

  test("does not follow a link in the place of a directory", async (context) => {
    const bench = await newBench(context);
    fs.mkdirSync(join(bench.folder, "elsewhere"));
    fs.writeFileSync(join(bench.folder, "elsewhere", "secret"), "x");
    fs.symlinkSync("../elsewhere", join(bench.source, "link"));
    const messages: WorkerMessage[] = [];
    const run = createTaskRunner(
      {
        thread: 0,
        asked: [bench.source.slice(1)],
        readFrom: [],
        exclude: [],
        oneFileSystem: false,
        skipped: [],
        control: new SharedArrayBuffer(CONTROL.words * 4),
        counters: newCounters(1),
        oldCache: undefined,
        newCache: undefined,
        store: undefined,
      },
      (message) => messages.push(message),
    );
    await run({ kind: "walk", id: 1, run: { parent: bench.source.slice(1), names: "link", rootDevice: 0 } });
    const [answer] = messages;
    assert(answer?.kind === "walked");
    assert.deepEqual(
      answer.warnings.map(({ code }) => code),
      ["ERR_SOURCE_UNREADABLE"],
    );
  });

  test("leaves its own repository and cache out", async (context) => {
    const bench = await newBench(context);
    const storage = await openLocalStorage(join(bench.source, "repository"), { create: true });
    const inside = await newBench(context, { storage });
    fs.writeFileSync(join(bench.source, "file"), "x");
    const { copyId } = await inside.backup({ paths: [Buffer.from(bench.source)] });
    const root = bench.source.slice(1);
    const names = [...(await inside.read(copyId)).keys()].filter((path) => path.startsWith(`${root}/`));
    assert.deepEqual(names, [`${root}/file`, `${root}/repository`]);
  });

  for (const [what, prefix] of [
    ["packs", "packs/"],
    ["the index", "index/"],
    ["the manifest", "copies/"],
  ] as const) {
    test(`fails cleanly when storing ${what} fails, and is completed by the next backup`, async (context) => {
      const memory = new MemoryStorage();
      const failing = { now: false };
      const plan = faultOn(
        (operation) => failing.now && operation.kind === "put" && operation.name.startsWith(prefix),
        {
          kind: "fail",
          moment: "before",
          code: "ERR_STORAGE_FULL",
        },
      );
      const bench = await newBench(context, { storage: new FaultStorage(memory, { plan }) });
      fs.writeFileSync(join(bench.source, "large"), randomBytes(120_000_000));
      for (let index = 0; index < 500; index += 1) {
        fs.writeFileSync(join(bench.source, `small ${String(index)}`), randomBytes(3000));
      }
      failing.now = true;
      await assert.rejects(bench.backup(), { code: "ERR_STORAGE_FULL" });
      failing.now = false;
      assert.deepEqual(await bench.copies(), []);
      const { copyId, bytesStored } = await bench.backup();
      await bench.check(copyId);
      if (what === "the manifest")
        assert(bytesStored < 5_000_000, `${String(bytesStored)} bytes were stored again`);
    });
  }

  test("ends at once when it is cancelled; what was stored is used", async (context) => {
    const bench = await newBench(context);
    fs.writeFileSync(join(bench.source, "large"), randomBytes(400_000_000));
    const cancelling = new AbortController();
    const cancelled = bench.backup({
      signal: cancelling.signal,
      onProgress: ({ bytes }) => {
        if (bytes > 100_000_000) cancelling.abort();
      },
    });
    await assert.rejects(cancelled, { code: "ERR_CANCELLED" });
    const objects = await Array.fromAsync(bench.storage.list(""));
    assert.deepEqual(
      objects.filter(({ name }) => name.startsWith("sessions/") || name.startsWith("copies/")),
      [],
    );
    const { copyId, bytesStored } = await bench.backup();
    await bench.check(copyId);
    const before = objects.reduce((sum, { size }) => sum + size, 0);
    assert(
      before > 60_000_000 && bytesStored < 410_000_000 - before,
      `${String(before)}, ${String(bytesStored)}`,
    );
    await assert.rejects(bench.backup({ signal: AbortSignal.abort() }), { code: "ERR_CANCELLED" });
  });

  test("continues after kill -9 without storing again what had arrived", async (context) => {
    const bench = await newBench(context);
    fs.writeFileSync(join(bench.source, "large"), randomBytes(300_000_000));
    const packs = join(bench.folder, "repository", "packs");
    const storedBytes = (): number =>
      fs.existsSync(packs)
        ? fs
            .readdirSync(packs, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .reduce((sum, entry) => sum + fs.statSync(join(entry.parentPath, entry.name)).size, 0)
        : 0;
    const args = [CHILD, join(bench.folder, "repository"), join(bench.folder, "cache"), bench.source];
    const child = spawn(process.execPath, [...args, "60000000"], { stdio: "ignore" });
    const ended = once(child, "exit");
    while (child.exitCode === null && storedBytes() < 60_000_000) await sleep(2);
    child.kill("SIGKILL");
    await ended;
    const before = storedBytes();
    assert(before >= 60_000_000 && before < 300_000_000, `it was killed with ${String(before)} bytes stored`);
    const result: unknown = JSON.parse(execFileSync(process.execPath, args).toString());
    assert(typeof result === "object" && result !== null && "bytesStored" in result);
    const { bytesStored } = result;
    assert(typeof bytesStored === "number" && bytesStored < 305_000_000 - before, String(bytesStored));
  });

  test("needs at most 400 MB, whatever the source", async (context) => {
    const bench = await newBench(context);
    for (let index = 0; index < 20; index += 1) {
      const folder = join(bench.source, `folder ${String(index)}`);
      fs.mkdirSync(folder);
      for (let file = 0; file < 1000; file += 1) {
        fs.writeFileSync(join(folder, `file ${String(file)}`), randomBytes(1 + ((file * 37) % 9000)));
      }
      fs.writeFileSync(join(folder, "medium"), randomBytes(7_000_000));
      fs.writeFileSync(join(folder, "text"), Buffer.alloc(6_000_000, "some text that can be compressed "));
    }
    fs.writeFileSync(join(bench.source, "large"), randomBytes(500_000_000));
    const args = [CHILD, join(bench.folder, "repository"), join(bench.folder, "cache"), bench.source];
    for (const pass of ["first", "unchanged"]) {
      const result: unknown = JSON.parse(execFileSync(process.execPath, args).toString());
      assert(typeof result === "object" && result !== null && "peakBytes" in result);
      const { peakBytes } = result;
      assert(typeof peakBytes === "number" && peakBytes < 400_000_000, `${pass}: ${String(peakBytes)} bytes`);
    }
  });
});
