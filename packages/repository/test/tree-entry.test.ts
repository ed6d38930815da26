import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ByteWriter } from "@holdfast/kernel";
import fc from "fast-check";
import { type Entry, ENTRY_LIMITS, entryRefs } from "../src/tree/entry.ts";
import { EntryBatchBuilder } from "../src/tree/entry-batch.ts";
import { decodeEntry, encodeEntry } from "../src/tree/entry-codec.ts";
import {
  anyEntry,
  chunkedFile,
  hex,
  isDamaged,
  reader,
  sampleDirectory,
  sampleFile,
  sampleId,
} from "./tree-samples.ts";

function encoded(entry: Entry): Buffer {
  const writer = new ByteWriter();
  encodeEntry(writer, entry);
  return writer.finish();
}

function decoded(bytes: Buffer): Entry {
  const source = reader(bytes);
  const entry = decodeEntry(source);
  source.end();
  return entry;
}

const OWNER = "a403 e807 64 03626f62 00"; // mode 0644, uid 1000, gid 100, "bob", ""
const TIME = "feffffffffffffff 15cd5b07"; // -2 s, 123,456,789 ns
const base = {
  mode: 0o644,
  uid: 1000,
  gid: 100,
  user: "bob",
  group: "",
  mtimeSeconds: -2n,
  mtimeNanoseconds: 123_456_789,
  xattrs: [],
  link: undefined,
  changedWhileRead: false,
} as const;
const name = Buffer.from([0x61, 0xff]); // not UTF-8

const GOLDEN: readonly (readonly [string, Entry, string])[] = [
  [
    "file",
    { ...base, kind: "file", name, size: 2, content: { form: "inline", bytes: Buffer.from("hi") } },
    `01 0261ff ${OWNER} ${TIME} 00 02 01 026869`,
  ],
  ["directory", { ...base, kind: "directory", name }, `02 0261ff ${OWNER} ${TIME} 00`],
  [
    "symbolic link",
    { ...base, kind: "symlink", name, target: Buffer.from("../b") },
    `03 0261ff ${OWNER} ${TIME} 00 042e2e2f62`,
  ],
  ["FIFO", { ...base, kind: "fifo", name }, `04 0261ff ${OWNER} ${TIME} 00`],
  ["socket", { ...base, kind: "socket", name }, `05 0261ff ${OWNER} ${TIME} 00`],
  [
    "character device",
    { ...base, kind: "char", name, major: 1, minor: 300 },
    `06 0261ff ${OWNER} ${TIME} 00 01 ac02`,
  ],
  [
    "block device",
    { ...base, kind: "block", name, major: 8, minor: 1 },
    `07 0261ff ${OWNER} ${TIME} 00 08 01`,
  ],
  [
    "file with everything",
    {
      ...base,
      kind: "file",
      name,
      xattrs: [
        { name: Buffer.from("user.a"), value: Buffer.from([1, 2]) },
        { name: Buffer.from("user.b"), value: Buffer.alloc(0) },
      ],
      link: { device: 0x0102n, inode: 2n ** 63n },
      changedWhileRead: true,
      size: 0,
      content: { form: "empty" },
    },
    `01 0261ff ${OWNER} ${TIME} 07 02 06757365722e61 020102 06757365722e62 00
     0201000000000000 0000000000000080 00 00`,
  ],
];

