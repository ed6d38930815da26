import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ByteWriter } from "@holdfast/kernel";
import fc from "fast-check";
import { decodeContent, decodeList } from "../src/tree/content.ts";
import type { Entry } from "../src/tree/entry.ts";
import { decodeEntry, encodeEntry } from "../src/tree/entry-codec.ts";
import { decodeNode, encodeNode } from "../src/tree/node.ts";
import { compareDirectories, compareKeys, compareRanges, isWithin } from "../src/tree/order.ts";
import { decodePage, encodePage } from "../src/tree/page.ts";
import { PageBuilder } from "../src/tree/page-builder.ts";
import { isDirectoryPath, joinPath, keyOf } from "../src/tree/paths.ts";
import { RefSet } from "../src/tree/ref-set.ts";
import {
  anyEntry,
  anyModel,
  comparePaths,
  hex,
  isDamaged,
  reader,
  sampleDirectory,
  sampleFile,
  sectionsOfModel,
  splitPath,
} from "./tree-samples.ts";

const REST = "a403 e807 64 00 00 0100000000000000 00000000 00"; // mode to flags of the entries below
const ROOT = Buffer.alloc(0);

function plain(kind: "directory" | "fifo", name: string): Entry {
  return {
    kind,
    name: Buffer.from(name),
    mode: 0o644,
    uid: 1000,
    gid: 100,
    user: "",
    group: "",
    mtimeSeconds: 1n,
    mtimeNanoseconds: 0,
    xattrs: [],
    link: undefined,
    changedWhileRead: false,
  };
}

suite("order", () => {
  test("a directory comes before what only begins alike", () => {
    const paths = ["", "a", "a/b", "a/b/c", "a/c", "a b", "a-b", "a.b", "a0", "b"];
    const sorted = paths.toReversed().toSorted((a, b) => compareDirectories(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(sorted, paths);
  });

  test("is that of components, then names", () => {
    fc.assert(
      fc.property(anyModel, (model) => {
        const paths = [...model.keys()];
        const byKey = paths.toSorted((a, b) => {
          const [left, right] = [keyOf(Buffer.from(a, "latin1")), keyOf(Buffer.from(b, "latin1"))];
          assert(left !== undefined && right !== undefined);
          return compareKeys(left, right);
        });
        assert.deepEqual(byKey, paths.toSorted(comparePaths));
      }),
    );
  });

  test("ranges compare like buffers", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 6, max: 3 }),
        fc.uint8Array({ maxLength: 6, max: 3 }),
        (a, b) => {
          const order = compareRanges(Buffer.concat([hex("ff"), a]), 1, a.length + 1, b, 0, b.length);
          assert.equal(Math.sign(order), Buffer.from(a).compare(b));
        },
      ),
    );
  });

  test("within", () => {
    for (const [directory, root, expected] of [
      ["", "", true],
      ["a", "", true],
      ["a", "a", true],
      ["a/b", "a", true],
      ["ab", "a", false],
      ["a b", "a", false],
      ["a", "a/b", false],
      ["", "a", false],
    ] as const) {
      assert.equal(isWithin(Buffer.from(directory), Buffer.from(root)), expected, `${directory} in ${root}`);
    }
  });

  test("paths that no directory has", () => {
    for (const bad of ["/", "/a", "a/", "a//b", ".", "a/..", "../a", "a/./b", "a\0", "x".repeat(1025)]) {
      assert.equal(isDirectoryPath(Buffer.from(bad)), false, bad);
    }
    assert(isDirectoryPath(Buffer.from("a/.../b")));
    assert(isDirectoryPath(Buffer.from(Array.from({ length: 1024 }, () => "d".repeat(1023)).join("/"))));
    assert.equal(
      isDirectoryPath(Buffer.from(Array.from({ length: 1025 }, () => "d".repeat(1023)).join("/"))),
      false,
    );
  });

  test("a key leads back to its path", () => {
    fc.assert(
      fc.property(anyModel, (model) => {
        for (const path of model.keys()) {
          const key = keyOf(Buffer.from(path, "latin1"));
          assert(key !== undefined);
          assert.equal(key.directory.toString("latin1"), splitPath(path).directory);
          assert.equal(joinPath(key.directory, key.name).toString("latin1"), path);
        }
      }),
    );
    assert.equal(keyOf(ROOT), undefined);
  });
});

const PAGE = `02
  00 02 02 0161 ${REST} 04 0162 ${REST}
  03612f62 01 02 0163 ${REST}`;
const PAGE_SECTIONS = [
  { directory: ROOT, entries: [plain("directory", "a"), plain("fifo", "b")] },
  { directory: Buffer.from("a/b"), entries: [plain("directory", "c")] },
];

