/** Restoring files: every kind of entry byte by byte, policies, and what is damaged. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import {
  CBC_LOW,
  type FixtureEntry,
  GCM_HIGH,
  newRepository,
  writeCopy,
} from "@holdfast/repository/fixture-writer";
import { dumpFile } from "../src/files-restore/index.ts";
import {
  copyOf,
  digest,
  digestOf,
  localRepository,
  restore,
  scratchFolder,
} from "./restore-files-fixture.ts";

const SPARSE = { hole: 3 * 1024 * 1024, data: randomBytes(100_000), zero: 200_000 };
const LARGE = randomBytes(9 * 1024 * 1024 + 17);

const ENTRIES: readonly FixtureEntry[] = [
  { kind: "directory", path: "srv", mode: 0o750, mtimeSeconds: 1_600_000_000n },
  { kind: "directory", path: "srv/empty", mode: 0o1777 },
  { kind: "file", path: "srv/none", content: Buffer.alloc(0) },
  { kind: "file", path: "srv/inline", content: Buffer.from("a few bytes"), mode: 0o640, mtimeNanoseconds: 7 },
  { kind: "file", path: "srv/bundled", content: randomBytes(50_000), mode: 0o600 },
  { kind: "file", path: "srv/chunked", content: randomBytes(700_000) },
  { kind: "file", path: "srv/large", content: LARGE },
  { kind: "file", path: "srv/sparse", content: [{ hole: SPARSE.hole }, SPARSE.data, { zero: SPARSE.zero }] },
  { kind: "file", path: "srv/large sparse", content: [LARGE, { hole: 64 * 1024 * 1024 }, { zero: 70_000 }] },
  { kind: "file", path: "srv/linked a", content: Buffer.alloc(5000, 1), link: { device: 1n, inode: 5n } },
  { kind: "file", path: "srv/sub/linked b", content: Buffer.alloc(5000, 1), link: { device: 1n, inode: 5n } },
  { kind: "symlink", path: "srv/link", target: "../outside" },
  { kind: "fifo", path: "srv/pipe", mode: 0o622 },
  { kind: "file", path: Buffer.from([0x73, 0x72, 0x76, 0x2f, 0xff, 0x0a]), content: Buffer.from("odd name") },
];

function assertTree(target: string): void {
  const at = (path: string): string => join(target, "srv", path);
  for (const entry of ENTRIES) {
    if (entry.kind !== "file" || !(entry.content instanceof Uint8Array)) continue;
    const path = Buffer.concat([Buffer.from(`${target}/`), Buffer.from(entry.path)]);
    assert.equal(digest(path), digestOf(entry.content), String(entry.path));
  }
  assert.equal(
    digest(at("sparse")),
    digestOf(Buffer.alloc(SPARSE.hole), SPARSE.data, Buffer.alloc(SPARSE.zero)),
  );
  assert(fs.statSync(at("sparse")).blocks * 512 < SPARSE.hole, "the hole takes no space");
  const big = fs.statSync(at("large sparse"));
  assert.equal(big.size, LARGE.length + 64 * 1024 * 1024 + 70_000);
  assert(big.blocks * 512 < big.size - 32 * 1024 * 1024, "the hole takes no space");
  assert.equal(fs.statSync(at("linked a")).ino, fs.statSync(at("sub/linked b")).ino);
  assert.equal(fs.readlinkSync(at("link")), "../outside");
  assert(fs.lstatSync(at("pipe")).isFIFO());
  assert.equal(fs.statSync(target + "/srv").mode & 0o7777, 0o750);
  assert.equal(fs.statSync(at("empty")).mode & 0o7777, 0o1777);
  assert.equal(fs.statSync(at("inline")).mode & 0o7777, 0o640);
  assert.equal(fs.statSync(target + "/srv", { bigint: true }).mtimeNs, 1_600_000_000_123_456_789n);
  assert.equal(fs.statSync(at("inline"), { bigint: true }).mtimeNs, 1_700_000_000_000_000_007n);
}

for (const cipherSuite of [GCM_HIGH, CBC_LOW]) {
  suite(`restoring files, ${cipherSuite.name}`, () => {
    test("gives back every kind of entry from a folder", async (context) => {
      const { repository, folder } = await localRepository(context, cipherSuite);
      const id = await writeCopy(repository, ENTRIES);
      const { summary, notices } = await restore(repository, id, join(folder, "out"));
      assert.deepEqual(
        notices.filter(({ code }) => code !== "ERR_UNSUPPORTED"),
        [],
      );
      assertTree(join(folder, "out"));
      assert.equal(summary.damaged, 0);
      assert.equal(summary.files, ENTRIES.length - 2);
      assert.equal(summary.folders, 3);
    });

    test("gives back every kind of entry from a storage without files", async (context) => {
      const folder = await scratchFolder(context);
      const { repository } = await newRepository(cipherSuite);
      const id = await writeCopy(repository, ENTRIES);
      const { summary } = await restore(repository, id, folder);
      assertTree(folder);
      assert.equal(summary.damaged, 0);
    });
  });
}

suite("dump", () => {
  test("streams every form of content", async (context) => {
    const { repository } = await localRepository(context);
    const copy = await copyOf(repository, await writeCopy(repository, ENTRIES));
    const dumped = async (path: string): Promise<string> =>
      digestOf(...(await Array.fromAsync(dumpFile(repository, copy, Buffer.from(path)))));
    for (const entry of ENTRIES) {
      if (entry.kind !== "file" || !(entry.content instanceof Uint8Array) || Buffer.isBuffer(entry.path))
        continue;
      assert.equal(await dumped(entry.path), digestOf(entry.content));
    }
    assert.equal(
      await dumped("srv/sparse"),
      digestOf(Buffer.alloc(SPARSE.hole), SPARSE.data, Buffer.alloc(SPARSE.zero)),
    );
    for (const path of ["srv", "srv/nothing", "srv/link"]) {
      await assert.rejects(dumped(path), { code: "ERR_PATH_NOT_FOUND" });
    }
  });
});
