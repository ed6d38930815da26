/**
 * Attacks known from other programs that unpack: a copy, or another user in the target, tries to make the restore write
 * or change something outside of it. Each test names what it repeats.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, afterEach, beforeEach, suite, test } from "node:test";
import { hasProcessDirectories } from "../src/posix/capabilities.ts";
import type { FileCalls } from "../src/posix/file-calls.ts";
import { nativeBinding } from "../src/posix/native-binding.ts";
import { createNativeCalls } from "../src/posix/native-calls.ts";
import { createPortableCalls } from "../src/posix/portable-calls.ts";
import type { EntryPlace, RestoreOutcome } from "../src/restore-tree/outcome.ts";
import type { ExistingPolicy, RestoreMetadata } from "../src/restore-tree/target-context.ts";
import { isBigFile, openTarget, type TargetTree } from "../src/restore-tree/target.ts";

const METADATA: RestoreMetadata = {
  mode: 0o4777,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  mtimeNs: 1_600_000_000_000_000_000n,
};
const CONTENT = Buffer.from("from the copy");
const POLICIES: readonly ExistingPolicy[] = ["skip", "overwrite", "keep-both"];
const binding = nativeBinding();

function at(folder: string, name: string): EntryPlace {
  return { folder: Buffer.from(folder), name: Buffer.from(name) };
}

function assertUnsafe(outcome: RestoreOutcome): void {
  assert.deepEqual([outcome.result, outcome.warnings[0]?.code], ["failed", "ERR_TARGET_UNSAFE"]);
}

/** A file, a folder and everything about them that must not change. */
function describeOutside(outside: string): unknown {
  return ["", "victim", "folder", "folder/inner"].map((entry) => {
    const stats = fs.lstatSync(path.join(outside, entry), { bigint: true });
    return [entry, stats.mode, stats.size, stats.mtimeNs, stats.ctimeNs, stats.nlink, stats.uid];
  });
}

