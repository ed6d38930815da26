/**
 * Names: which ones a restore accepts, and which ones it makes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { displayBytes, displayPath, nameProblem, splitFolder } from "../src/restore-tree/entry-name.ts";
import { restoredName } from "../src/restore-tree/restored-name.ts";

for (const name of ["", ".", "..", "/", "a/b", "../x", "/etc", "a\0", "\0"]) {
  test(`refuses the name ${JSON.stringify(name)}`, () => {
    assert.notEqual(nameProblem(Buffer.from(name)), undefined);
  });
}

for (const name of ["...", "..a", ".a", "a.", " ", "\\", "a\n", "-rf", "\u{fffd}"]) {
  test(`accepts the name ${JSON.stringify(name)}`, () => {
    assert.equal(nameProblem(Buffer.from(name)), undefined);
  });
}

for (const folder of ["/", "/a", "a/", "a//b", "a/../b", "..", "a/.", "a/\0", "x/".repeat(40_000)]) {
  test(`refuses the folder ${JSON.stringify(folder.slice(0, 10))}`, () => {
    assert.notEqual(splitFolder(Buffer.from(folder)).problem, undefined);
  });
}

test("splits a folder into its names", () => {
  assert.deepEqual(splitFolder(Buffer.from("a/b c/d")).names.map(String), ["a", "b c", "d"]);
  assert.deepEqual(splitFolder(Buffer.alloc(0)), { names: [], problem: undefined });
});

test("a path in a message cannot steer a terminal", () => {
  assert.equal(displayPath(Buffer.from("a/b")), "/a/b");
  assert.equal(displayBytes(Buffer.from("a\u{1b}[2J\n\u{9b}b")), "a\u{fffd}[2J\u{fffd}\u{fffd}b");
});

test("names for keep-both stay within 255 bytes and cut no character", () => {
  assert.equal(restoredName(Buffer.from("a.tar.gz"), 2).toString(), "a.tar (restored 2).gz");
  assert.equal(restoredName(Buffer.from(".profile"), 1).toString(), ".profile (restored 1)");
  assert.equal(restoredName(Buffer.from("a."), 1).toString(), "a. (restored 1)");
  const euro = restoredName(Buffer.from(`${"€".repeat(84)}.md`), 1);
  assert.match(euro.toString(), /^€+ \(restored 1\)\.md$/u);
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 255 }),
      fc.integer({ min: 1, max: 10_000 }),
      (name, n) => {
        const restored = restoredName(Buffer.from(name), n);
        assert(restored.length <= 255 && restored.includes(` (restored ${String(n)})`));
      },
    ),
  );
});
