import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { RECORD_TYPES } from "../src/packs/record-header.ts";
import { type Entry, entryRefs } from "../src/tree/entry.ts";
import { EntryBatchBuilder } from "../src/tree/entry-batch.ts";
import { decodeNode } from "../src/tree/node.ts";
import { decodePage, encodePage, type Section } from "../src/tree/page.ts";
import { lookup, walkSections } from "../src/tree/tree-reader.ts";
import { TreeWriter } from "../src/tree/tree-writer.ts";
import {
  anyModel,
  chunkedFile,
  idOf,
  MemoryRecords,
  reader,
  sampleDirectory,
  sampleFile,
  sectionsOfModel,
  SLOW,
  writeTree,
} from "./tree-samples.ts";

const ROOT = Buffer.alloc(0);

/** `count` files in directories of `perDirectory`, each with a chunk of its own. */
function largeTree(count: number, perDirectory: number): Section[] {
  const directories = Math.ceil(count / perDirectory);
  const names = Array.from({ length: directories }, (_, index) => `dir-${String(index).padStart(6, "0")}`);
  const sections: Section[] = [{ directory: ROOT, entries: names.map((name) => sampleDirectory(name)) }];
  for (const [index, directory] of names.entries()) {
    const here = Math.min(perDirectory, count - index * perDirectory);
    const entries = Array.from({ length: here }, (_, place) =>
      chunkedFile(`file-${String(place).padStart(6, "0")}.dat`, `${directory}/${String(place)}`),
    );
    sections.push({ directory: Buffer.from(directory), entries });
  }
  return sections;
}

async function readTree(records: MemoryRecords, root: { type: number; id: Buffer }): Promise<Section[]> {
  const sections: Section[] = [];
  for await (const section of walkSections(records.read, root)) {
    const last = sections.at(-1);
    if (last?.directory.equals(section.directory) === true) {
      sections.splice(-1, 1, { directory: last.directory, entries: [...last.entries, ...section.entries] });
    } else sections.push(section);
  }
  return sections;
}

/** The records of `after` that `before` did not have. */
function added(sections: Iterable<Section>, base: MemoryRecords): number {
  const before = base.records.size;
  const records = new MemoryRecords();
  for (const [id, record] of base.records) records.records.set(id, record);
  writeTree(records, sections);
  return records.records.size - before;
}

