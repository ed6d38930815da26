/** A copy made by somebody who has every key: its restore writes nothing outside of the target, and ends with named errors. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { RECORD_TYPES } from "@holdfast/repository";
import { shareCompiledCode } from "../compile-cache.ts";
import {
  device,
  directory,
  inlineFile,
  KIND,
  listedFile,
  rawEntry,
  rawList,
  rawNode,
  rawPage,
  type RawSection,
  sparseFile,
  symlink,
} from "./raw-copy.ts";
import { restoredPaths, restoreHostile, Scene, verifyHostile } from "./restore-hostile.ts";

shareCompiledCode();

const NUL = Buffer.from("a\0b");

/** Pages that break the format: all of such a page is refused. */
const FORBIDDEN_PAGES: Record<string, readonly RawSection[]> = {
  "an entry named ..": [["", [inlineFile("..", "x")]]],
  "an entry named .": [["", [inlineFile(".", "x")]]],
  "an entry without a name": [["", [inlineFile("", "x")]]],
  "an entry whose name has a slash": [["", [inlineFile("a/b", "x")]]],
  "an entry whose name climbs": [["", [inlineFile("../../outside/secret", "x")]]],
  "an entry with an absolute name": [["", [inlineFile("/holdfast-hostile", "x")]]],
  "an entry whose name has a zero byte": [["", [inlineFile(NUL, "x")]]],
  "an entry with an endless name": [["", [inlineFile("n".repeat(1025), "x")]]],
  "a folder named ..": [
    ["", [directory("..")]],
    ["..", [inlineFile("x", "x")]],
  ],
  "a section that climbs": [["../../outside", [inlineFile("secret", "x")]]],
  "a section that climbs on the way": [["a/../../outside", [inlineFile("secret", "x")]]],
  "a section with an absolute path": [["/tmp", [inlineFile("holdfast-hostile", "x")]]],
  "a section whose path has a zero byte": [["a\0b", [inlineFile("x", "x")]]],
  "a section whose path ends in a slash": [["a/", [inlineFile("x", "x")]]],
  "a section with a double slash": [["a//b", [inlineFile("x", "x")]]],
  "an entry twice": [["", [inlineFile("x", "1"), inlineFile("x", "2")]]],
  "a section twice": [
    ["a", [inlineFile("x", "1")]],
    ["a", [inlineFile("y", "2")]],
  ],
  "a symlink with a zero byte in its target": [["", [symlink("x", "a\0b")]]],
  "a symlink without a target": [["", [symlink("x", "")]]],
  "a size that its content does not have": [
    ["", [rawEntry({ kind: KIND.file, name: "x", rest: Buffer.from([0x90, 0x4e, 1, 1, 0x61]) })]],
  ],
  "an unknown kind of entry": [["", [rawEntry({ kind: 8, name: "x" })]]],
};

suite("pages that break the format", () => {
  for (const [what, sections] of Object.entries(FORBIDDEN_PAGES)) {
    test(what, async (context) => {
      const scene = await Scene.open(context);
      const { summary, notices } = await restoreHostile(scene, () => ({ records: [rawPage(...sections)] }));
      assert.equal(summary?.files, 0);
      assert.deepEqual(
        notices.map(({ code }) => code),
        ["ERR_DAMAGED"],
      );
      assert.deepEqual(restoredPaths(scene), []);
      assert.equal(fs.existsSync("/holdfast-hostile"), false);
    });
  }
});

