/**
 * System calls: what they read is compared with what Node's own calls say.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, suite, test } from "node:test";
import { Worker } from "node:worker_threads";
import { isAppError } from "@holdfast/kernel";
import fc from "fast-check";
import { describeCapabilities, posixCapabilities } from "../src/posix/capabilities.ts";
import { closeDirectory, openDirectory, openTopDirectory, readDirectory } from "../src/posix/directory.ts";
import {
  closeFile,
  mayBeSparse,
  openForReading,
  readEntryMetadata,
  readOpenMetadata,
} from "../src/posix/entry-metadata.ts";
import { deviceNumber } from "../src/posix/entry-stat.ts";
import { ERRNO, errnoName, errnoText } from "../src/posix/errno.ts";
import { adviseReading, dataExtents } from "../src/posix/extents.ts";
import type { DirectoryHandle } from "../src/posix/file-calls.ts";
import { sortNames } from "../src/posix/name-sort.ts";
import { nativeBinding } from "../src/posix/native-binding.ts";
import { ownerNames } from "../src/posix/owner-names.ts";
import { fileCalls } from "../src/posix/system-calls.ts";
import { readEntryXattrs, readOpenXattrs } from "../src/posix/xattrs.ts";

const top = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-posix-"));
after(() => {
  // Paths beyond PATH_MAX: `rm` walks by descriptors, Node does not.
  execFileSync("rm", ["-rf", top]);
});
let folders = 0;

function newFolder(): string {
  folders += 1;
  const folder = path.join(top, String(folders));
  fs.mkdirSync(folder);
  return folder;
}

function opened(folder: string): DirectoryHandle {
  const handle = openTopDirectory(Buffer.from(folder));
  assert(typeof handle !== "number");
  return handle;
}

const name = (text: string): Buffer => Buffer.from(text);
const binding = nativeBinding();
const needsNative = typeof binding === "string" ? `no native calls here (${binding})` : false;

suite("capabilities", () => {
  test("nothing is missing with native calls", () => {
    assert.deepEqual(describeCapabilities({}, true).missing, []);
    assert.equal(posixCapabilities().nativeCalls, typeof binding !== "string");
  });

  test("each thing that is missing has a sentence", () => {
    const portable = describeCapabilities("koffi", true);
    assert.equal(portable.xattrs, false);
    assert.equal(portable.nanosecondTimes, false);
    assert.equal(portable.directoryRelative, true);
    assert.equal(portable.missing.length, 4);
    const other = describeCapabilities("platform", false);
    assert.equal(other.directoryRelative, false);
    assert.equal(other.missing.length, 5);
  });

  test("error numbers have names and texts", () => {
    assert.equal(errnoName(-ERRNO.ENOENT), "ENOENT");
    assert.equal(errnoText(ERRNO.ENOENT), "no such file or directory");
    assert.equal(errnoName(99_999), "errno 99999");
  });
});

suite("directories", () => {
  test("names are raw bytes in bytewise order, with kinds", () => {
    const folder = newFolder();
    const odd = [Buffer.from([0xff, 0x01]), Buffer.from("é"), Buffer.from("a\nb"), Buffer.alloc(255, 0x78)];
    const names = [...odd, name("a"), name("A"), name("a.b"), name("a-b"), name("..."), name(".x")];
    for (const entry of names) fs.writeFileSync(Buffer.concat([name(`${folder}/`), entry]), "");
    fs.mkdirSync(path.join(folder, "folder"));
    fs.symlinkSync("nowhere", path.join(folder, "link"));
    const expected = [...names, name("folder"), name("link")].toSorted((a, b) => Buffer.compare(a, b));
    const listing = readDirectory(name(folder));
    const found = Array.from({ length: listing.count }, (_, index) => listing.name(index));
    assert.deepEqual(found.map(String), expected.map(String));
    assert(found.every((entry, index) => entry.equals(expected[index] ?? name(""))));
    const kinds = new Map(found.map((entry, index) => [entry.toString(), listing.kind(index)]));
    assert.deepEqual(
      [kinds.get("folder"), kinds.get("link"), kinds.get("a")],
      ["directory", "symlink", "file"],
    );
  });

  test("a directory larger than every kept buffer", () => {
    const folder = newFolder();
    const count = 9000;
    for (let index = 0; index < count; index += 1) {
      fs.closeSync(
        fs.openSync(path.join(folder, `entry with a long name ${String((index * 7919) % count)}`), "w"),
      );
    }
    const listing = readDirectory(name(folder));
    const found = Array.from({ length: listing.count }, (_, index) => listing.name(index).toString());
    assert.deepEqual(found, fs.readdirSync(folder).toSorted());
    assert.equal(found.length, count);
  });

  test("an empty directory, a missing one, and a handle that is read twice", () => {
    const folder = newFolder();
    assert.equal(readDirectory(name(folder)).count, 0);
    assert.throws(
      () => readDirectory(name(`${folder}/missing`)),
      (error) => isAppError(error, "ERR_SOURCE_VANISHED"),
    );
    fs.writeFileSync(path.join(folder, "one"), "");
    const handle = opened(folder);
    assert.equal(readDirectory(handle).count, 1);
    fs.writeFileSync(path.join(folder, "two"), "");
    assert.equal(readDirectory(handle).count, 2);
    closeDirectory(handle);
  });

  test("paths longer than PATH_MAX are reached one name at a time", { skip: needsNative }, () => {
    const calls = fileCalls();
    let handle = opened(newFolder());
    const long = Buffer.alloc(250, 0x64);
    for (let depth = 0; depth < 20; depth += 1) {
      assert.equal(calls.makeDirectory(handle, long, 0o700), 0);
      const next = openDirectory(handle, long);
      assert(typeof next !== "number");
      closeDirectory(handle);
      handle = next;
    }
    const fd = calls.openFile(handle, name("deep"), fs.constants.O_CREAT | fs.constants.O_WRONLY, 0o600);
    assert(fd >= 0);
    calls.closeFile(fd);
    assert.equal(readDirectory(handle).name(0).toString(), "deep");
    assert.deepEqual(readEntryXattrs(handle, name("deep")), { xattrs: [], failures: [] });
    closeDirectory(handle);
  });

  test("sorting equals Buffer.compare, and a name that comes twice stands once", () => {
    const anyName = fc
      .uint8Array({ min: 1, minLength: 1, maxLength: 6 })
      .map((bytes) => bytes.map((byte) => (byte % 3 === 0 ? byte : 0x61)));
    fc.assert(
      fc.property(fc.array(anyName, { maxLength: 200 }), (names) => {
        const bytes = Buffer.concat(names.flatMap((entry) => [entry, Buffer.alloc(1)]));
        let offset = 0;
        const offsets = Uint32Array.from(names, (entry) => {
          const start = offset;
          offset += entry.length + 1;
          return start;
        });
        const sorted = [...sortNames(bytes, offsets)].map((index) =>
          Buffer.from(names[index] ?? []).toString("hex"),
        );
        const expected = [...new Set(names.map((entry) => Buffer.from(entry).toString("hex")))].toSorted();
        assert.deepEqual(sorted, expected);
      }),
    );
  });
});

suite("metadata of entries", () => {
  test("equals lstat for every kind", () => {
    const folder = newFolder();
    fs.writeFileSync(path.join(folder, "file"), "content", { mode: 0o640 });
    fs.mkdirSync(path.join(folder, "directory"));
    fs.symlinkSync(Buffer.from([0xff, 0x2f, 0xfe]), path.join(folder, "symlink"));
    execFileSync("mkfifo", [path.join(folder, "fifo")]);
    fs.linkSync(path.join(folder, "file"), path.join(folder, "second"));
    fs.lutimesSync(path.join(folder, "file"), -5.5, -5.5);
    const handle = opened(folder);
    for (const entry of ["file", "directory", "symlink", "fifo", "second"]) {
      const metadata = readEntryMetadata(handle, name(entry));
      assert(typeof metadata !== "number");
      const stats = fs.lstatSync(path.join(folder, entry), { bigint: true });
      assert.equal(metadata.kind, entry === "second" ? "file" : entry);
      assert.equal(metadata.mode, Number(stats.mode & 0o7777n));
      assert.equal(metadata.mtimeNs, stats.mtimeNs);
      assert.equal(metadata.ctimeNs, stats.ctimeNs);
      assert.equal(metadata.inode, stats.ino);
      assert.equal(BigInt(metadata.dev), stats.dev);
      assert.deepEqual(
        [metadata.nlink, metadata.size, metadata.blocks, metadata.uid, metadata.gid].map(BigInt),
        [stats.nlink, stats.size, stats.blocks, stats.uid, stats.gid],
      );
      assert.equal(metadata.user, os.userInfo().username);
    }
    const link = readEntryMetadata(handle, name("symlink"));
    assert(typeof link !== "number");
    assert.deepEqual(link.linkTarget, Buffer.from([0xff, 0x2f, 0xfe]));
    assert.equal(readEntryMetadata(handle, name("missing")), -ERRNO.ENOENT);
    closeDirectory(handle);
  });

  test("device numbers", () => {
    const handle = opened("/dev");
    const metadata = readEntryMetadata(handle, name("null"));
    assert(typeof metadata !== "number");
    assert.deepEqual([metadata.kind, metadata.rdevMajor, metadata.rdevMinor], ["char", 1, 3]);
    closeDirectory(handle);
    assert.equal(deviceNumber(259, 0x12345), 259 * 256 + 0x45 + 0x123 * 2 ** 20);
  });

  test("opening to read neither follows a link nor waits for a FIFO", () => {
    const folder = newFolder();
    fs.writeFileSync(path.join(folder, "file"), "content");
    fs.symlinkSync("file", path.join(folder, "link"));
    execFileSync("mkfifo", [path.join(folder, "fifo")]);
    const handle = opened(folder);
    assert.equal(openForReading(handle, name("link")), -ERRNO.ELOOP);
    for (const [entry, kind] of [
      ["file", "file"],
      ["fifo", "fifo"],
    ] as const) {
      const fd = openForReading(handle, name(entry));
      assert(fd >= 0);
      const metadata = readOpenMetadata(fd);
      assert(typeof metadata !== "number");
      assert.equal(metadata.kind, kind);
      closeFile(fd);
    }
    closeDirectory(handle);
  });

  test("names of owners, both ways", () => {
    const names = ownerNames();
    assert.equal(names.userName(0), "root");
    assert.equal(names.groupName(0), "root");
    assert.equal(names.userId("root"), 0);
    assert.equal(names.groupId("root"), 0);
    assert.equal(names.userName(3_999_999_999), undefined);
    assert.equal(names.userId("no such user"), undefined);
    assert.equal(names.userId("a\0b"), undefined);
  });
});

suite("extended attributes", { skip: needsNative }, () => {
  test("are read sorted, from open files and by name, with access control lists", (context) => {
    const folder = newFolder();
    const calls = fileCalls();
    const handle = opened(folder);
    const fd = calls.openFile(handle, name("file"), fs.constants.O_CREAT | fs.constants.O_RDWR, 0o644);
    const set = calls.setXattr(fd, { name: name("user.b"), value: Buffer.from([0, 255]) });
    if (set === -ERRNO.ENOTSUP) {
      context.skip("this file system has no user attributes");
      return;
    }
    calls.setXattr(fd, { name: name("user.a"), value: Buffer.alloc(0) });
    // Version 2; owner rw-, user 1 r--, group r--, mask r--, others ---: include/uapi/linux/posix_acl_xattr.h.
    const acl = Buffer.from(
      "02000000" +
        "01000600ffffffff" +
        "0200040001000000" +
        "04000400ffffffff" +
        "10000400ffffffff" +
        "20000000ffffffff",
      "hex",
    );
    const expected = [
      ["user.a", ""],
      ["user.b", "00ff"],
    ];
    if (calls.setXattr(fd, { name: name("system.posix_acl_access"), value: acl }) === 0) {
      expected.unshift(["system.posix_acl_access", acl.toString("hex")]);
    } else context.diagnostic("this file system has no access control lists");
    for (const reading of [readOpenXattrs(fd), readEntryXattrs(handle, name("file"))]) {
      const found = reading.xattrs.map((xattr) => [xattr.name.toString(), xattr.value.toString("hex")]);
      assert.deepEqual(found, expected);
      assert.deepEqual(reading.failures, []);
    }
    calls.closeFile(fd);
    closeDirectory(handle);
  });

  test("a missing entry is a failure, not an empty list", () => {
    const handle = opened(newFolder());
    const { failures } = readEntryXattrs(handle, name("missing"));
    assert.deepEqual(failures, [{ name: undefined, errno: -ERRNO.ENOENT }]);
    closeDirectory(handle);
  });
});

suite("extents", { skip: needsNative }, () => {
  test("data and holes of a sparse file", (context) => {
    const file = path.join(newFolder(), "sparse");
    const fd = fs.openSync(file, "w+");
    const step = 1024 * 1024;
    fs.writeSync(fd, Buffer.alloc(step, 1), 0, step, step);
    fs.writeSync(fd, Buffer.alloc(10, 1), 0, 10, 3 * step);
    fs.ftruncateSync(fd, 5 * step);
    const extents = [...dataExtents(fd, 5 * step)];
    if (extents[0]?.offset === 0) {
      context.skip("this file system does not tell holes");
      return;
    }
    assert.deepEqual(extents[0], { offset: step, length: step });
    assert.equal(extents[1]?.offset, 3 * step);
    assert((extents[1]?.length ?? step) <= 65_536);
    assert.equal(extents.length, 2);
    const metadata = readOpenMetadata(fd);
    assert(typeof metadata !== "number" && mayBeSparse(metadata));
    assert.deepEqual([...dataExtents(fd, step)], []);
    assert.deepEqual([...dataExtents(fd, step + 5)], [{ offset: step, length: 5 }]);
    adviseReading(fd, "sequential");
    fs.closeSync(fd);
  });

  test("a file without holes, an empty file, and one that has shrunk", () => {
    const fd = fs.openSync(path.join(newFolder(), "full"), "w+");
    assert.deepEqual([...dataExtents(fd, 0)], []);
    fs.writeSync(fd, Buffer.alloc(5000, 1));
    assert.deepEqual([...dataExtents(fd, 5000)], [{ offset: 0, length: 5000 }]);
    fs.ftruncateSync(fd, 100);
    assert([...dataExtents(fd, 5000)].every(({ offset, length }) => offset + length <= 5000));
    fs.closeSync(fd);
  });

  test("a descriptor that cannot be searched is one extent", () => {
    const fd = fs.openSync("/dev/zero", "r");
    assert.deepEqual([...dataExtents(fd, 10)], [{ offset: 0, length: 10 }]);
    fs.closeSync(fd);
  });
});

test("a worker thread reads and closes without a complaint of Node about its descriptors", async () => {
  const folder = newFolder();
  fs.writeFileSync(path.join(folder, "file"), "content");
  const modules = new URL("../src/posix/", import.meta.url).href;
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    const warnings = [];
    process.on("warning", (warning) => warnings.push(String(warning)));
    (async () => {
      const d = await import(workerData.modules + "directory.ts");
      const m = await import(workerData.modules + "entry-metadata.ts");
      const handle = d.openTopDirectory(Buffer.from(workerData.folder));
      const listing = d.readDirectory(handle);
      const fd = m.openForReading(handle, listing.name(0));
      const content = require("node:fs").readFileSync(fd, "utf8");
      m.closeFile(fd);
      d.closeDirectory(handle);
      setImmediate(() => parentPort.postMessage({ content, warnings }));
    })();`;
  const worker = new Worker(code, { eval: true, workerData: { modules, folder } });
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.once("message", resolve).once("error", reject);
  assert.deepEqual(await promise, { content: "content", warnings: [] });
  await worker.terminate();
});