suite("tree writer", () => {
  test("a copy without entries is one page without sections", () => {
    const records = new MemoryRecords();
    const root = writeTree(records, []);
    assert.deepEqual(root, {
      type: RECORD_TYPES.page,
      id: idOf(RECORD_TYPES.page, Buffer.from([0])),
      entries: 0,
      bytes: 0,
    });
    assert.deepEqual(
      [...records.records.values()],
      [{ type: RECORD_TYPES.page, plaintext: Buffer.from([0]), refs: Buffer.alloc(0) }],
    );
  });

  test("a small copy is one page, the root", () => {
    const records = new MemoryRecords();
    const sections = [
      { directory: ROOT, entries: [sampleDirectory("a"), sampleFile("b")] },
      { directory: Buffer.from("a"), entries: [chunkedFile("c", "seed", 7), chunkedFile("d", "seed", 7)] },
    ];
    const root = writeTree(records, sections);
    assert.deepEqual(root, {
      type: RECORD_TYPES.page,
      id: idOf(RECORD_TYPES.page, encodePage(sections)),
      entries: 4,
      bytes: 19,
    });
    const [page] = records.records.values();
    const file = chunkedFile("c", "seed");
    assert.deepEqual(page?.refs, Buffer.concat(entryRefs(file)), "the chunk of both files, once");
  });

  test("what was written comes back, for any tree", async () => {
    await fc.assert(
      fc.asyncProperty(anyModel, fc.integer({ min: 1, max: 5 }), async (model, batchSize) => {
        const records = new MemoryRecords();
        const sections = sectionsOfModel(model);
        const root = writeTree(records, sections, batchSize);
        assert.equal(root.entries, model.size);
        assert.deepEqual(await readTree(records, root), sections);
      }),
    );
  });

  test("batches of any size give the same records", () => {
    const sections = largeTree(12_000, 3000);
    const expected = new MemoryRecords();
    const root = writeTree(expected, sections, 12_000);
    assert(expected.records.size > 5);
    for (const batchSize of [1, 7, 999]) {
      const records = new MemoryRecords();
      assert.deepEqual(writeTree(records, sections, batchSize), root);
      assert.deepEqual([...records.records], [...expected.records]);
    }
  });

  test("one batch may hold several directories", () => {
    const sections = largeTree(5000, 10);
    const expected = new MemoryRecords();
    const root = writeTree(expected, sections);
    const batch = new EntryBatchBuilder();
    for (const entry of sections.flatMap(({ entries }) => entries)) batch.add(entry);
    const encoded = batch.finish();
    const records = new MemoryRecords();
    const writer = new TreeWriter(records, idOf);
    let from = 0;
    for (const { directory, entries } of sections) {
      writer.append(directory, encoded, from, from + entries.length);
      from += entries.length;
    }
    assert.deepEqual(writer.finish(), root);
    assert.deepEqual([...records.records], [...expected.records]);
  });

  test("pages end where their keys say so", () => {
    const records = new MemoryRecords();
    const root = writeTree(records, largeTree(60_000, 20_000));
    assert.equal(root.type, RECORD_TYPES.node);
    const pages = [...records.records.values()].filter(({ type }) => type === RECORD_TYPES.page);
    let cutByKey = 0;
    for (const { plaintext } of pages.slice(0, -1)) {
      assert(plaintext.length >= 64 * 1024 - 16, "a page ends too early");
      const section = decodePage(reader(plaintext)).sections.at(-1);
      const entry = section?.entries.at(-1);
      assert(section !== undefined && entry !== undefined);
      const key = Buffer.concat([section.directory, Buffer.from("/"), entry.name]);
      const isCutByKey = crc32(key) % 512 === 0;
      if (isCutByKey) cutByKey += 1;
      else assert(plaintext.length >= 512 * 1024 - 16, "a page ends for no reason");
    }
    assert(cutByKey > 10, `${String(cutByKey)} pages end at a key`);
  });

  test("a page goes on only while its keys allow it, and names its chunks and no others", () => {
    const records = new MemoryRecords();
    writeTree(records, largeTree(30_000, 30_000));
    for (const { type, plaintext, refs } of records.records.values()) {
      if (type !== RECORD_TYPES.page) continue;
      const { sections } = decodePage(reader(plaintext));
      const keys = sections.flatMap(({ directory, entries }) =>
        entries.map(({ name }) => ({ directory, name })),
      );
      const bytesAnEntry = plaintext.length / keys.length; // all names have one length, but for those of the root
      for (const [index, { directory, name }] of keys.slice(0, -1).entries()) {
        const isLarge = index * bytesAnEntry > 66_000;
        assert(!isLarge || crc32(Buffer.concat([directory, Buffer.from("/"), name])) % 512 !== 0);
      }
      const ids = sections.flatMap(({ entries }) => entries.flatMap((entry) => entryRefs(entry)));
      assert.deepEqual(refs, Buffer.concat(ids));
    }
  });

  test("nodes know keys, counts and sizes of what is below", () => {
    const records = new MemoryRecords();
    const root = writeTree(records, largeTree(40_000, 500));
    const record = records.records.get(root.id.toString("hex"));
    assert(record !== undefined);
    const node = decodeNode(reader(record.plaintext));
    assert.equal(node.level, 1);
    assert.equal(root.entries, 40_080);
    assert.equal(root.bytes, 40_000 * 100_000);
    assert.equal(
      node.children.reduce((sum, child) => sum + child.entries, 0),
      root.entries,
    );
    assert.equal(
      node.children.reduce((sum, child) => sum + child.fileBytes, 0),
      root.bytes,
    );
    assert.deepEqual(record.refs, Buffer.concat(node.children.map(({ id }) => id)));
  });

  test("sums of sizes stop at 2^53 - 1", async () => {
    const records = new MemoryRecords();
    const huge = (name: string): Entry => ({
      ...chunkedFile(name, name),
      kind: "file",
      size: Number.MAX_SAFE_INTEGER,
      content: { form: "list", depth: 3, id: idOf(3, Buffer.from(name)) },
    });
    const root = writeTree(records, [{ directory: ROOT, entries: [huge("a"), huge("b")] }]);
    assert.equal(root.bytes, Number.MAX_SAFE_INTEGER);
    assert.equal((await readTree(records, root)).length, 1);
  });

  test("paths of 300 KB still give a tree that narrows", async () => {
    const records = new MemoryRecords();
    const long = "p".repeat(1000);
    const sections = Array.from({ length: 12 }, (_, index) => ({
      directory: Buffer.from(
        [String(index).padStart(4, "0"), ...Array.from({ length: 300 }, () => long)].join("/"),
      ),
      entries: [sampleFile("f", "x".repeat(2000))],
    }));
    const root = writeTree(records, sections);
    assert.deepEqual(await readTree(records, root), sections);
    const levels = [...records.records.values()]
      .filter(({ type }) => type === RECORD_TYPES.node)
      .map(({ plaintext }) => decodeNode(reader(plaintext)));
    assert(levels.length > 0);
    // Only the last node of a level, with what was left over, may have a single child.
    const single = levels.filter(({ children }) => children.length < 2).map(({ level }) => level);
    assert.equal(new Set(single).size, single.length);
  });

  test("keys that do not ascend are refused", () => {
    const batchOf = (...names: readonly string[]) => {
      const builder = new EntryBatchBuilder();
      for (const name of names) builder.add(sampleFile(name));
      return builder.finish();
    };
    const calls: readonly (readonly [string, ...string[]])[][] = [
      [["", "b", "a"]],
      [["", "a", "a"]],
      [
        ["", "a"],
        ["", "a"],
      ],
      [
        ["b", "a"],
        ["a", "b"],
      ],
      [
        ["a b", "x"],
        ["a/b", "x"],
      ],
      [
        ["a", "x"],
        ["", "y"],
      ],
      [["/a", "x"]],
      [["a/../b", "x"]],
    ];
    for (const appends of calls) {
      const writer = new TreeWriter(new MemoryRecords(), idOf);
      assert.throws(() => {
        for (const [directory, ...names] of appends) writer.append(Buffer.from(directory), batchOf(...names));
      }, assert.AssertionError);
    }
  });
});