/** Pages that a reader of the format accepts, each sentence of which is allowed; together they are a trap. */
const TRAPS: Record<string, (scene: Scene) => readonly RawSection[]> = {
  "a symlink to a folder outside, and a section below its name": ({ outside }) => [
    ["", [symlink("a", outside)]],
    ["a", [inlineFile("secret", "x"), inlineFile("new", "x")]],
    ["a/folder", [inlineFile("below", "x")]],
  ],
  "a relative symlink outside, and a section below its name": () => [
    ["", [symlink("a", "../../outside")]],
    ["a", [inlineFile("secret", "x")]],
  ],
  "a symlink chain, and a section below its end": ({ outside }) => [
    ["", [symlink("a", "b"), symlink("b", outside)]],
    ["a", [inlineFile("secret", "x")]],
    ["b", [inlineFile("secret", "x")]],
  ],
  "a symlink to the target's parent, and a folder below it": () => [
    ["", [symlink("a", "..")]],
    ["a", [directory("sibling")]],
    ["a/sibling", [inlineFile("x", "x")]],
  ],
  "a file, and a section below its name": () => [
    ["", [inlineFile("a", "x")]],
    ["a", [inlineFile("b", "x")]],
  ],
  "a pipe, and a section below its name": () => [
    ["", [rawEntry({ kind: KIND.fifo, name: "a" })]],
    ["a", [inlineFile("b", "x")]],
  ],
  "a section whose folder has no entry": () => [["a/b/c", [inlineFile("x", "x")]]],
  "a symlink outside and a file that are the same inode": ({ outside }) => [
    [
      "",
      [symlink("a", join(outside, "secret"), { link: [1n, 1n] }), inlineFile("b", "x", { link: [1n, 1n] })],
    ],
  ],
  "a file and a symlink outside that are the same inode": ({ outside }) => [
    [
      "",
      [inlineFile("a", "x", { link: [1n, 1n] }), symlink("b", join(outside, "secret"), { link: [1n, 1n] })],
    ],
  ],
  "folders that are the same inode as a file": () => [
    [
      "",
      [
        inlineFile("a", "x", { link: [2n, 2n] }),
        rawEntry({ kind: KIND.directory, name: "b", mode: 0o755, link: [2n, 2n] }),
      ],
    ],
    ["b", [inlineFile("c", "x", { link: [2n, 2n] })]],
  ],
  "devices with impossible numbers": () => [
    ["", [device("a", KIND.char, 0xffff_ffff, 0xffff_ffff), device("b", KIND.block, 1, 0xffff_ffff)]],
  ],
  "attributes that no file may have": () => [
    [
      "",
      [
        inlineFile("a", "x", {
          xattrs: [
            [Buffer.from("..."), Buffer.from("x")],
            [Buffer.from("security.capability"), Buffer.from("not a capability")],
            [Buffer.from("system.posix_acl_access"), Buffer.from("not a list")],
            [Buffer.from("trusted.overlay.opaque"), Buffer.from("y")],
            [Buffer.from(`user.${"n".repeat(1000)}`), Buffer.alloc(100_000)],
          ],
        }),
      ],
    ],
  ],
  "names that are control characters": () => [
    ["", [inlineFile("\x1b]0;owned\x07", "x"), directory("\x1b[2J\r\n")]],
    ["\x1b[2J\r\n", [inlineFile("x".repeat(300), "too long for a file system")]],
  ],
  "names that the file system may take for others": () => [
    ["", [inlineFile("COM1", "x"), inlineFile("a:b", "x"), inlineFile("a\\b", "x"), inlineFile("x ", "x")]],
  ],
};

suite("pages that are a trap", () => {
  for (const [what, make] of Object.entries(TRAPS)) {
    test(what, async (context) => {
      const scene = await Scene.open(context);
      const outcome = await restoreHostile(scene, () => ({ records: [rawPage(...make(scene))] }));
      assert(outcome.summary !== undefined || outcome.error !== undefined);
      for (const path of restoredPaths(scene)) assert(!path.split("/").includes(".."));
    });
  }

  test("symlinks that wait in the target are not followed", async (context) => {
    for (const existing of ["skip", "overwrite", "keep-both"] as const) {
      const scene = await Scene.open(context);
      fs.mkdirSync(scene.target);
      fs.symlinkSync(scene.outside, join(scene.target, "a"));
      fs.symlinkSync(join(scene.outside, "secret"), join(scene.target, "b"));
      fs.symlinkSync(join(scene.outside, "not there yet"), join(scene.target, "c"));
      const page = rawPage(
        ["", [directory("a"), inlineFile("b", "x"), inlineFile("c", "x")]],
        ["a", [inlineFile("secret", "x"), directory("folder")]],
        ["a/folder", [inlineFile("below", "x")]],
      );
      await restoreHostile(scene, () => ({ records: [page] }), { existing });
    }
  });
});

