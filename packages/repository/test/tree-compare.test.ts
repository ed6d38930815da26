import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { compareEntries } from "../src/tree/compare-entries.ts";
import { compareTrees, type Difference } from "../src/tree/compare-trees.ts";
import type { Entry } from "../src/tree/entry.ts";
import type { Section } from "../src/tree/page.ts";
import {
  anyEntry,
  anyModel,
  assembleTree,
  chunkedFile,
  comparePaths,
  MemoryRecords,
  type Model,
  sampleDirectory,
  sampleFile,
  sectionsOfModel,
  writeTree,
} from "./tree-samples.ts";

const anyShape = fc.record({
  perPage: fc.integer({ min: 1, max: 4 }),
  perNode: fc.integer({ min: 2, max: 4 }),
});

/** A model and the same after some edits. */
const anyEdit: fc.Arbitrary<readonly [Model, Model]> = fc
  .tuple(anyModel, anyModel, fc.array(fc.nat(), { maxLength: 6 }), fc.boolean())
  .map(([model, other, places, isOther]) => {
    if (isOther) return [model, other];
    const after = new Map(model);
    for (const place of places) {
      const path = [...after.keys()][place % Math.max(1, after.size)];
      const entry = path === undefined ? undefined : after.get(path);
      if (path === undefined || entry === undefined) continue;
      if (place % 3 === 0) after.set(path, { ...entry, uid: 7 });
      else if (place % 3 === 1) after.set(path, sampleFile(entry.name, "changed"));
      else
        for (const each of after.keys()) if (each === path || each.startsWith(`${path}/`)) after.delete(each);
    }
    return [model, after];
  });

/** Differences as the plainest comparison finds them. */
function naive(before: Model, after: Model): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].toSorted(comparePaths).flatMap((path) => {
    const [old, now] = [before.get(path), after.get(path)];
    if (old === undefined) return [`added ${path}`];
    if (now === undefined) return [`removed ${path}`];
    const change = compareEntries(old, now);
    return change === "same" ? [] : [`${change} ${path}`];
  });
}

function shown(difference: Difference): string {
  return `${difference.change} ${difference.path.toString("latin1")}`;
}

suite("comparison of trees", () => {
  test("finds what a plain comparison finds, for trees of any two shapes", async () => {
    await fc.assert(
      fc.asyncProperty(anyEdit, anyShape, anyShape, async ([before, after], left, right) => {
        const records = new MemoryRecords();
        const a = assembleTree(records, sectionsOfModel(before), left.perPage, left.perNode);
        const b = assembleTree(records, sectionsOfModel(after), right.perPage, right.perNode);
        const differences = await Array.fromAsync(compareTrees(records.read, a, b));
        assert.deepEqual(differences.map(shown), naive(before, after));
        for (const difference of differences) {
          const path = difference.path.toString("latin1");
          if ("before" in difference) assert.deepEqual(difference.before, before.get(path));
          if ("after" in difference) assert.deepEqual(difference.after, after.get(path));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("a tree against itself costs nothing", async () => {
    const records = new MemoryRecords();
    const root = writeTree(records, largeSections(20_000));
    records.reads = 0;
    assert.deepEqual(await Array.fromAsync(compareTrees(records.read, root, root)), []);
    assert.equal(records.reads, 0);
  });

  test("the cost is that of the differences", async () => {
    const records = new MemoryRecords();
    const sections = largeSections(50_000);
    const before = writeTree(records, sections);
    const total = records.records.size;
    const [root, ...rest] = sections;
    assert(root !== undefined);
    const edited = rest.with(30, withEntry(rest[30], 500, chunkedFile("000500", "edited")));
    const inserted = edited.with(10, withEntry(edited[10], 0, sampleFile("!first")));
    const after = writeTree(records, [root, ...inserted]);
    records.reads = 0;
    const differences = await Array.fromAsync(compareTrees(records.read, before, after));
    assert.deepEqual(
      differences.map(shown),
      ["removed 000010/000000", "added 000010/!first", "modified 000030/000500"].toSorted((a, b) =>
        comparePaths(a.slice(a.indexOf(" ") + 1), b.slice(b.indexOf(" ") + 1)),
      ),
    );
    assert(records.reads <= 24 && records.reads < total / 2, `${String(records.reads)} of ${String(total)}`);
  });
});

function largeSections(count: number): Section[] {
  const names = Array.from({ length: count / 1000 }, (_, index) => String(index).padStart(6, "0"));
  return [
    { directory: Buffer.alloc(0), entries: names.map((name) => sampleDirectory(name)) },
    ...names.map((name) => ({
      directory: Buffer.from(name),
      entries: Array.from({ length: 1000 }, (_, index) => {
        const file = String(index).padStart(6, "0");
        return chunkedFile(file, `${name}/${file}`);
      }),
    })),
  ];
}

function withEntry(section: Section | undefined, index: number, entry: Entry): Section {
  assert(section !== undefined);
  return { directory: section.directory, entries: section.entries.with(index, entry) };
}

suite("comparison of entries", () => {
  test("an entry is the same as its like", () => {
    fc.assert(
      fc.property(anyEntry, (entry) => assert.equal(compareEntries(entry, structuredCloneOf(entry)), "same")),
    );
  });

  const file = chunkedFile("a", "seed");
  const cases: readonly (readonly [string, Entry, Entry])[] = [
    ["modified", file, chunkedFile("a", "other")],
    ["modified", file, chunkedFile("a", "seed", 5)],
    ["modified", file, sampleDirectory("a")],
    ["modified", sampleFile("a", "x"), sampleFile("a", "y")],
    ["metadata", file, { ...file, mode: 0o600 }],
    ["metadata", file, { ...file, group: "staff" }],
    ["metadata", file, { ...file, mtimeNanoseconds: 6 }],
    ["metadata", file, { ...file, changedWhileRead: true }],
    ["metadata", file, { ...file, xattrs: [{ name: Buffer.from("user.a"), value: Buffer.from("b") }] }],
    ["metadata", file, { ...file, link: { device: 1n, inode: 2n } }],
    ["same", { ...file, link: { device: 3n, inode: 2n } }, { ...file, link: { device: 1n, inode: 2n } }],
  ];
  for (const [index, [expected, before, after]] of cases.entries()) {
    test(`case ${String(index)}: ${expected}`, () => {
      assert.equal(compareEntries(before, after), expected);
    });
  }
});

/** The same entry in other buffers: only values may count. */
function structuredCloneOf(entry: Entry): Entry {
  return { ...entry, name: Buffer.from(entry.name), xattrs: entry.xattrs.map((xattr) => ({ ...xattr })) };
}
