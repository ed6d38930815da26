/**
 * File calls: the implementations by system calls and by Node's own `fs` keep one contract.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, suite, test } from "node:test";
import { hasProcessDirectories } from "../src/posix/capabilities.ts";
import { ERRNO } from "../src/posix/errno.ts";
import type { DirectoryHandle, FileCalls } from "../src/posix/file-calls.ts";
import { nativeBinding } from "../src/posix/native-binding.ts";
import { createNativeCalls } from "../src/posix/native-calls.ts";
import { createPortableCalls } from "../src/posix/portable-calls.ts";

const top = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-calls-"));
after(() => {
  fs.rmSync(top, { recursive: true });
});
let folders = 0;

function newFolder(): string {
  folders += 1;
  const folder = path.join(top, String(folders));
  fs.mkdirSync(folder);
  return folder;
}

const name = (text: string): Buffer => Buffer.from(text);
const binding = nativeBinding();
const needsRoot = process.geteuid?.() === 0 ? false : "needs root";

function testFileCalls(title: string, create: () => FileCalls, native: boolean): void {
  const open = (calls: FileCalls): DirectoryHandle => {
    const handle = calls.openTop(name(newFolder()));
    assert(typeof handle !== "number");
    return handle;
  };
  const create600 = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY;

  suite(`file calls, ${title}`, () => {
    test("create, write, change, look", () => {
      const calls = create();
      const folder = open(calls);
      const fd = calls.openFile(folder, name("f"), create600, 0o600);
      assert(fd >= 0);
      assert.equal(calls.writeAt(fd, name("hello"), 3), 0);
      assert.equal(calls.truncate(fd, 10), 0);
      assert.equal(calls.setMode(fd, 0o4751), 0);
      const timeNs = 1_700_000_000_123_456_789n;
      assert.equal(calls.setTimes(fd, timeNs), 0);
      const stat = calls.statFile(fd);
      assert(typeof stat !== "number");
      assert.deepEqual([stat.kind, stat.mode, stat.size], ["file", 0o4751, 10]);
      const off = stat.mtimeNs - timeNs;
      assert(native ? off === 0n : off > -2000n && off < 2000n, String(off));
      assert.deepEqual(calls.stat(folder, name("f")), stat);
      assert.equal(calls.closeFile(fd), 0);
      calls.closeDirectory(folder);
    });

    test("expected failures are negated error numbers", () => {
      const calls = create();
      const folder = open(calls);
      assert.equal(calls.makeDirectory(folder, name("d"), 0o700), 0);
      assert.equal(calls.makeSymlink(name("d"), folder, name("l")), 0);
      assert.equal(calls.makeDirectory(folder, name("d"), 0o700), -ERRNO.EEXIST);
      assert.equal(calls.openFile(folder, name("l"), fs.constants.O_RDONLY, 0), -ERRNO.ELOOP);
      assert.equal(calls.openFile(folder, name("d"), create600, 0o600), -ERRNO.EEXIST);
      assert.equal(calls.stat(folder, name("missing")), -ERRNO.ENOENT);
      assert.equal(calls.unlink(folder, name("missing")), -ERRNO.ENOENT);
      assert.equal(calls.stat(folder, Buffer.alloc(256, 0x61)), -ERRNO.ENAMETOOLONG);
      const link = calls.openDirectory(folder, name("l"));
      assert(link === -ERRNO.ENOTDIR || link === -ERRNO.ELOOP);
      assert.equal(calls.openTop(name("/no/such/place")), -ERRNO.ENOENT);
      assert.deepEqual(calls.readLink(folder, name("l")), name("d"));
      calls.closeDirectory(folder);
    });

    test("rename replaces, renameIfFree does not", () => {
      const calls = create();
      const folder = open(calls);
      for (const entry of ["a", "b", "c"]) {
        calls.closeFile(calls.openFile(folder, name(entry), create600, 0o600));
      }
      assert.equal(calls.renameIfFree(folder, name("a"), name("b")), -ERRNO.EEXIST);
      assert.equal(calls.renameIfFree(folder, name("a"), name("d")), 0);
      assert.equal(calls.rename(folder, name("d"), name("b")), 0);
      assert.equal(calls.makeLink(folder, name("b"), folder, name("e")), 0);
      assert.equal(calls.makeLink(folder, name("b"), folder, name("c")), -ERRNO.EEXIST);
      const stat = calls.stat(folder, name("e"));
      assert(typeof stat !== "number" && stat.nlink === 2);
      calls.closeDirectory(folder);
    });

    test("a link is changed itself, and only while it is one", () => {
      const calls = create();
      const folder = open(calls);
      const fd = calls.openFile(folder, name("victim"), create600, 0o600);
      calls.setTimes(fd, 5_000_000_000n);
      calls.closeFile(fd);
      calls.makeSymlink(name("victim"), folder, name("l"));
      assert.deepEqual(calls.changeNode(folder, name("l"), "symlink", { mtimeNs: 7_000_000_000n }), []);
      const [link, victim] = [calls.stat(folder, name("l")), calls.stat(folder, name("victim"))];
      assert(typeof link !== "number" && typeof victim !== "number");
      assert.deepEqual([link.mtimeNs, victim.mtimeNs], [7_000_000_000n, 5_000_000_000n]);
      const refused = [{ step: "open", errno: -ERRNO.EBUSY }];
      assert.deepEqual(calls.changeNode(folder, name("victim"), "symlink", { mtimeNs: 9n }), refused);
      calls.makeLink(folder, name("victim"), folder, name("second"));
      assert.deepEqual(calls.changeNode(folder, name("second"), "file", { mtimeNs: 9n }), refused);
      calls.closeDirectory(folder);
    });

    test("special files", { skip: native ? needsRoot : false }, () => {
      const calls = create();
      const folder = open(calls);
      if (!native) {
        assert.equal(calls.makeNode(folder, name("p"), "fifo", 0, 0), -ERRNO.ENOSYS);
        return;
      }
      assert.equal(calls.makeNode(folder, name("p"), "fifo", 0, 0), 0);
      assert.equal(calls.makeNode(folder, name("c"), "char", 1, 70_000), 0);
      const device = calls.stat(folder, name("c"));
      assert(typeof device !== "number");
      assert.deepEqual([device.kind, device.rdevMajor, device.rdevMinor], ["char", 1, 70_000]);
      assert.deepEqual(calls.changeNode(folder, name("p"), "fifo", { uid: 3, gid: 4, mode: 0o622 }), []);
      const fifo = calls.stat(folder, name("p"));
      assert(typeof fifo !== "number");
      assert.deepEqual([fifo.uid, fifo.gid, fifo.mode], [3, 4, 0o622]);
      calls.closeDirectory(folder);
    });
  });
}

if (typeof binding !== "string") testFileCalls("native", () => createNativeCalls(binding), true);
if (hasProcessDirectories()) testFileCalls("portable by descriptor", () => createPortableCalls(true), false);
testFileCalls("portable by path", () => createPortableCalls(false), false);