suite("absurd sizes", () => {
  const EXABYTE = 2 ** 53 - 8;

  test("a file that is one endless hole is refused by its name", async (context) => {
    const scene = await Scene.open(context);
    const page = rawPage(["", [sparseFile("hole", [[1, EXABYTE / 8]]), inlineFile("little", "x")]]);
    const { summary, notices } = await restoreHostile(scene, () => ({ records: [page] }));
    assert.deepEqual(restoredPaths(scene), ["little"]);
    assert.equal(summary?.files, 1);
    assert.deepEqual(
      notices.map(({ path }) => path.toString()),
      ["hole"],
    );
  });

  test("zeros that no disk holds do not fill it", async (context) => {
    const scene = await Scene.open(context);
    const before = fs.statfsSync(scene.folder).bavail;
    const page = rawPage(["", [inlineFile("small", "x"), sparseFile("zeros", [[2, 2 ** 50]])]]);
    const { summary, error, notices } = await restoreHostile(scene, () => ({ records: [page] }));
    assert(error?.code === "ERR_TARGET" || notices.some(({ path }) => path.toString() === "zeros"));
    assert(!restoredPaths(scene).includes("zeros"));
    assert(error !== undefined || summary !== undefined);
    const lost = (before - fs.statfsSync(scene.folder).bavail) * fs.statfsSync(scene.folder).bsize;
    assert(lost < 8 * 1024 ** 3, "the zeros stay on the disk");
  });

  test("a manifest with absurd sums restores what there is", async (context) => {
    const scene = await Scene.open(context);
    const { summary } = await restoreHostile(scene, (idOf) => {
      const page = rawPage(["", [inlineFile("x", "x")]]);
      const id = idOf(page.type, page.plaintext);
      const root = { type: page.type, id, entries: 2 ** 53 - 1, bytes: 2 ** 53 - 1 };
      return { records: [page], root };
    });
    assert.equal(summary?.files, 1);
    assert.deepEqual(restoredPaths(scene), ["x"]);
    assert.match((await verifyHostile(scene)).join(), /sums/);
  });

  test("a root that is no tree is refused", async (context) => {
    const scene = await Scene.open(context);
    for (const type of [RECORD_TYPES.chunk, RECORD_TYPES.list, 0, 99]) {
      const { summary, error, notices } = await restoreHostile(scene, (idOf) => {
        const page = rawPage(["", [inlineFile("x", "x")]]);
        const root = { type, id: idOf(page.type, page.plaintext), entries: 1, bytes: 1 };
        return { records: [page], root };
      });
      assert(error !== undefined || notices.length > 0);
      assert.notEqual(summary?.files, 1);
    }
    assert.deepEqual(restoredPaths(scene), []);
  });

  test("a folder that is deeper than a path may be long", async (context) => {
    const scene = await Scene.open(context);
    const deep = Array.from({ length: 6000 }, () => "d").join("/");
    const { summary, error } = await restoreHostile(scene, () => ({
      records: [rawPage([deep, [inlineFile("x", "x")]])],
    }));
    assert(summary !== undefined || error !== undefined);
  });
});