function testAdvisories(title: string, calls: FileCalls): void {
  suite(`attacks on a restore, ${title}`, () => {
    let top = "";
    let target = "";
    let outside = "";
    let before: unknown;

    beforeEach(() => {
      top = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-attack-"));
      target = path.join(top, "target");
      outside = path.join(top, "outside");
      fs.mkdirSync(target);
      fs.mkdirSync(path.join(outside, "folder"), { recursive: true });
      fs.writeFileSync(path.join(outside, "victim"), "precious", { mode: 0o600 });
      fs.writeFileSync(path.join(outside, "folder/inner"), "precious", { mode: 0o600 });
      before = describeOutside(outside);
    });
    afterEach(() => {
      fs.rmSync(top, { recursive: true });
    });
    after(() => {
      assert.equal(fs.existsSync("/tmp/holdfast-escaped"), false);
    });

    const attack = (policies: readonly ExistingPolicy[], act: (tree: TargetTree) => void): void => {
      for (const existing of policies) {
        const tree = openTarget(target, { existing, calls });
        act(tree);
        tree.close();
        assert.deepEqual(describeOutside(outside), before, existing);
        assert.deepEqual(fs.readdirSync(outside).toSorted(), ["folder", "victim"]);
        assert.deepEqual(fs.readdirSync(path.join(outside, "folder")), ["inner"]);
      }
    };

    /** Tries every way to write at a place. */
    const everyWay = (tree: TargetTree, place: EntryPlace): readonly RestoreOutcome[] => {
      const begun = tree.beginFile(place, 13);
      if (isBigFile(begun)) tree.writeAt(begun, CONTENT, 0);
      return [
        tree.writeFile(place, CONTENT, METADATA),
        isBigFile(begun) ? tree.finishFile(begun, METADATA) : begun,
        tree.makeFolder(place),
        tree.makeSymlink(place, Buffer.from("x"), METADATA),
        tree.makeSpecial(place, { kind: "fifo", major: 0, minor: 0 }, METADATA),
        tree.makeHardLink(place, at("", "known"), "file"),
      ];
    };

    test("traversal by name (CVE-2018-1002200 and its kin)", () => {
      fs.writeFileSync(path.join(target, "known"), "");
      const names = ["..", ".", "", "../outside/victim", "/tmp/holdfast-escaped", "a/b", "x\0y"];
      attack(POLICIES, (tree) => {
        for (const name of names) everyWay(tree, at("", name)).forEach(assertUnsafe);
      });
    });

    test("traversal by folder", () => {
      fs.writeFileSync(path.join(target, "known"), "");
      const folders = ["..", "../outside", "/", "/tmp", "a/../..", "a//b", "./a", "a/", "a\0b"];
      attack(POLICIES, (tree) => {
        for (const folder of folders) {
          everyWay(tree, at(folder, "holdfast-escaped")).forEach(assertUnsafe);
          assert.equal(tree.finishFolder(at(folder, "victim"), METADATA)[0]?.code, "ERR_TARGET_UNSAFE");
        }
      });
      assert.deepEqual(fs.readdirSync(target), ["known"]);
    });

    test("a link in the copy, then an entry through it (CVE-2021-32803, CVE-2021-37701)", () => {
      fs.writeFileSync(path.join(target, "known"), "");
      attack(["skip", "overwrite"], (tree) => {
        const made = tree.makeSymlink(at("", "way"), Buffer.from("../outside"), METADATA);
        assert(["created", "replaced", "skipped"].includes(made.result));
        for (const folder of ["way", "way/folder"]) {
          everyWay(tree, at(folder, "new")).forEach(assertUnsafe);
          everyWay(tree, at(folder, "victim")).forEach(assertUnsafe);
        }
        assert.equal(tree.finishFolder(at("", "way"), METADATA)[0]?.code, "ERR_TARGET_UNSAFE");
        assertUnsafe(tree.makeHardLink(at("", "stolen"), at("way", "victim"), "file"));
      });
      assert(fs.lstatSync(path.join(target, "way")).isSymbolicLink());
    });

    test("a link planted at the name of a file", () => {
      attack(POLICIES, (tree) => {
        fs.rmSync(path.join(target, "f"), { force: true });
        fs.symlinkSync("../outside/victim", path.join(target, "f"));
        tree.writeFile(at("", "f"), CONTENT, METADATA);
        const begun = tree.beginFile(at("", "f"), 13);
        if (isBigFile(begun)) tree.finishFile(begun, METADATA);
      });
    });

    test("a dangling link planted at the name of a file creates nothing elsewhere", () => {
      attack(POLICIES, (tree) => {
        fs.rmSync(path.join(target, "f"), { force: true });
        fs.symlinkSync("../outside/new", path.join(target, "f"));
        tree.writeFile(at("", "f"), CONTENT, METADATA);
      });
    });

    test("a link planted at the name of a folder is replaced, or nothing goes below it", () => {
      fs.symlinkSync("../outside", path.join(target, "d"));
      attack(["skip"], (tree) => {
        assert.equal(tree.makeFolder(at("", "d")).result, "skipped");
        assertUnsafe(tree.writeFile(at("d", "new"), CONTENT, METADATA));
      });
      attack(["overwrite"], (tree) => {
        assert.equal(tree.makeFolder(at("", "d")).result, "replaced");
        assert.equal(tree.writeFile(at("d", "new"), CONTENT, METADATA).result, "created");
      });
      assert(fs.lstatSync(path.join(target, "d")).isDirectory());
    });

    test("a link swapped in between two calls (time of check, time of use)", () => {
      attack(["overwrite"], (tree) => {
        assert.equal(tree.makeFolder(at("", "d")).result, "created");
        assert.equal(tree.writeFile(at("d", "one"), CONTENT, METADATA).result, "created");
        // The folder is held open: it is still the one that was made, wherever its name points to now.
        fs.renameSync(path.join(target, "d"), path.join(target, "moved"));
        fs.symlinkSync("../outside", path.join(target, "d"));
        assert.equal(tree.writeFile(at("d", "two"), CONTENT, METADATA).result, "created");
        assert.deepEqual(fs.readdirSync(path.join(target, "moved")).toSorted(), ["one", "two"]);
      });
      const fresh = openTarget(target, { existing: "overwrite", calls });
      assertUnsafe(fresh.writeFile(at("d", "three"), CONTENT, METADATA));
      assert.equal(fresh.finishFolder(at("", "d"), METADATA)[0]?.code, "ERR_TARGET_UNSAFE");
      fresh.close();
      assert.deepEqual(describeOutside(outside), before);
    });

    test("a big file whose folder is swapped for a link while it is written", () => {
      attack(["overwrite"], (tree) => {
        const file = tree.beginFile(at("d", "big"), 13);
        assert(isBigFile(file));
        tree.close();
        fs.renameSync(path.join(target, "d"), path.join(target, "moved"));
        fs.symlinkSync("../outside", path.join(target, "d"));
        const other = openTarget(target, { existing: "overwrite", calls });
        assertUnsafe(other.finishFile(file, METADATA));
        other.close();
        fs.rmSync(path.join(target, "d"));
        tree.close = () => {};
      });
    });

    test("the file just made is swapped for a link or a hard link before its metadata are set", () => {
      // The attacker acts inside the call that makes the entry, the earliest moment there is.
      const swap = (plant: (name: string) => void): FileCalls => ({
        ...calls,
        makeSymlink: (linkTarget, parent, name) => {
          const made = calls.makeSymlink(linkTarget, parent, name);
          calls.unlink(parent, name);
          plant(path.join(target, Buffer.from(name).toString()));
          return made;
        },
        openFile: (parent, name, flags, mode) => {
          const fd = calls.openFile(parent, name, flags, mode);
          calls.unlink(parent, name);
          plant(path.join(target, Buffer.from(name).toString()));
          return fd;
        },
      });
      const plants: readonly ((name: string) => void)[] = [
        (name) => {
          fs.symlinkSync("../outside/victim", name);
        },
        (name) => {
          fs.linkSync(path.join(outside, "victim"), name);
        },
      ];
      for (const [index, plant] of plants.entries()) {
        const tree = openTarget(target, { existing: "skip", calls: swap(plant) });
        tree.writeFile(at("", `f${String(index)}`), CONTENT, METADATA);
        const link = tree.makeSymlink(at("", `l${String(index)}`), Buffer.from("x"), METADATA);
        if (index === 1) assert.equal(link.warnings[0]?.code, "ERR_TARGET_UNSAFE");
        tree.close();
      }
      const { mode, mtimeMs } = fs.statSync(path.join(outside, "victim"));
      assert.equal(mode & 0o7777, 0o600);
      assert.notEqual(mtimeMs, 1_600_000_000_000);
      assert.equal(fs.readFileSync(path.join(outside, "victim"), "utf8"), "precious");
    });

    test("a hard link to something outside (CVE-2016-5418 and its kin)", () => {
      attack(POLICIES, (tree) => {
        for (const [folder, name] of [
          ["../outside", "victim"],
          ["", "../outside/victim"],
          ["/etc", "passwd"],
        ] as const) {
          assertUnsafe(tree.makeHardLink(at("", "stolen"), at(folder, name), "file"));
        }
        fs.rmSync(path.join(target, "first"), { force: true });
        fs.symlinkSync("../outside/victim", path.join(target, "first"));
        assertUnsafe(tree.makeHardLink(at("", "stolen"), at("", "first"), "file"));
      });
      assert.deepEqual(fs.readdirSync(target), ["first"]);
    });

    test("a FIFO planted at the name of a file does not make the restore wait", () => {
      attack(POLICIES, (tree) => {
        fs.rmSync(path.join(target, "f"), { force: true });
        execFileSync("mkfifo", [path.join(target, "f")]);
        const { result } = tree.writeFile(at("", "f"), CONTENT, METADATA);
        assert(["skipped", "replaced", "kept-both"].includes(result));
        tree.makeHardLink(at("", "g"), at("", "f"), "file");
      });
    });

    test("a device planted at the name of a file is not written to", (context) => {
      if (process.geteuid?.() !== 0) {
        context.skip("needs root");
        return;
      }
      attack(POLICIES, (tree) => {
        fs.rmSync(path.join(target, "f"), { force: true });
        execFileSync("mknod", [path.join(target, "f"), "c", "1", "7"]);
        // /dev/full answers every write with "no space left", which would end the restore.
        const { result } = tree.writeFile(at("", "f"), CONTENT, METADATA);
        assert(["skipped", "replaced", "kept-both"].includes(result));
      });
    });

    test("temporary names cannot be taken beforehand, and a taken one is passed over", () => {
      const constant = <T extends Uint8Array>(bytes: T): T => bytes;
      fs.symlinkSync("../outside/new", path.join(target, ".holdfast-restore-0000000000000000-1"));
      fs.writeFileSync(path.join(target, "f"), "present");
      const tree = openTarget(target, { existing: "overwrite", calls, randomness: constant });
      assert.equal(tree.writeFile(at("", "f"), CONTENT, METADATA).result, "replaced");
      tree.close();
      assert.deepEqual(describeOutside(outside), before);
      assert(!fs.existsSync(path.join(outside, "new")));
    });
  });
}

if (typeof binding !== "string") testAdvisories("native", createNativeCalls(binding));
if (hasProcessDirectories()) testAdvisories("portable", createPortableCalls(true));
