/** Backups of files end to end: what is read back is what was there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { SUITES } from "@holdfast/crypto";
import { fileCalls } from "../src/posix/system-calls.ts";
import { newBench } from "./backup-harness.ts";

/** Compressible, and different for each seed. */
function text(bytes: number, seed: number): Buffer {
  const words = Buffer.from(`line ${String(seed)} of some text that repeats itself\n`);
  const buffer = Buffer.alloc(bytes, words);
  for (let at = 0; at + 4 < bytes; at += 997) buffer.writeUInt32LE(Math.imul(at + 1, seed + 7) >>> 0, at);
  return buffer;
}

suite("backup of files", () => {
  for (const suiteOf of SUITES) {
    test(`reads back with ${suiteOf.name}`, async (context) => {
      const bench = await newBench(context, { suite: suiteOf });
      for (const size of [0, 1, 2048, 2049, 5000, 131_071, 131_072, 131_073, 3_000_000, 7_999_999]) {
        fs.writeFileSync(join(bench.source, `file-${String(size)}`), text(size, size));
        fs.writeFileSync(join(bench.source, `noise-${String(size)}`), randomBytes(size));
      }
      const { copyId, said } = await bench.backup();
      assert.deepEqual(said, []);
      await bench.check(copyId);
    });
  }

  test("keeps every kind of entry with its metadata", async (context) => {
    const bench = await newBench(context);
    const { source } = bench;
    fs.mkdirSync(join(source, "empty"));
    fs.mkdirSync(join(source, "a", "b", "c"), { recursive: true });
    fs.writeFileSync(join(source, "a", "b", "c", "deep"), text(10_000, 1));
    fs.writeFileSync(join(source, "mode"), "x", { mode: 0o4750 });
    fs.chmodSync(join(source, "mode"), 0o4750);
    fs.symlinkSync("nowhere", join(source, "link"));
    fs.symlinkSync(Buffer.from([0xff, 0x2f, 0xfe]), join(source, "link-bytes"));
    fs.writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0x66, 0xff, 0xfe])]), "bytes");
    fs.writeFileSync(join(source, "n".repeat(255)), "long");
    fs.utimesSync(join(source, "mode"), 1, -12_345.5);
    execFileSync("mkfifo", [join(source, "fifo")]);
    const server = net.createServer().listen(join(source, "socket"));
    context.after(() => server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    if (process.getuid?.() === 0) {
      execFileSync("mknod", [join(source, "device"), "c", "240", "300"]);
      fs.chownSync(join(source, "mode"), 12_345, 54_321);
    }
    const { copyId, said, directories, filesNew } = await bench.backup();
    assert.deepEqual(said, []);
    await bench.check(copyId);
    assert.equal(filesNew, 4);
    assert(directories >= 5);
    const copy = await bench.read(copyId);
    const device = copy.get(`${source.slice(1)}/device`)?.entry;
    if (process.getuid?.() === 0)
      assert(device?.kind === "char" && device.major === 240 && device.minor === 300);
    const [manifest] = await bench.copies();
    assert.equal(manifest?.details.files, 4);
    assert.equal(manifest?.table.bytesAdded, manifest === undefined ? 0 : manifest.table.bytesAdded);
  });

  test("keeps hard links as one file", async (context) => {
    const bench = await newBench(context);
    fs.writeFileSync(join(bench.source, "one"), text(50_000, 3));
    fs.mkdirSync(join(bench.source, "sub"));
    fs.linkSync(join(bench.source, "one"), join(bench.source, "sub", "two"));
    const { copyId, bytesAdded } = await bench.backup();
    await bench.check(copyId);
    const copy = await bench.read(copyId);
    const one = copy.get(`${bench.source.slice(1)}/one`)?.entry;
    const two = copy.get(`${bench.source.slice(1)}/sub/two`)?.entry;
    assert.deepEqual(one?.link, two?.link);
    assert(bytesAdded < 60_000, "the content was stored once");
  });

  test("keeps extended attributes", async (context) => {
    const bench = await newBench(context);
    const path = join(bench.source, "file");
    fs.writeFileSync(path, text(5000, 1));
    try {
      execFileSync("setfattr", ["-n", "user.test", "-v", "value", path]);
      execFileSync("setfattr", ["-n", "user.another", "-v", "v", path]);
    } catch {
      context.skip("setfattr is not there, or the file system has no attributes");
      return;
    }
    const { copyId } = await bench.backup();
    const entry = (await bench.read(copyId)).get(`${bench.source.slice(1)}/file`)?.entry;
    assert.deepEqual(
      entry?.xattrs.map(({ name, value }) => [name.toString(), value.toString()]),
      [
        ["user.another", "v"],
        ["user.test", "value"],
      ],
    );
  });

  test("keeps holes and runs of zeros without storing them", async (context) => {
    const bench = await newBench(context);
    const sparse = fs.openSync(join(bench.source, "sparse"), "w");
    fs.writeSync(sparse, text(100_000, 1), 0, 100_000, 5_000_000);
    fs.ftruncateSync(sparse, 300_000_000);
    fs.writeSync(sparse, text(70_000, 2), 0, 70_000, 200_000_001);
    fs.closeSync(sparse);
    const zeros = Buffer.alloc(20_000_000);
    text(300_000, 3).copy(zeros, 7_000_000);
    fs.writeFileSync(join(bench.source, "zeros"), zeros);
    fs.writeFileSync(join(bench.source, "only zeros"), Buffer.alloc(1_000_000));
    const { copyId, bytesAdded, bytesRead } = await bench.backup();
    await bench.check(copyId);
    assert(bytesAdded < 1_000_000, `${String(bytesAdded)} bytes were stored`);
    assert(bytesRead < 23_000_000, `${String(bytesRead)} bytes were read`);
    const copy = await bench.read(copyId);
    const kinds = (name: string): readonly string[] => {
      const entry = copy.get(`${bench.source.slice(1)}/${name}`)?.entry;
      assert(entry?.kind === "file" && entry.content.form === "segments");
      return [...new Set(entry.content.segments.map(({ kind }) => kind))];
    };
    assert.deepEqual(kinds("sparse"), ["hole", "data"]);
    assert.deepEqual(kinds("zeros"), ["zero", "data"]);
    assert.deepEqual(kinds("only zeros"), ["zero"]);
  });

  test("cuts large files, and finds their moved content again", async (context) => {
    const bench = await newBench(context);
    const large = Buffer.concat([randomBytes(150_000_000), text(20_000_000, 4)]);
    fs.writeFileSync(join(bench.source, "large"), large);
    const first = await bench.backup();
    await bench.check(first.copyId);
    fs.writeFileSync(join(bench.source, "large"), Buffer.concat([Buffer.from("inserted"), large]));
    const second = await bench.backup();
    await bench.check(second.copyId);
    assert.equal(second.filesChanged, 1);
    assert(second.bytesAdded < 15_000_000, `${String(second.bytesAdded)} bytes were new`);
  });

  test("keeps files with more segments than an entry holds", async (context) => {
    const bench = await newBench(context);
    const striped = Buffer.alloc(7_900_000);
    for (let at = 0; at < striped.length; at += 131_072) text(65_536, at).copy(striped, at);
    fs.writeFileSync(join(bench.source, "striped"), striped);
    fs.writeFileSync(join(bench.source, "behind"), "x");
    const first = await bench.backup();
    await bench.check(first.copyId);
    const entry = (await bench.read(first.copyId)).get(`${bench.source.slice(1)}/striped`)?.entry;
    assert(entry?.kind === "file" && entry.content.form === "list");
  });

  test("goes deeper than the longest path of the system", async (context) => {
    const bench = await newBench(context);
    const calls = fileCalls();
    const name = Buffer.from("d".repeat(100));
    let folder = calls.openTop(Buffer.from(bench.source));
    for (let depth = 1; depth <= 60; depth += 1) {
      assert(typeof folder === "object");
      assert.equal(calls.makeDirectory(folder, name, 0o755), 0);
      const child = calls.openDirectory(folder, name);
      calls.closeDirectory(folder);
      folder = child;
      assert(typeof folder === "object");
      const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT;
      const fd = calls.openFile(folder, Buffer.from("f"), flags, 0o644);
      fs.writeSync(fd, `${String(depth)}\n`);
      calls.closeFile(fd);
    }
    if (typeof folder === "object") calls.closeDirectory(folder);
    const { copyId, said, filesNew } = await bench.backup();
    assert.deepEqual(said, []);
    assert.equal(filesNew, 60);
    const copy = await bench.read(copyId);
    const deepest = `${bench.source.slice(1)}/${Array.from({ length: 60 }, () => "d".repeat(100)).join("/")}/f`;
    const entry = copy.get(deepest)?.entry;
    assert(entry?.kind === "file" && entry.content.form === "inline");
    assert.equal(entry.content.bytes.toString(), "60\n");
    execFileSync("rm", ["-rf", bench.source]);
  });

  test("reads a directory of 100,000 entries in several tasks", async (context) => {
    const bench = await newBench(context);
    const wide = join(bench.source, "wide");
    fs.mkdirSync(wide);
    for (let index = 0; index < 100_000; index += 1) {
      const path = join(wide, `entry ${String((index * 7919) % 100_003)}`);
      if (index % 1000 === 0) {
        fs.mkdirSync(path);
        fs.writeFileSync(join(path, "inside"), String(index));
      } else if (index % 10 === 0) fs.writeFileSync(path, String(index));
      else fs.closeSync(fs.openSync(path, "w"));
    }
    const first = await bench.backup();
    await bench.check(first.copyId);
    const second = await bench.backup();
    assert.equal((await bench.read(second.copyId)).size, (await bench.read(first.copyId)).size);
  });
});