suite("bombs", () => {
  test("a node that refers to itself is refused", async (context) => {
    const scene = await Scene.open(context);
    const id = Buffer.alloc(32, 1);
    const node = rawNode(2, [{ name: "a", entries: 1, bytes: 1, id }]);
    const { summary, notices } = await restoreHostile(scene, () => ({
      records: [{ ...node, id }],
    }));
    assert.equal(summary?.files, 0);
    assert.equal(notices[0]?.code, "ERR_DAMAGED");
  });

  test("a tree of more levels than there can be is refused", async (context) => {
    const scene = await Scene.open(context);
    const { summary, notices } = await restoreHostile(scene, (idOf) => {
      const page = rawPage(["", [inlineFile("a", "x")]]);
      const records = [page];
      for (let level = 1; level <= 255; level += 1) {
        const below = records.at(-1) ?? page;
        const id = idOf(below.type, below.plaintext);
        records.push(rawNode(level, [{ name: "a", entries: 1, bytes: 1, id }]));
      }
      return { records };
    });
    assert.equal(summary?.files, 0);
    assert.deepEqual(
      notices.map(({ code }) => code),
      ["ERR_DAMAGED"],
    );
  });

  test("a tree of all the levels there can be is restored", async (context) => {
    const scene = await Scene.open(context);
    const { summary } = await restoreHostile(scene, (idOf) => {
      const page = rawPage(["", [inlineFile("a", "x")]]);
      const records = [page];
      for (let level = 1; level <= 32; level += 1) {
        const below = records.at(-1) ?? page;
        const id = idOf(below.type, below.plaintext);
        records.push(rawNode(level, [{ name: "a", entries: 1, bytes: 1, id }]));
      }
      return { records };
    });
    assert.equal(summary?.files, 1);
  });

  test("a node that names one page a thousand times gives it once", async (context) => {
    const scene = await Scene.open(context);
    const { summary, notices } = await restoreHostile(scene, (idOf) => {
      const page = rawPage(["", [inlineFile("0000", "x")]]);
      const id = idOf(page.type, page.plaintext);
      const children = Array.from({ length: 1000 }, (_, index) => ({
        name: String(index).padStart(4, "0"),
        entries: 1,
        bytes: 1,
        id,
      }));
      return { records: [page, rawNode(1, children)] };
    });
    assert.equal(summary?.files, 1);
    assert.equal(notices.length, 999);
  });

  test("a file of more holes than can be counted is cancelled at once", async (context) => {
    const scene = await Scene.open(context);
    const COUNT = 25_000;
    const aborted = AbortSignal.timeout(3000);
    const { error } = await restoreHostile(
      scene,
      (idOf) => {
        const leaf = rawList(0, COUNT, 1);
        const middle = rawList(1, COUNT, COUNT, idOf(leaf.type, leaf.plaintext));
        const top = rawList(2, COUNT, COUNT ** 2, idOf(middle.type, middle.plaintext));
        const id = idOf(top.type, top.plaintext);
        const page = rawPage(["", [listedFile("holes", COUNT ** 3, 2, id)]]);
        return { records: [leaf, middle, top, page] };
      },
      { signal: aborted },
    );
    assert.equal(error?.code, "ERR_CANCELLED");
    assert.deepEqual(restoredPaths(scene), []);
  });

  test("lists that do not end, or end early, are refused by the file's name", async (context) => {
    const scene = await Scene.open(context);
    const { summary, notices } = await restoreHostile(scene, (idOf) => {
      const leaf = rawList(0, 10, 5);
      const id = idOf(leaf.type, leaf.plaintext);
      const own = Buffer.alloc(32, 2);
      const circle = { ...rawList(1, 1, 50, own), id: own };
      const page = rawPage([
        "",
        [
          listedFile("circle", 50, 1, own),
          listedFile("deeper than said", 50, 1, id),
          listedFile("longer", 51, 0, id),
          listedFile("missing", 50, 0, Buffer.alloc(32, 3)),
          listedFile("right", 50, 0, id),
          listedFile("shorter", 49, 0, id),
        ],
      ]);
      return { records: [leaf, circle, page] };
    });
    assert.equal(summary?.files, 1);
    assert.deepEqual(restoredPaths(scene), ["right"]);
    assert.deepEqual(notices.map(({ path }) => path.toString()).toSorted(), [
      "circle",
      "deeper than said",
      "longer",
      "missing",
      "shorter",
    ]);
  });
});
