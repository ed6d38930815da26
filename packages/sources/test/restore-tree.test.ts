/**
 * The writer of restored trees: every rule once, through both implementations of the file calls.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { hasProcessDirectories } from "../src/posix/capabilities.ts";
import { closeDirectory, openTopDirectory } from "../src/posix/directory.ts";
import { ERRNO } from "../src/posix/errno.ts";
import { dataExtents } from "../src/posix/extents.ts";
import type { FileCalls } from "../src/posix/file-calls.ts";
import { nativeBinding } from "../src/posix/native-binding.ts";
import { createNativeCalls } from "../src/posix/native-calls.ts";
import { createPortableCalls } from "../src/posix/portable-calls.ts";
import { readEntryXattrs } from "../src/posix/xattrs.ts";
import { isBigFile, openTarget, type TargetOptions, type TargetTree } from "../src/restore-tree/target.ts";
import type { EntryPlace } from "../src/restore-tree/outcome.ts";
import type { RestoreMetadata } from "../src/restore-tree/target-context.ts";

const top = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-restore-"));
after(() => {
  // Folders without the right to write, which only root empties as they are.
  execFileSync("chmod", ["-R", "u+rwX", top]);
  execFileSync("rm", ["-rf", top]);
});
let folders = 0;

function newFolder(): string {
  folders += 1;
  const folder = path.join(top, String(folders));
  fs.mkdirSync(folder);
  return folder;
}

function place(entry: string): EntryPlace {
  const slash = entry.lastIndexOf("/");
  return {
    folder: Buffer.from(entry.slice(0, Math.max(slash, 0))),
    name: Buffer.from(entry.slice(slash + 1)),
  };
}

const METADATA: RestoreMetadata = {
  mode: 0o640,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  mtimeNs: 1_600_000_000_987_654_321n,
};
const CONTENT = Buffer.from("restored");
const binding = nativeBinding();
const isRoot = process.geteuid?.() === 0;

function leftovers(folder: string): readonly string[] {
  return fs.readdirSync(folder).filter((entry) => entry.startsWith(".holdfast-restore-"));
}

function testTree(title: string, calls: FileCalls, native: boolean): void {
  const withTree = (
    folder: string,
    existing: TargetOptions["existing"],
    act: (tree: TargetTree) => void,
    options: Partial<TargetOptions> = {},
  ): void => {
    const tree = openTarget(folder, { existing, calls, ...options });
    try {
      act(tree);
    } finally {
      tree.close();
    }
    assert.deepEqual(leftovers(folder), []);
  };

  suite(`restored trees, ${title}`, () => {
    test("folders, files, links and their metadata", () => {
      const folder = path.join(newFolder(), "made", "on the way");
      withTree(folder, "overwrite", (tree) => {
        assert.equal(tree.makeFolder(place("d")).result, "created");
        assert.deepEqual(tree.writeFile(place("d/f"), CONTENT, METADATA), {
          result: "created",
          name: Buffer.from("f"),
          warnings: [],
        });
        assert.equal(tree.writeFile(place("d/empty"), Buffer.alloc(0), METADATA).result, "created");
        assert.equal(tree.makeHardLink(place("second"), place("d/f"), "file").result, "created");
        assert.equal(tree.makeHardLink(place("second"), place("d/f"), "file").result, "created");
        const linked = tree.makeSymlink(place("l"), Buffer.from("/etc/\xff", "latin1"), METADATA);
        assert.deepEqual([linked.result, linked.warnings], ["created", []]);
        assert.deepEqual(tree.finishFolder(place("d"), { ...METADATA, mode: 0o2555 }), []);
        tree.sync();
      });
      const stats = fs.statSync(path.join(folder, "d/f"), { bigint: true });
      const off = stats.mtimeNs - METADATA.mtimeNs;
      assert(native ? off === 0n : off > -2000n && off < 2000n);
      assert.equal(Number(stats.mode) & 0o7777, 0o640);
      assert.equal(stats.nlink, 2n);
      assert.equal(fs.readFileSync(path.join(folder, "second"), "utf8"), "restored");
      assert.deepEqual(fs.readlinkSync(path.join(folder, "l"), "buffer"), Buffer.from("/etc/\xff", "latin1"));
      const directory = fs.statSync(path.join(folder, "d"));
      assert.equal(directory.mode & 0o7777, 0o2555);
      assert.equal(Math.trunc(directory.mtimeMs), 1_600_000_000_987);
      assert.equal(Math.trunc(fs.lstatSync(path.join(folder, "l")).mtimeMs), 1_600_000_000_987);
    });

    test("missing parents are made for their owner alone", () => {
      const folder = newFolder();
      withTree(folder, "skip", (tree) => {
        assert.equal(tree.writeFile(place("a/b/c"), CONTENT, METADATA).result, "created");
      });
      assert.equal(fs.statSync(path.join(folder, "a/b")).mode & 0o7777, 0o700);
    });

    test("names that are not UTF-8, of 255 bytes, and one too long", () => {
      const folder = newFolder();
      withTree(folder, "overwrite", (tree) => {
        for (const name of [
          Buffer.from([0xff, 0xfe]),
          Buffer.alloc(255, 0x61),
          Buffer.from("a\n\u{1b}[2Jb"),
        ]) {
          assert.equal(tree.writeFile({ folder: name, name }, CONTENT, METADATA).result, "created");
          const at = Buffer.concat([Buffer.from(`${folder}/`), name, Buffer.from("/"), name]);
          assert.equal(fs.readFileSync(at, "utf8"), "restored");
        }
        const name = Buffer.alloc(256, 0x61);
        const { result, warnings } = tree.writeFile({ folder: Buffer.alloc(0), name }, CONTENT, METADATA);
        assert.deepEqual([result, warnings[0]?.code, warnings[0]?.path], ["failed", "ERR_TARGET", name]);
      });
    });

    test("paths longer than PATH_MAX", () => {
      const long = Buffer.alloc(200, 0x64);
      const deep = Buffer.concat(Array.from({ length: 60 }, () => [long, Buffer.from("/")]).flat()).subarray(
        0,
        -1,
      );
      const name = Buffer.from("f");
      withTree(newFolder(), "skip", (tree) => {
        assert.equal(tree.writeFile({ folder: deep, name }, CONTENT, METADATA).result, "created");
        assert.equal(tree.writeFile({ folder: deep, name }, CONTENT, METADATA).result, "skipped");
        const source = { folder: deep, name };
        assert.equal(tree.makeHardLink(place("x/y/up"), source, "file").result, "created");
        assert.deepEqual(tree.finishFolder({ folder: deep, name: Buffer.alloc(0) }, METADATA), []);
      });
    });

    for (const [existing, result, content] of [
      ["skip", "skipped", "present"],
      ["overwrite", "replaced", "restored"],
      ["keep-both", "kept-both", "present"],
    ] as const) {
      test(`an existing file: ${existing}`, () => {
        const folder = newFolder();
        const target = path.join(folder, "f.txt");
        fs.writeFileSync(target, "present");
        withTree(folder, existing, (tree) => {
          assert.equal(tree.writeFile(place("f.txt"), CONTENT, METADATA).result, result);
          assert.equal(tree.makeSymlink(place("f.txt"), Buffer.from("x"), METADATA).result, result);
          const begun = tree.beginFile(place("f.txt"), 8);
          if (isBigFile(begun)) {
            assert.equal(tree.writeAt(begun, CONTENT, 0), undefined);
            assert.equal(tree.finishFile(begun, METADATA).result, result);
          } else assert.equal(begun.result, "skipped");
        });
        assert.equal(fs.readFileSync(target, "utf8"), content);
        if (existing !== "keep-both") return;
        assert.deepEqual(fs.readdirSync(folder).toSorted(), [
          "f (restored 1).txt",
          "f (restored 2).txt",
          "f (restored 3).txt",
          "f.txt",
        ]);
        assert.equal(fs.readFileSync(path.join(folder, "f (restored 1).txt"), "utf8"), "restored");
      });
    }

    test("overwriting steps off a hard link instead of writing through it", () => {
      const folder = newFolder();
      const outside = path.join(newFolder(), "outside");
      fs.writeFileSync(outside, "precious", { mode: 0o600 });
      fs.linkSync(outside, path.join(folder, "f"));
      withTree(folder, "overwrite", (tree) => {
        assert.equal(tree.writeFile(place("f"), CONTENT, { ...METADATA, mode: 0o666 }).result, "replaced");
      });
      assert.equal(fs.readFileSync(outside, "utf8"), "precious");
      assert.equal(fs.statSync(outside).mode & 0o777, 0o600);
    });

    test("kinds that replace each other", () => {
      const folder = newFolder();
      fs.mkdirSync(path.join(folder, "empty"));
      fs.mkdirSync(path.join(folder, "full/x"), { recursive: true });
      fs.writeFileSync(path.join(folder, "file"), "");
      fs.symlinkSync("full", path.join(folder, "link"));
      withTree(folder, "overwrite", (tree) => {
        assert.equal(tree.writeFile(place("empty"), CONTENT, METADATA).result, "replaced");
        const full = tree.writeFile(place("full"), CONTENT, METADATA);
        assert.equal(full.result, "failed");
        assert.match(full.warnings[0]?.message ?? "", /^\/full: a folder with content has its name/u);
        assert.equal(tree.makeFolder(place("file")).result, "replaced");
        assert.equal(tree.makeFolder(place("link")).result, "replaced");
        assert.equal(tree.makeFolder(place("full")).result, "merged");
        assert.equal(tree.writeFile(place("link/inside"), CONTENT, METADATA).result, "created");
      });
      assert.deepEqual(fs.readdirSync(path.join(folder, "full")), ["x"]);
      assert.deepEqual(fs.readdirSync(path.join(folder, "link")), ["inside"]);
    });

    test("a folder whose name is taken: skip leaves it out, keep-both makes another", () => {
      const folder = newFolder();
      fs.writeFileSync(path.join(folder, "d"), "");
      withTree(folder, "skip", (tree) => {
        const { result, warnings } = tree.makeFolder(place("d"));
        assert.deepEqual([result, warnings.length], ["skipped", 1]);
        assert.equal(tree.writeFile(place("d/f"), CONTENT, METADATA).warnings[0]?.code, "ERR_TARGET_UNSAFE");
      });
      withTree(folder, "keep-both", (tree) => {
        assert.equal(tree.makeFolder(place("d")).name.toString(), "d (restored 1)");
      });
    });

    test("what a killed restore has left counts as nothing", () => {
      for (const existing of ["skip", "overwrite", "keep-both"] as const) {
        const folder = newFolder();
        fs.writeFileSync(path.join(folder, "f"), "hal", { mode: 0 });
        fs.chmodSync(path.join(folder, "f"), 0o1000);
        withTree(folder, existing, (tree) => {
          assert.equal(tree.makeSymlink(place("f"), Buffer.from("x"), METADATA).result, "replaced");
          fs.rmSync(path.join(folder, "f"));
          fs.writeFileSync(path.join(folder, "f"), "hal");
          fs.chmodSync(path.join(folder, "f"), 0o1000);
          assert.equal(tree.writeFile(place("f"), CONTENT, METADATA).name.toString(), "f");
        });
        assert.equal(fs.readFileSync(path.join(folder, "f"), "utf8"), "restored");
      }
    });

    test("the very mode of unfinished files is restored, too", () => {
      const folder = newFolder();
      withTree(folder, "skip", (tree) => {
        assert.equal(tree.writeFile(place("f"), CONTENT, { ...METADATA, mode: 0o1000 }).result, "created");
      });
      assert.equal(fs.statSync(path.join(folder, "f")).mode & 0o7777, 0o1000);
    });

    test("big files: any order, holes, zeros, abandoned ones", () => {
      const folder = newFolder();
      const size = 4 * 1024 * 1024;
      withTree(folder, "skip", (tree) => {
        const file = tree.beginFile(place("d/big"), size);
        assert(isBigFile(file));
        assert.deepEqual(fs.readdirSync(path.join(folder, "d")).length, 1);
        assert.equal(tree.writeAt(file, Buffer.from("end"), size - 3), undefined);
        assert.equal(tree.writeAt(file, Buffer.from("start"), 0), undefined);
        assert.equal(tree.writeZerosAt(file, 1024 * 1024, 1024 * 1024), undefined);
        assert.equal(tree.finishFile(file, METADATA).result, "created");
        const other = tree.beginFile(place("d/other"), 10);
        assert(isBigFile(other));
        tree.abandonFile(other);
      });
      assert.deepEqual(fs.readdirSync(path.join(folder, "d")), ["big"]);
      const bytes = fs.readFileSync(path.join(folder, "d/big"));
      assert.equal(bytes.length, size);
      assert.equal(bytes.toString("latin1", 0, 6), "start\0");
      assert.equal(bytes.toString("latin1", size - 3), "end");
      const fd = fs.openSync(path.join(folder, "d/big"), "r");
      const holes = [...dataExtents(fd, size)];
      assert(typeof binding === "string" || holes.reduce((sum, { length }) => sum + length, 0) < size / 2);
      fs.closeSync(fd);
    });

    test("a full target ends the restore and leaves nothing half", () => {
      const folder = newFolder();
      const full: FileCalls = { ...calls, writeAt: () => -ERRNO.ENOSPC };
      withTree(
        folder,
        "overwrite",
        (tree) => {
          for (const xattrs of [[], [{ name: Buffer.from("user.x"), value: Buffer.alloc(0) }]]) {
            assert.throws(
              () => tree.writeFile(place("f"), CONTENT, { ...METADATA, xattrs }),
              (error) =>
                isAppError(error, "ERR_TARGET") &&
                error.subject === folder &&
                /no space/u.test(error.message),
            );
          }
          assert.equal(tree.writeFile(place("empty"), Buffer.alloc(0), METADATA).result, "created");
        },
        { calls: full },
      );
      assert.deepEqual(fs.readdirSync(folder), ["empty"]);
    });

    test("a failed write of one file is a warning and leaves nothing half", () => {
      const folder = newFolder();
      const broken: FileCalls = { ...calls, writeAt: () => -ERRNO.EIO };
      withTree(
        folder,
        "overwrite",
        (tree) => {
          const { result, warnings } = tree.writeFile(place("f"), CONTENT, METADATA);
          assert.deepEqual(
            [result, warnings[0]?.message],
            ["failed", "/f: its content cannot be written: i/o error (EIO)."],
          );
        },
        { calls: broken },
      );
      assert.deepEqual(fs.readdirSync(folder), []);
    });

    test("a target that cannot be made", () => {
      const file = path.join(newFolder(), "file");
      fs.writeFileSync(file, "");
      for (const directory of [file, path.join(file, "below")]) {
        assert.throws(
          () => openTarget(directory, { existing: "skip", calls }),
          (error) => isAppError(error, "ERR_TARGET") && error.remedy !== undefined,
        );
      }
    });

    test("owners, set-id bits and special files", { skip: isRoot ? false : "needs root" }, () => {
      const folder = newFolder();
      withTree(folder, "overwrite", (tree) => {
        const owned = { ...METADATA, uid: 1234, gid: 2345, mode: 0o6755 };
        assert.deepEqual(tree.writeFile(place("f"), CONTENT, owned).warnings, []);
        assert.deepEqual(tree.makeSymlink(place("l"), Buffer.from("f"), owned).warnings, []);
        const device = { kind: "char", major: 1, minor: 3 } as const;
        const made = tree.makeSpecial(place("null"), device, { ...owned, mode: 0o666 });
        const fifo = { kind: "fifo", major: 0, minor: 0 } as const;
        assert.equal(made.result, native ? "created" : "failed");
        assert.equal(tree.makeSpecial(place("p"), fifo, METADATA).result, native ? "created" : "failed");
        const far = tree.makeSpecial(place("far"), { kind: "block", major: 5000, minor: 0 }, METADATA);
        assert.equal(far.warnings[0]?.code, "ERR_TARGET_UNSAFE");
        const socket = tree.makeSpecial(place("s"), { kind: "socket", major: 0, minor: 0 }, METADATA);
        assert.deepEqual([socket.result, socket.warnings[0]?.code], ["failed", "ERR_UNSUPPORTED"]);
      });
      const stats = fs.statSync(path.join(folder, "f"));
      assert.deepEqual([stats.uid, stats.gid, stats.mode & 0o7777], [1234, 2345, 0o6755]);
      assert.equal(fs.lstatSync(path.join(folder, "l")).uid, 1234);
      if (!native) return;
      const device = fs.statSync(path.join(folder, "null"));
      assert(device.isCharacterDevice());
      assert.deepEqual([device.rdev, device.mode & 0o7777, device.uid], [0x103, 0o666, 1234]);
    });

    test("without its owner a program loses its set-id bits", { skip: isRoot ? false : "needs root" }, () => {
      const folder = newFolder();
      const owned = { ...METADATA, uid: 1234, gid: 2345, mode: 0o6755 };
      withTree(folder, "skip", (tree) => tree.writeFile(place("left"), CONTENT, owned), { owners: "leave" });
      const refusing: FileCalls = { ...calls, setOwner: () => -ERRNO.EPERM };
      withTree(
        folder,
        "skip",
        (tree) => {
          const { result, warnings } = tree.writeFile(place("refused"), CONTENT, owned);
          assert.deepEqual([result, warnings.length], ["created", 1]);
        },
        { calls: refusing },
      );
      const byName = { ...owned, user: "root", group: "no such group" };
      withTree(folder, "skip", (tree) => tree.writeFile(place("named"), CONTENT, byName), {
        owners: "names",
      });
      const modes = ["left", "refused", "named"].map((entry) => fs.statSync(path.join(folder, entry)));
      assert.deepEqual(
        modes.map(({ mode }) => mode & 0o7777),
        [0o755, 0o755, 0o6755],
      );
      assert.deepEqual(
        modes.map(({ uid, gid }) => [uid, gid]),
        [
          [0, 0],
          [0, 0],
          [0, 2345],
        ],
      );
    });

    test("extended attributes, also on files nobody may write", (context) => {
      const folder = newFolder();
      const xattrs = [{ name: Buffer.from("user.note"), value: Buffer.from([1, 0, 2]) }];
      let warnings = 0;
      withTree(folder, "skip", (tree) => {
        warnings = tree.writeFile(place("f"), CONTENT, { ...METADATA, mode: 0o400, xattrs }).warnings.length;
        warnings += tree.finishFolder(place(""), { ...METADATA, mode: 0o755, xattrs }).length;
      });
      if (!native) {
        assert.equal(warnings, 2);
        return;
      }
      if (warnings > 0) {
        context.skip("this file system has no user attributes");
        return;
      }
      const handle = openTopDirectory(Buffer.from(folder));
      assert(typeof handle !== "number");
      for (const name of ["f", "."])
        assert.deepEqual(readEntryXattrs(handle, Buffer.from(name)).xattrs, xattrs);
      closeDirectory(handle);
    });
  });
}

if (typeof binding !== "string") testTree("native", createNativeCalls(binding), true);
if (hasProcessDirectories()) testTree("portable", createPortableCalls(true), false);