suite("page", () => {
  test("golden bytes", () => {
    assert.equal(encodePage(PAGE_SECTIONS).toString("hex"), hex(PAGE).toString("hex"));
    assert.deepEqual(decodePage(reader(hex(PAGE))), { sections: PAGE_SECTIONS, entries: 3, fileBytes: 0 });
    assert.equal(encodePage([]).toString("hex"), "00");
    assert.deepEqual(decodePage(reader(hex("00"))), { sections: [], entries: 0, fileBytes: 0 });
  });

  for (const [what, bytes] of [
    ["a section without entries", "01 0161 00"],
    ["entries out of order", `01 00 02 02 0162 ${REST} 02 0161 ${REST}`],
    ["an entry twice", `01 00 02 02 0161 ${REST} 02 0161 ${REST}`],
    ["sections out of order", `02 0162 01 02 0161 ${REST} 0161 01 02 0161 ${REST}`],
    ["a section twice", `02 0161 01 02 0161 ${REST} 0161 01 02 0162 ${REST}`],
    ["a path that begins with /", `01 022f61 01 02 0161 ${REST}`],
    ["a path that climbs", `01 04612f2e2e 01 02 0161 ${REST}`],
    ["trailing bytes", `01 00 01 02 0161 ${REST} 00`],
    ["more sections than bytes", "ffff03"],
    ["65,537 sections", "818004"],
    ["65,537 entries", "01 00 818004"],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => decodePage(reader(hex(bytes))), isDamaged);
    });
  }

  test("decode inverts encode, with paths of 10 KB", () => {
    const long = Buffer.from(
      Array.from({ length: 40 }, (_, index) => String(index).padEnd(255, "é")).join("/"),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(anyEntry, {
          minLength: 1,
          maxLength: 20,
          selector: ({ name }) => name.toString("latin1"),
        }),
        (entries) => {
          const sections = [ROOT, long].map((directory) => ({
            directory,
            entries: entries.toSorted((a, b) => a.name.compare(b.name)),
          }));
          const page = decodePage(reader(encodePage(sections)));
          assert.deepEqual(page.sections, sections);
          assert.equal(page.entries, entries.length * 2);
        },
      ),
    );
  });

  test("a page that unfolds to millions of objects is refused", () => {
    const writer = new ByteWriter().varint(1).blob(ROOT).varint(80);
    for (let index = 0; index < 80; index += 1) {
      const name = Buffer.from(String(index).padStart(3, "0"));
      writer.u8(1).blob(name).raw(hex(REST)).varint(4096).u8(2).varint(4096).raw(Buffer.alloc(4096, 5));
    }
    assert.throws(() => decodePage(reader(writer.view())), /too many parts/u);
  });

  test("the builder makes the same page from encoded entries", () => {
    fc.assert(
      fc.property(anyModel, fc.integer({ min: 1, max: 4 }), (model, step) => {
        const builder = new PageBuilder();
        const sections = sectionsOfModel(model);
        for (let round = 0; round < 2; round += 1) {
          for (const { directory, entries } of sections) {
            builder.beginSection(directory);
            for (let index = 0; index < entries.length; index += step) {
              const some = entries.slice(index, index + step);
              const writer = new ByteWriter();
              for (const entry of some) encodeEntry(writer, entry);
              builder.append(writer.view(), 0, writer.length, some.length);
            }
          }
          assert.equal(builder.finish().toString("hex"), encodePage(sections).toString("hex"));
        }
      }),
    );
  });

  test("counts of one, two and three bytes", () => {
    for (const count of [1, 127, 128, 16_383, 16_384, 20_000]) {
      const builder = new PageBuilder();
      const entries = Array.from({ length: count }, (_, index) =>
        sampleFile(String(index).padStart(6, "0"), ""),
      );
      const writer = new ByteWriter();
      for (const entry of entries) encodeEntry(writer, entry);
      builder.beginSection(ROOT);
      builder.append(writer.view(), 0, writer.length, count);
      assert(builder.finish().equals(encodePage([{ directory: ROOT, entries }])), String(count));
      for (const { name } of entries) {
        builder.beginSection(name);
        builder.append(encodedOne(sampleDirectory("d")), 0, encodedOne(sampleDirectory("d")).length, 1);
      }
      const sections = entries.map(({ name }) => ({ directory: name, entries: [sampleDirectory("d")] }));
      assert(builder.finish().equals(encodePage(sections)), `${String(count)} sections`);
    }
  });
});

function encodedOne(entry: Entry): Buffer {
  const writer = new ByteWriter();
  encodeEntry(writer, entry);
  return writer.finish();
}

