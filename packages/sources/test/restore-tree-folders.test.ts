/**
 * The cache of open folders: bounded, and never a way to somewhere else.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { openTarget } from "../src/restore-tree/target.ts";

const METADATA = { mode: 0o644, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mtimeNs: 5n };
const NAME = Buffer.from("f");

/** How many descriptors of this process lie below a folder. */
function openBelow(folder: string): number {
  return fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
}

test("few handles serve many folders, and all are closed", { skip: !fs.existsSync("/proc/self/fd") }, () => {
  const target = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-folders-"));
  try {
    const tree = openTarget(target, { existing: "overwrite", folderHandles: 32 });
    for (let index = 0; index < 300; index += 1) {
      const way = `${String(index % 100)}/x`.padEnd((index % 40) * 2 + 8, "/y").replace(/\/$/u, "");
      const folder = Buffer.from(`${way}/${String(index)}`);
      assert.deepEqual(tree.writeFile({ folder, name: NAME }, NAME, METADATA).warnings, []);
      const source = { folder, name: NAME };
      const linked = tree.makeHardLink(
        { folder: Buffer.from(`links/${String(index)}`), name: NAME },
        source,
        "file",
      );
      assert.equal(linked.result, "created");
    }
    assert(openBelow(target) <= 33, `${String(openBelow(target))} handles are open`);
    tree.close();
    assert.equal(openBelow(target), 0);
  } finally {
    fs.rmSync(target, { recursive: true });
  }
});

test("a caller may reuse the buffer of a folder's path", () => {
  const target = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-folders-"));
  try {
    const tree = openTarget(target, { existing: "skip" });
    const folder = Buffer.from("one");
    tree.writeFile({ folder, name: NAME }, NAME, METADATA);
    folder.write("two");
    assert.equal(tree.writeFile({ folder, name: NAME }, NAME, METADATA).result, "created");
    tree.close();
    assert.deepEqual(fs.readdirSync(target).toSorted(), ["one", "two"]);
  } finally {
    fs.rmSync(target, { recursive: true });
  }
});
