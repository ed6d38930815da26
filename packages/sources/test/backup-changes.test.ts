/** What a second backup reads, keeps and stores; the change cache and its loss; what is selected. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test, type TestContext } from "node:test";
import { systemClock } from "@holdfast/kernel";
import { createSelection } from "../src/selection/selection.ts";
import { type Bench, newBench } from "./backup-harness.ts";

/** Longer than the step of the clock within which a change could go unnoticed. */
const REST_MS = 2100;
/** More than the pages of these small trees have. */
const METADATA_BYTES = 20_000;

/** Files of every size class in three folders, old enough to be believed. */
async function filledBench(context: TestContext): Promise<Bench> {
  const bench = await newBench(context);
  for (const folder of ["a", "b", "c"]) {
    fs.mkdirSync(join(bench.source, folder));
    for (const size of [0, 100, 5000, 200_000]) {
      fs.writeFileSync(join(bench.source, folder, `file ${String(size)}`), randomBytes(size));
    }
  }
  fs.writeFileSync(join(bench.source, "large"), randomBytes(9_000_000));
  fs.symlinkSync("large", join(bench.source, "link"));
  await sleep(REST_MS);
  return bench;
}

suite("backup of changes", () => {
  test("reads nothing of an unchanged source and gives the same entries", async (context) => {
    const bench = await filledBench(context);
    const first = await bench.backup();
    const second = await bench.backup();
    await bench.check(second.copyId);
    const { filesNew, filesChanged, filesUnchanged, bytesRead, bytesAdded } = second;
    assert.deepEqual([filesNew, filesChanged, filesUnchanged, bytesRead], [0, 0, 13, 0]);
    assert(bytesAdded < METADATA_BYTES);
    const below = async (copyId: string | undefined): Promise<readonly unknown[]> =>
      [...(await bench.read(copyId))].filter(([path]) => path.startsWith(bench.source.slice(1)));
    assert.deepEqual(await below(second.copyId), await below(first.copyId));
    assert.equal(first.filesNew, 13);
  });

  test("reads files that changed in the moment of the last backup", async (context) => {
    let nowMs = 0;
    const bench = await newBench(context, { clock: { ...systemClock, now: () => nowMs } });
    fs.writeFileSync(join(bench.source, "fresh"), randomBytes(5000));
    nowMs = Date.now();
    await bench.backup();
    const second = await bench.backup();
    assert.deepEqual([second.filesChanged, second.bytesRead], [1, 5000]);
    assert(second.bytesAdded < 5000);
  });

  test("sees new, changed, renamed, removed and touched files, and changes of metadata alone", async (context) => {
    const bench = await filledBench(context);
    await bench.backup();
    const at = (...path: readonly string[]): string => join(bench.source, ...path);
    fs.writeFileSync(at("a", "new"), randomBytes(3000));
    const changed = randomBytes(5000);
    fs.writeFileSync(at("a", "file 5000"), changed);
    fs.renameSync(at("b", "file 200000"), at("b", "renamed"));
    fs.rmSync(at("c"), { recursive: true });
    fs.utimesSync(at("b", "file 100"), 1e9, 1e9);
    fs.chmodSync(at("b", "file 5000"), 0o600);
    const second = await bench.backup();
    await bench.check(second.copyId);
    assert.deepEqual([second.filesNew, second.filesChanged, second.filesUnchanged], [2, 3, 5]);
    assert(second.bytesAdded < 8000 + METADATA_BYTES, `${String(second.bytesAdded)} bytes were new`);
  });

  test("notices a change that keeps size and modification time", async (context) => {
    const bench = await filledBench(context);
    await bench.backup();
    const path = join(bench.source, "a", "file 5000");
    const { atime, mtime } = fs.statSync(path);
    fs.writeFileSync(path, randomBytes(5000));
    fs.utimesSync(path, atime, mtime);
    const second = await bench.backup();
    await bench.check(second.copyId);
    assert.equal(second.filesChanged, 1);
  });

  test("stores nothing twice when the cache is lost, damaged or of another source", async (context) => {
    const bench = await filledBench(context);
    const first = await bench.backup();
    const folder = join(bench.folder, "cache", "files");
    const [name = ""] = fs.readdirSync(folder);
    const whole = fs.readFileSync(join(folder, name));
    const broken = new Map<string, () => void>([
      ["lost", () => fs.rmSync(folder, { recursive: true })],
      ["cut off", () => fs.writeFileSync(join(folder, name), whole.subarray(0, whole.length / 2))],
      ["empty", () => fs.writeFileSync(join(folder, name), "")],
      ["random", () => fs.writeFileSync(join(folder, name), randomBytes(whole.length))],
      [
        "flipped in its contents",
        () => fs.writeFileSync(join(folder, name), flipped(whole, whole.length - 40)),
      ],
      ["flipped in its head", () => fs.writeFileSync(join(folder, name), flipped(whole, 30))],
      ["flipped in a block", () => fs.writeFileSync(join(folder, name), flipped(whole, 100))],
    ]);
    for (const [how, breakIt] of broken) {
      breakIt();
      const again = await bench.backup();
      await bench.check(again.copyId);
      // A page at most: the folder for temporary files, which is in it, changes while the test runs.
      assert(again.bytesAdded < METADATA_BYTES, how);
      assert(again.bytesStored < METADATA_BYTES, how);
      assert(how === "flipped in a block" || again.bytesRead === first.bytesRead, how);
    }
  });

  test("reads again what the repository has lost", async (context) => {
    const bench = await filledBench(context);
    await bench.backup();
    for (const prefix of ["index/", "packs/"]) {
      for await (const { name } of bench.storage.list(prefix)) await bench.storage.delete(name);
    }
    const second = await bench.backup();
    await bench.check(second.copyId);
    assert(second.bytesAdded > 9_000_000);
  });

  test("leaves out what is excluded, and keeps what was asked for below it", async (context) => {
    const bench = await filledBench(context);
    const paths = [Buffer.from(bench.source), Buffer.from(join(bench.source, "b"))];
    const exclude = [join(bench.source, "b"), "*5000"];
    const selection = createSelection({ roots: paths, exclude });
    const { copyId } = await bench.backup({ paths, selection });
    const root = bench.source.slice(1);
    const names = [...(await bench.read(copyId)).keys()].filter((path) => path.startsWith(`${root}/`));
    assert(names.includes(`${root}/b/file 100`));
    assert(!names.some((name) => name.endsWith("5000")));
    const inner = [Buffer.from(bench.source), Buffer.from(join(bench.source, "b", "file 100"))];
    const deeper = await bench.backup({
      paths: inner,
      selection: createSelection({ roots: inner, exclude: [join(bench.source, "b")] }),
    });
    const below = [...(await bench.read(deeper.copyId)).keys()].filter((path) =>
      path.startsWith(`${root}/b`),
    );
    assert.deepEqual(below, [`${root}/b`, `${root}/b/file 100`]);
  });

  test("merges paths, follows links on the way to them and takes single files", async (context) => {
    const bench = await filledBench(context);
    const root = bench.source.slice(1);
    fs.symlinkSync("source", join(bench.folder, "way"));
    const paths = [
      join(bench.source, "a"),
      `${bench.source}/a//file 100`,
      `${bench.source}/./c/../c/file 5000`,
      join(bench.folder, "way", "b", "file 100"),
      join(bench.source, "missing"),
    ].map((path) => Buffer.from(path));
    const { copyId, said } = await bench.backup({ paths });
    assert.deepEqual(
      said.map(({ code, path }) => [code, path.toString()]),
      [["ERR_SOURCE_VANISHED", join(bench.source, "missing")]],
    );
    const copy = await bench.read(copyId);
    const folder = bench.folder.slice(1);
    assert.equal(copy.get(`${folder}/way`)?.entry.kind, "directory");
    assert(copy.has(`${folder}/way/b/file 100`));
    assert(!copy.has(`${folder}/way/a`));
    assert(copy.has(`${root}/a/file 200000`));
    assert.deepEqual(
      [...copy.keys()].filter((path) => path.startsWith(`${root}/c`)),
      [`${root}/c`, `${root}/c/file 5000`],
    );
    const missing = bench.backup({ paths: [Buffer.from("/does/not/exist")] });
    await assert.rejects(missing, { code: "ERR_PATH_NOT_FOUND" });
    assert.equal((await bench.copies()).length, 1);
  });

  test("a dry run says what would be done and stores nothing", async (context) => {
    const bench = await filledBench(context);
    const dry = await bench.backup({ dryRun: true });
    assert.deepEqual([dry.copyId, dry.filesNew, dry.bytesRead, dry.bytesStored], [undefined, 13, 0, 0]);
    assert.equal(dry.bytesAdded, 9_000_000 + 3 * 205_100);
    await bench.backup();
    fs.appendFileSync(join(bench.source, "a", "file 100"), "x");
    const later = await bench.backup({ dryRun: true });
    assert.deepEqual([later.filesNew, later.filesChanged, later.filesUnchanged], [0, 1, 12]);
    assert.equal((await bench.copies()).length, 1);
  });

  test("stays on one file system when told to", async (context) => {
    if (process.getuid?.() !== 0) {
      context.skip("only root can mount");
      return;
    }
    const bench = await newBench(context);
    const mount = join(bench.source, "mounted");
    fs.mkdirSync(mount);
    try {
      execFileSync("mount", ["-t", "tmpfs", "none", mount], { stdio: "ignore" });
    } catch {
      context.skip("mounting is not allowed here");
      return;
    }
    try {
      fs.writeFileSync(join(mount, "inside"), "x");
      const root = bench.source.slice(1);
      const one = await bench.read((await bench.backup({ oneFileSystem: true })).copyId);
      assert(one.has(`${root}/mounted`) && !one.has(`${root}/mounted/inside`));
      const all = await bench.read((await bench.backup()).copyId);
      assert(all.has(`${root}/mounted/inside`));
      const paths = [Buffer.from(bench.source), Buffer.from(mount)];
      const both = await bench.read((await bench.backup({ oneFileSystem: true, paths })).copyId);
      assert(both.has(`${root}/mounted/inside`));
    } finally {
      execFileSync("umount", [mount]);
    }
  });

  test("reports progress up to the end", async (context) => {
    const bench = await filledBench(context);
    const seen: { files: number; bytes: number; filesExpected: number | undefined }[] = [];
    await bench.backup({ onProgress: (progress) => seen.push(progress) });
    assert.deepEqual([seen.at(-1)?.files, seen.at(-1)?.bytes], [13, 9_000_000 + 3 * 205_100]);
    assert.equal(seen.at(-1)?.filesExpected, undefined);
    await bench.backup({ onProgress: (progress) => seen.push(progress) });
    assert.equal(seen.at(-1)?.filesExpected, 13);
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
