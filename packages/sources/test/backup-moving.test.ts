/** A source that other programs change all the time while it is backed up. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { Worker } from "node:worker_threads";
import { newBench } from "./backup-harness.ts";
import { restore } from "./restore-files-fixture.ts";

/** Changes what is below a folder until it is told to stop: entries vanish, grow, shrink, and become other kinds. */
const CHURN = `
const fs = require("node:fs");
const { join } = require("node:path");
const { parentPort, workerData: { folder, stop, seed } } = require("node:worker_threads");
const word = new Int32Array(stop);
let state = seed;
const random = (below) => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 8) % below;
};
const kinds = [
  (path) => fs.writeFileSync(path, Buffer.alloc(random(300000), random(256))),
  (path) => fs.mkdirSync(path),
  (path) => fs.symlinkSync("nowhere", path),
  (path) => fs.truncateSync(path, random(200000)),
  (path) => fs.appendFileSync(path, Buffer.alloc(random(100000), 1)),
  (path) => fs.writeFileSync(join(path, "inside"), "x"),
  (path) => fs.renameSync(path, join(folder, String(random(60)))),
];
let rounds = 0;
while (Atomics.load(word, 0) === 0) {
  const path = join(folder, String(random(60)));
  try {
    if (random(3) === 0) fs.rmSync(path, { recursive: true, force: true });
    kinds[random(kinds.length)](path);
  } catch {}
  rounds += 1;
  if (rounds === 500) parentPort.postMessage("busy");
}
`;

suite("backup of a source that changes", () => {
  test("is whole, restores, and warns of nothing but changes", async (context) => {
    const seed = Date.now() & 0xff_ffff;
    context.diagnostic(`seed ${String(seed)}`);
    const bench = await newBench(context);
    fs.mkdirSync(join(bench.source, "moving"));
    fs.mkdirSync(join(bench.source, "still"));
    fs.writeFileSync(join(bench.source, "still/file"), "as it is");
    const stop = new SharedArrayBuffer(4);
    const workerData = { folder: join(bench.source, "moving"), stop, seed };
    const churn = new Worker(CHURN, { eval: true, workerData });
    const ended = once(churn, "exit");
    const copies: string[] = [];
    try {
      await once(churn, "message");
      for (let round = 0; round < 4; round += 1) {
        const { copyId, said } = await bench.backup();
        assert(copyId !== undefined);
        copies.push(copyId);
        for (const { code, path } of said) {
          // A file in the place of a folder, or a link, that was opened between two looks.
          const isKnown = ["ERR_SOURCE_VANISHED", "ERR_SOURCE_CHANGED", "ERR_SOURCE_UNREADABLE"].includes(
            code,
          );
          assert(isKnown && path.includes("/moving"), `${code} ${path.toString()}`);
        }
      }
    } finally {
      Atomics.store(new Int32Array(stop), 0, 1);
      await ended;
    }
    for (const [index, id] of copies.entries()) {
      const target = join(bench.folder, `target-${String(index)}`);
      const { summary, notices } = await restore(bench.fixture.repository, id, target);
      assert.equal(summary.damaged, 0);
      for (const { code } of notices) assert.equal(code, "ERR_SOURCE_CHANGED");
      assert.equal(fs.readFileSync(join(target, bench.source, "still/file"), "utf8"), "as it is");
    }
    const last = await bench.backup();
    assert.deepEqual(last.said, []);
    await bench.check(last.copyId);
  });
});

suite("backup of odd entries", () => {
  test("names of 255 bytes, without text, with a newline; sockets; FIFOs; a file of holes alone", async (context) => {
    const bench = await newBench(context);
    const names = [
      Buffer.alloc(255, 0x6e),
      Buffer.of(0xff, 0xfe, 0x80),
      Buffer.from("two\nlines"),
      Buffer.from("-rf *"),
    ];
    for (const name of names) fs.writeFileSync(Buffer.concat([Buffer.from(`${bench.source}/`), name]), name);
    const server = net.createServer();
    const socket = join(bench.source, "s");
    server.listen(socket);
    await once(server, "listening");
    context.after(() => {
      server.close();
    });
    execFileSync("mkfifo", [join(bench.source, "fifo")]);
    fs.closeSync(fs.openSync(join(bench.source, "holes"), "w"));
    fs.truncateSync(join(bench.source, "holes"), 5_000_000_000);
    const { copyId = "", said } = await bench.backup();
    assert.deepEqual(said, []);
    const copy = await bench.read(copyId);
    const root = bench.source.slice(1);
    for (const name of names) assert(copy.has(`${root}/${name.toString("latin1")}`));
    assert.equal(copy.get(`${root}/s`)?.entry.kind, "socket");
    const target = join(bench.folder, "target");
    const { notices } = await restore(bench.fixture.repository, copyId, target);
    assert.deepEqual(
      notices.map(({ code, path }) => [code, path.toString()]),
      [["ERR_UNSUPPORTED", `${root}/s`]],
    );
    const restored = fs.readdirSync(join(target, root), { encoding: "buffer" });
    for (const name of names) assert(restored.some((other) => other.equals(name)));
    assert(fs.lstatSync(join(target, root, "fifo")).isFIFO());
    const holes = fs.statSync(join(target, root, "holes"));
    assert.deepEqual([holes.size, holes.blocks], [5_000_000_000, 0]);
  });

  test("immutable and append-only files are read; the flags themselves are not kept", async (context) => {
    const bench = await newBench(context);
    const flagged = ["immutable", "append"].map((name) => join(bench.source, name));
    for (const path of flagged) fs.writeFileSync(path, path);
    try {
      execFileSync("chattr", ["+i", flagged[0] ?? ""], { stdio: "ignore" });
      execFileSync("chattr", ["+a", flagged[1] ?? ""], { stdio: "ignore" });
    } catch {
      context.skip("chattr is not there, or this file system or user has no such flags");
      return;
    }
    const { copyId = "", said } = await bench.backup().finally(() => {
      execFileSync("chattr", ["-i", "-a", ...flagged]);
    });
    assert.deepEqual(said, []);
    await bench.check(copyId);
    const target = join(bench.folder, "target");
    const { notices } = await restore(bench.fixture.repository, copyId, target);
    assert.deepEqual(notices, []);
    fs.appendFileSync(join(target, flagged[0] ?? ""), "more");
  });
});
