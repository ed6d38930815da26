/** What Linux keeps of a file besides mode and times, from a source through a repository to a target. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { closeDirectory, openTopDirectory } from "../src/posix/directory.ts";
import type { Xattr } from "../src/posix/file-calls.ts";
import { nativeBinding } from "../src/posix/native-binding.ts";
import { fileCalls } from "../src/posix/system-calls.ts";
import { readEntryXattrs } from "../src/posix/xattrs.ts";
import { newBench } from "./backup-harness.ts";
import { restore } from "./restore-files-fixture.ts";

const needsNative = typeof nativeBinding() === "string" ? "needs system calls" : false;

/** posix_acl_xattr.h: u32 version 2, then u16 tag, u16 permissions, u32 id of each entry. */
function acl(...entries: readonly (readonly [tag: number, permissions: number, id?: number])[]): Buffer {
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(2, 0);
  for (const [index, [tag, permissions, id = 0xffff_ffff]] of entries.entries()) {
    const at = 4 + index * 8;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(permissions, at + 2);
    bytes.writeUInt32LE(id, at + 4);
  }
  return bytes;
}

/** Owner rw, user 1234 r, group -, mask r, others -. */
const ACCESS = acl([1, 6], [2, 4, 1234], [4, 0], [0x10, 4], [0x20, 0]);
/** vfs_cap_data, revision 2, effective: CAP_NET_BIND_SERVICE (10). */
const CAPABILITY = Buffer.alloc(20);
CAPABILITY.writeUInt32LE(0x0200_0001, 0);
CAPABILITY.writeUInt32LE(1 << 10, 4);

function setXattr(path: string, name: string, value: Buffer): number {
  const fd = fs.openSync(path, "r");
  try {
    return fileCalls().setXattr(fd, { name: Buffer.from(name), value });
  } finally {
    fs.closeSync(fd);
  }
}

function xattrsOf(folder: string, name: string): readonly Xattr[] {
  const handle = openTopDirectory(Buffer.from(folder));
  assert(typeof handle !== "number");
  try {
    return readEntryXattrs(handle, Buffer.from(name)).xattrs;
  } finally {
    closeDirectory(handle);
  }
}

/** Sets an attribute, backs up, restores, and says what the restored entry has. */
async function roundTrip(
  context: TestContext,
  name: string,
  value: Buffer,
  kind: "file" | "directory",
): Promise<readonly Xattr[] | undefined> {
  const bench = await newBench(context);
  const path = join(bench.source, "x");
  if (kind === "file") fs.writeFileSync(path, "content", { mode: 0o640 });
  else fs.mkdirSync(path);
  const status = setXattr(path, name, value);
  if (status < 0) {
    context.skip(`this file system, or this user, sets no ${name}: ${String(status)}`);
    return undefined;
  }
  const { copyId = "", said } = await bench.backup();
  assert.deepEqual(said, []);
  const target = join(bench.folder, "target");
  const { notices } = await restore(bench.fixture.repository, copyId, target);
  assert.deepEqual(notices, []);
  return xattrsOf(join(target, bench.source), "x");
}

suite("metadata of Linux", { skip: needsNative }, () => {
  const cases = [
    ["POSIX access lists", "system.posix_acl_access", ACCESS, "file"],
    ["default access lists of folders", "system.posix_acl_default", ACCESS, "directory"],
    ["file capabilities", "security.capability", CAPABILITY, "file"],
    ["attributes of the user with any bytes", "user.any", Buffer.of(0, 255, 10), "file"],
    ["attributes of root", "trusted.any", Buffer.from("t"), "file"],
  ] as const;
  for (const [title, name, value, kind] of cases) {
    test(`${title} come back`, async (context) => {
      const xattrs = await roundTrip(context, name, value, kind);
      if (xattrs === undefined) return;
      const found = xattrs.find((xattr) => xattr.name.toString() === name);
      assert.deepEqual(found?.value, value);
    });
  }
});