suite("entry", () => {
  for (const [what, entry, bytes] of GOLDEN) {
    test(`${what}: golden bytes`, () => {
      assert.equal(encoded(entry).toString("hex"), hex(bytes).toString("hex"));
      assert.deepEqual(decoded(hex(bytes)), entry);
    });
  }

  test("decode inverts encode", () => {
    fc.assert(fc.property(anyEntry, (entry) => assert.deepEqual(decoded(encoded(entry)), entry)));
  });

  test("encoding is the only one: what decodes encodes to the same bytes", () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyEntry, fc.nat(), fc.integer({ min: 0, max: 255 }), (entry, place, byte) => {
        const bytes = encoded(entry);
        bytes[place % bytes.length] = byte;
        let back: Entry;
        try {
          back = decoded(bytes);
        } catch (error) {
          assert(isDamaged(error));
          return;
        }
        accepted += 1;
        assert.equal(encoded(back).toString("hex"), bytes.toString("hex"));
      }),
      { numRuns: 1000 },
    );
    assert(accepted > 0);
  });

  test("every cut is noticed", () => {
    fc.assert(
      fc.property(anyEntry, fc.nat(), (entry, place) => {
        const bytes = encoded(entry);
        assert.throws(() => decoded(bytes.subarray(0, place % bytes.length)), isDamaged);
      }),
    );
  });

  const refused: readonly (readonly [string, string])[] = [
    ["kind 0", `00 0161 ${OWNER} ${TIME} 00`],
    ["kind 8", `08 0161 ${OWNER} ${TIME} 00`],
    ["an empty name", `02 00 ${OWNER} ${TIME} 00`],
    ["the name .", `02 012e ${OWNER} ${TIME} 00`],
    ["the name ..", `02 022e2e ${OWNER} ${TIME} 00`],
    ["a name with /", `02 03612f62 ${OWNER} ${TIME} 00`],
    ["a name with a zero byte", `02 03610062 ${OWNER} ${TIME} 00`],
    ["a name of 1025 bytes", `02 8108 ${"61".repeat(1025)} ${OWNER} ${TIME} 00`],
    ["a mode above 07777", `02 0161 8020 e807 64 00 00 ${TIME} 00`],
    ["a user that is not UTF-8", `02 0161 a403 00 00 01ff 00 ${TIME} 00`],
    ["a user of 257 bytes", `02 0161 a403 00 00 8102 ${"61".repeat(257)} 00 ${TIME} 00`],
    ["10^9 nanoseconds", `02 0161 ${OWNER} 0000000000000000 00ca9a3b 00`],
    ["a reserved flag", `02 0161 ${OWNER} ${TIME} 08`],
    ["attributes that are none", `02 0161 ${OWNER} ${TIME} 01 00`],
    ["attributes out of order", `02 0161 ${OWNER} ${TIME} 01 02 0162 00 0161 00`],
    ["an attribute twice", `02 0161 ${OWNER} ${TIME} 01 02 0161 00 0161 00`],
    ["an attribute without a name", `02 0161 ${OWNER} ${TIME} 01 01 00 00`],
    ["4097 attributes", `02 0161 ${OWNER} ${TIME} 01 8120`],
    ["an attribute above 1 MiB", `02 0161 ${OWNER} ${TIME} 01 01 0161 818040`],
    ["an empty target", `03 0161 ${OWNER} ${TIME} 00 00`],
    ["a target with a zero byte", `03 0161 ${OWNER} ${TIME} 00 0100`],
    ["a target above 64 KiB", `03 0161 ${OWNER} ${TIME} 00 818004`],
    ["a number longer than needed", `02 0161 a403 8000 64 00 00 ${TIME} 00`],
    ["trailing bytes", `02 0161 ${OWNER} ${TIME} 00 00`],
  ];
  for (const [what, bytes] of refused) {
    test(`refuses ${what}`, () => {
      assert.throws(() => decoded(hex(bytes)), isDamaged);
    });
  }

  test("the longest of everything passes", () => {
    const entry: Entry = {
      ...base,
      kind: "symlink",
      name: Buffer.alloc(1024, 0xfe),
      user: "é".repeat(ENTRY_LIMITS.ownerBytes / 2),
      xattrs: [{ name: Buffer.alloc(1024, 1), value: Buffer.alloc(ENTRY_LIMITS.xattrValueBytes, 2) }],
      target: Buffer.alloc(ENTRY_LIMITS.targetBytes, 0x61),
    };
    assert.deepEqual(decoded(encoded(entry)), entry);
  });

  test("names that could leave a restore's target cannot be encoded", () => {
    for (const bad of ["", ".", "..", "a/b", "a\0b", "x".repeat(1025)]) {
      assert.throws(() => encoded(sampleDirectory(bad)), assert.AssertionError);
    }
  });

  test("a size that its content does not have cannot be encoded", () => {
    const file = chunkedFile("a", "seed", 10);
    assert(file.kind === "file");
    assert.throws(() => encoded({ ...file, size: 11 }), assert.AssertionError);
  });

  test("refers to its chunks or its list", () => {
    assert.deepEqual(entryRefs(sampleFile("a")), []);
    assert.deepEqual(entryRefs(sampleDirectory("a")), []);
    assert.deepEqual(entryRefs(chunkedFile("a", "seed")), [sampleId("seed")]);
    const list: Entry = {
      ...base,
      kind: "file",
      name,
      size: 1,
      content: { form: "list", depth: 0, id: sampleId("l") },
    };
    assert.deepEqual(entryRefs(list), [sampleId("l")]);
  });
});

suite("batch of entries", () => {
  test("keeps bytes, sizes and references of each entry apart", () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 150 }), (entries) => {
        const builder = new EntryBatchBuilder();
        for (const entry of entries) builder.add(entry);
        const batch = builder.finish();
        assert.equal(batch.count, entries.length);
        assert.equal(builder.finish().count, 0);
        for (const [index, entry] of entries.entries()) {
          const start = batch.ends[index - 1] ?? 0;
          assert.deepEqual(Buffer.from(batch.bytes.subarray(start, batch.ends[index])), encoded(entry));
          assert.equal(batch.fileBytes[index], entry.kind === "file" ? entry.size : 0);
          const refs = batch.refs.subarray(
            (batch.refEnds[index - 1] ?? 0) * 32,
            (batch.refEnds[index] ?? 0) * 32,
          );
          assert.deepEqual(Buffer.from(refs), Buffer.concat(entryRefs(entry)));
        }
      }),
      { numRuns: 30 },
    );
  });
});
