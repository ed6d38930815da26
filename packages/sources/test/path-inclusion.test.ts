import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createInclusion, createPathInclusion, unionOf } from "../src/index.ts";

suite("an inclusion of whole paths", () => {
  const bytes = Buffer.from([0x61, 0x2f, 0xff]);
  const some = createPathInclusion([Buffer.from("home/[a]*"), Buffer.from("srv/x/y"), bytes]);

  test("takes the paths and what is below them, and leads there", () => {
    assert.equal(some.match(Buffer.from("home/[a]*"), "file"), "inside");
    assert.equal(some.match(Buffer.from("/home/[a]*/deep/er"), "file"), "inside");
    assert.equal(some.match(Buffer.from("home"), "directory"), "leads-to");
    assert.equal(some.match(Buffer.from(""), "directory"), "leads-to");
    assert.equal(some.match(Buffer.from("srv/x"), "directory"), "leads-to");
    assert.equal(some.match(bytes, "file"), "inside");
  });

  test("takes nothing else: no pattern, no name that only begins alike", () => {
    for (const path of ["home/a", "home/[a]*2", "srv/x/yz", "srv/x/z", "hom", "a/\ufffd"])
      assert.equal(some.match(Buffer.from(path), "file"), "outside", path);
    assert.equal(some.match(Buffer.from("home"), "file"), "outside");
  });

  test("of nothing is nothing, of the root everything", () => {
    assert.equal(createPathInclusion([]).match(Buffer.from("a"), "file"), "outside");
    const all = createPathInclusion([Buffer.alloc(0)]);
    assert(all.everything);
    assert.equal(all.match(Buffer.from("a/b"), "file"), "inside");
  });

  test("together with patterns takes what either takes", () => {
    const both = unionOf([createInclusion(["*.txt"]), createPathInclusion([Buffer.from("a/b")])]);
    assert.equal(both.match(Buffer.from("x/y.txt"), "file"), "inside");
    assert.equal(both.match(Buffer.from("a/b/c"), "file"), "inside");
    assert.equal(both.match(Buffer.from("a/c"), "file"), "outside");
  });
});