suite("node", () => {
  const id = Buffer.alloc(32, 0xcc);
  const node = {
    level: 2,
    children: [
      { first: { directory: ROOT, name: Buffer.from("a") }, entries: 300, fileBytes: 2 ** 40, id },
      { first: { directory: Buffer.from("a/b"), name: Buffer.from("c") }, entries: 1, fileBytes: 0, id },
    ],
  };
  const bytes = `02 02
    00 0161 ac02 808080808020 ${"cc".repeat(32)}
    03612f62 0163 01 00 ${"cc".repeat(32)}`;

  test("golden bytes", () => {
    assert.equal(encodeNode(node).toString("hex"), hex(bytes).toString("hex"));
    assert.deepEqual(decodeNode(reader(hex(bytes))), node);
  });

  const child = `0161 0161 01 00 ${"cc".repeat(32)}`;
  for (const [what, damaged] of [
    ["level 0", `00 01 ${child}`],
    ["level 33", `21 01 ${child}`],
    ["no children", "01 00"],
    ["the same key twice", `01 02 ${child} ${child}`],
    ["keys out of order", `01 02 ${child} 00 0162 01 00 ${"cc".repeat(32)}`],
    ["a child without entries", `01 01 0161 0161 00 00 ${"cc".repeat(32)}`],
    ["a child without a name", `01 01 0161 00 01 00 ${"cc".repeat(32)}`],
    ["a path with an empty component", `01 01 04612f2f62 0161 01 00 ${"cc".repeat(32)}`],
    ["trailing bytes", `01 01 ${child} 00`],
    ["65,537 children", "01 818004"],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => decodeNode(reader(hex(damaged))), isDamaged);
    });
  }
});

suite("hostile bytes", () => {
  const decoders = {
    content: (bytes: Uint8Array) => decodeContent(reader(bytes), 5),
    list: (bytes: Uint8Array) => decodeList(reader(bytes)),
    entry: (bytes: Uint8Array) => decodeEntry(reader(bytes)),
    page: (bytes: Uint8Array) => decodePage(reader(bytes)),
    node: (bytes: Uint8Array) => decodeNode(reader(bytes)),
  };
  const seeds = [
    hex(PAGE),
    hex(PAGE).subarray(3),
    hex(`00 02 0c ${"aa".repeat(32)} 05`),
    hex(`01 01 0161 0161 01 00 ${"cc".repeat(32)}`),
  ];
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
      )
      .map(([seed, changes]) => {
        const bytes = Buffer.from(seed);
        for (const [place, byte] of changes) bytes[place % bytes.length] = byte;
        return bytes;
      }),
    // Counts and lengths as large as they come.
    fc
      .tuple(
        fc.uint8Array({ maxLength: 8, max: 8 }),
        fc.uint8Array({ minLength: 1, maxLength: 40, min: 0x80 }),
      )
      .map(([front, rest]) => Buffer.concat([front, rest, hex("01")])),
  );
  for (const [what, decode] of Object.entries(decoders)) {
    test(`${what}: nothing but ERR_DAMAGED`, () => {
      fc.assert(
        fc.property(anyBytes, (bytes) => {
          try {
            decode(bytes);
          } catch (error) {
            assert(isDamaged(error), String(error));
          }
        }),
        { numRuns: 3000 },
      );
    });
  }

  test("a page of 8 MiB of the smallest parts costs a bounded heap", { timeout: 60_000 }, () => {
    const writer = new ByteWriter(8 * 1024 * 1024).varint(1).blob(ROOT).varint(65_536);
    let count = 0;
    for (; writer.length < 8_000_000 && count < 65_536; count += 1) {
      writer
        .u8(2)
        .blob(Buffer.from(String(count).padStart(6, "0")))
        .raw(hex(REST));
    }
    const before = process.memoryUsage();
    assert.throws(() => decodePage(reader(Buffer.concat([writer.view(), hex("ff")]))), isDamaged);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    assert(grown < 150_000_000, `${String(grown)} bytes`);
  });
});

suite("set of references", () => {
  test("keeps each id once, in order", () => {
    const anyIds = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 400 })).map(([front, back]) => {
        const id = Buffer.alloc(32);
        id.writeUInt32LE(front);
        id.writeUInt32LE(back, 28);
        return id;
      }),
      { maxLength: 1000 },
    );
    const set = new RefSet();
    fc.assert(
      fc.property(anyIds, (ids) => {
        set.clear();
        for (const id of ids) set.add(Buffer.concat([hex("00"), id]), 1);
        const expected = [...new Set(ids.map((id) => id.toString("hex")))];
        assert.equal(set.view().toString("hex"), expected.join(""));
        assert.equal(set.count, expected.length);
      }),
    );
  });
});