suite("stability of pages", () => {
  const sections = largeTree(100_000, 1000);
  const base = new MemoryRecords();
  writeTree(base, sections);

  /** The tree with one directory's entries exchanged. */
  const changed = (
    place: number,
    change: (entries: readonly Entry[]) => readonly Entry[],
  ): readonly Section[] =>
    sections.map((section, index) =>
      index === place ? { directory: section.directory, entries: change(section.entries) } : section,
    );
  const places = Array.from({ length: SLOW ? 100 : 8 }, (_, index) => 1 + ((index * 37) % 100));

  test("the same tree again stores nothing", () => {
    assert.equal(added(sections, base), 0);
  });

  for (const [what, change] of [
    ["editing", (entries, at) => entries.with(at, chunkedFile(entries[at]?.name ?? "", "edited"))],
    [
      "inserting",
      (entries, at) => entries.toSpliced(at, 0, chunkedFile(`${String(entries[at - 1]?.name)}~`, "new")),
    ],
    ["removing", (entries, at) => entries.toSpliced(at, 1)],
  ] as const satisfies readonly (readonly [
    string,
    (entries: readonly Entry[], at: number) => readonly Entry[],
  ])[]) {
    test(`${what} one entry of 100,000 changes a few records`, () => {
      const counts = places.map((place, index) =>
        added(
          changed(place, (entries) => change(entries, 1 + ((index * 131) % 990))),
          base,
        ),
      );
      const average = counts.reduce((sum, count) => sum + count, 0) / counts.length;
      // A page and a node or two, and more where a cut moved and the pages had to find back.
      assert(Math.min(...counts) >= 1 && average <= 5 && Math.max(...counts) <= 16, counts.join(" "));
    });
  }

  test("a directory of a thousand more in front changes little behind it", () => {
    const more = sections.toSpliced(1, 0, {
      directory: Buffer.from("a-first"),
      entries: Array.from({ length: 1000 }, (_, index) =>
        chunkedFile(String(index).padStart(4, "0"), `a${String(index)}`),
      ),
    });
    const count = added(more, base);
    assert(count <= 16, `${String(count)} new records`);
  });
});

suite("one directory with very many entries", () => {
  const count = SLOW ? 5_000_000 : 1_000_000;

  test(`${String(count)} entries: written, counted, found`, async () => {
    const records = new MemoryRecords();
    const directory = Buffer.from("spool");
    const writer = new TreeWriter(records, idOf);
    const batch = new EntryBatchBuilder();
    batch.add(sampleDirectory(directory));
    writer.append(ROOT, batch.finish());
    for (let index = 0; index < count; ) {
      for (let place = 0; place < 10_000; place += 1, index += 1) {
        batch.add(sampleFile(String(index).padStart(9, "0"), ""));
      }
      writer.append(directory, batch.finish());
    }
    const root = writer.finish();
    assert.equal(root.entries, count + 1);
    for (const index of [0, 1, 123_456, count - 1]) {
      records.reads = 0;
      const name = String(index).padStart(9, "0");
      const entry = await lookup(records.read, root, Buffer.from(`spool/${name}`));
      assert.equal(entry?.name.toString(), name);
      assert(records.reads <= 4, `${String(records.reads)} reads`);
    }
    assert.equal(await lookup(records.read, root, Buffer.from("spool/x")), undefined);
  });
});
