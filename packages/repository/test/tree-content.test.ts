import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ByteWriter, isAppError } from "@holdfast/kernel";
import fc from "fast-check";
import { RECORD_TYPES } from "../src/packs/record-header.ts";
import {
  type Content,
  decodeContent,
  decodeList,
  encodeContent,
  encodeList,
  type List,
  type Segment,
  SEGMENT_BYTES_MAX,
} from "../src/tree/content.ts";
import { ContentListBuilder, ENTRY_SEGMENTS } from "../src/tree/content-list-builder.ts";
import { type PlacedSegment, readSegments } from "../src/tree/content-reader.ts";
import { anySegment, hex, idOf, isDamaged, MemoryRecords, reader, sampleId } from "./tree-samples.ts";

const A = Buffer.alloc(32, 0xaa);
const B = Buffer.alloc(32, 0xbb);

function encoded(content: Content, size: number): string {
  const writer = new ByteWriter();
  encodeContent(writer, content, size);
  return writer.finish().toString("hex");
}

suite("content of an entry", () => {
  const golden: readonly (readonly [string, number, Content, string])[] = [
    ["empty", 0, { form: "empty" }, "00"],
    ["inline", 2, { form: "inline", bytes: Buffer.from("hi") }, "01 02 6869"],
    [
      "segments",
      75_536,
      {
        form: "segments",
        segments: [
          { kind: "data", length: 10_000, id: A },
          { kind: "hole", length: 4096 },
          { kind: "zero", length: 61_440 },
        ],
      },
      // 10,000 × 4 = 40,000; 4096 × 4 + 1 = 16,385; 61,440 × 4 + 2 = 245,762
      `02 03 c0b802 ${"aa".repeat(32)} 818001 82800f`,
    ],
    ["list", 1, { form: "list", depth: 1, id: B }, `03 01 ${"bb".repeat(32)}`],
  ];
  for (const [form, size, content, bytes] of golden) {
    test(`${form}: golden bytes`, () => {
      assert.equal(encoded(content, size), hex(bytes).toString("hex"));
      assert.deepEqual(decodeContent(reader(hex(bytes)), size), content);
    });
  }

  const refused: readonly (readonly [string, number, string])[] = [
    ["an unknown form", 1, "04"],
    ["form 0 with a size", 1, "00"],
    ["a form without a size", 0, "01 00"],
    ["inline bytes of another length", 3, "01 02 6869"],
    ["no segments", 1, "02 00"],
    ["segments of another length", 3, "02 01 09"],
    ["an empty segment", 1, "02 02 01 05"],
    ["segment kind 3", 1, "02 01 07"],
    ["a data segment longer than a chunk", 8 * 1024 * 1024 + 1, `02 01 84808010 ${"aa".repeat(32)}`],
    ["a list without its id", 1, "03 00 aa"],
    ["a list too deep", 1, `03 21 ${"aa".repeat(32)}`],
    ["more segments than an entry may have", 1, "02 8120 05"],
    [
      "lengths beyond 2^53",
      1,
      "02 05 fdffffffffffff0f fdffffffffffff0f fdffffffffffff0f fdffffffffffff0f 15",
    ],
  ];
  for (const [what, size, bytes] of refused) {
    test(`refuses ${what}`, () => {
      assert.throws(() => decodeContent(reader(hex(bytes)), size), isDamaged);
    });
  }
});

suite("list record", () => {
  const leaf: List = {
    depth: 0,
    bytes: 4,
    segments: [
      { kind: "data", length: 3, id: A },
      { kind: "hole", length: 1 },
    ],
  };
  const inner: List = {
    depth: 2,
    bytes: 301,
    children: [
      { bytes: 300, id: A },
      { bytes: 1, id: B },
    ],
  };
  for (const [list, bytes] of [
    [leaf, `00 02 0c ${"aa".repeat(32)} 05`],
    [inner, `02 02 ac02 ${"aa".repeat(32)} 01 ${"bb".repeat(32)}`],
  ] as const) {
    test(`depth ${String(list.depth)}: golden bytes`, () => {
      assert.equal(encodeList(list).toString("hex"), hex(bytes).toString("hex"));
      assert.deepEqual(decodeList(reader(hex(bytes))), list);
    });
  }

  for (const [what, bytes] of [
    ["an empty list", "00 00"],
    ["a child without content", `01 01 00 ${"aa".repeat(32)}`],
    ["trailing bytes", "00 01 05 00"],
    ["a list too deep", `21 01 01 ${"aa".repeat(32)}`],
    ["more entries than bytes", "00 ffff03 05"],
    ["more entries than a list may have", "00 818004"],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => decodeList(reader(hex(bytes))), isDamaged);
    });
  }
});

function collect(records: MemoryRecords, segments: Iterable<Segment>): { content: Content; size: number } {
  const builder = new ContentListBuilder(records, idOf);
  for (const segment of segments) builder.push(segment);
  const { size } = builder;
  return { content: builder.finish(), size };
}

async function readBack(
  records: MemoryRecords,
  { content, size }: { content: Content; size: number },
  from = 0,
): Promise<PlacedSegment[]> {
  assert(content.form === "segments" || content.form === "list");
  return Array.fromAsync(readSegments({ size, content }, records.read, { from }));
}

function* manySegments(count: number, salt = ""): Generator<Segment> {
  for (let index = 0; index < count; index += 1) {
    yield index % 7 === 3
      ? { kind: "hole", length: 65_536 }
      : { kind: "data", length: 1_000_000 + (index % 1000), id: sampleId(`${salt}${String(index)}`) };
  }
}

suite("content lists", () => {
  test("nothing is empty, few segments stand in the entry, one more goes into a list", () => {
    const records = new MemoryRecords();
    assert.deepEqual(collect(records, []), { content: { form: "empty" }, size: 0 });
    const few = [...manySegments(ENTRY_SEGMENTS)];
    assert.deepEqual(collect(records, few).content, { form: "segments", segments: few });
    assert.equal(records.records.size, 0);
    const many = collect(records, manySegments(ENTRY_SEGMENTS + 1));
    assert.equal(many.content.form, "list");
    assert.equal(records.records.size, 1);
  });

  test("a list names each id it refers to once", () => {
    const records = new MemoryRecords();
    const id = Buffer.alloc(32, 1);
    collect(
      records,
      Array.from({ length: 100 }, (): Segment => ({ kind: "data", length: 5, id })),
    );
    const [record] = records.records.values();
    assert.deepEqual(record?.refs, id);
  });

  test("each list names what it refers to, and nothing else", () => {
    const records = new MemoryRecords();
    collect(records, manySegments(5000));
    assert(records.records.size > 5);
    for (const { plaintext, refs } of records.records.values()) {
      const list = decodeList(reader(plaintext));
      const ids =
        "segments" in list
          ? list.segments.flatMap((segment) => (segment.kind === "data" ? [segment.id] : []))
          : list.children.map(({ id }) => id);
      assert.deepEqual(refs, Buffer.concat(ids));
    }
  });

  test("what was pushed comes back, for any segments", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anySegment, { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 30 }),
        async (some, times) => {
          const segments = Array.from({ length: times }, () => some).flat();
          const records = new MemoryRecords();
          const file = collect(records, segments);
          const back = await readBack(records, file);
          assert.deepEqual(
            back.map((each) => each.segment),
            segments,
          );
        },
      ),
    );
  });

  test("three levels, and a read from any byte touches one list a level", async () => {
    const records = new MemoryRecords();
    // Ids that never end a list by themselves: 4096 a list, and so a second and a third level soon.
    const uncut = function* (): Generator<Segment> {
      for (let index = 0; index < 40_000; index += 1) {
        const id = Buffer.alloc(32, 0xff);
        id.writeUInt32LE(index, 8);
        yield { kind: "data", length: 1000, id };
      }
    };
    const constant = (type: number, plaintext: Uint8Array): Buffer => {
      const id = idOf(type, plaintext);
      id.writeUInt32LE(512); // every list of lists ends behind its second child
      return id;
    };
    const builder = new ContentListBuilder(records, constant);
    for (const segment of uncut()) builder.push(segment);
    const { size } = builder;
    const content = builder.finish();
    assert(content.form === "list" && content.depth >= 3);
    for (const from of [0, 999, 1000, 4_096_000, 23_456_789, size - 1]) {
      records.reads = 0;
      const segments = readSegments({ size, content }, records.read, { from });
      const first = await segments.next();
      await segments.return();
      assert(first.done === false);
      assert.equal(first.value.offset, Math.floor(from / 1000) * 1000);
      // The way down, the one that is read ahead, and the inner lists on the way to that one.
      assert(records.reads <= 2 * content.depth + 2, `${String(records.reads)} reads`);
    }
    assert.deepEqual(await readBack(records, { size, content }, size), []);
    const all = await readBack(records, { size, content });
    assert.equal(all.length, 40_000);
  });

  test("one changed segment of 100,000 changes few lists", () => {
    const records = new MemoryRecords();
    const segments = [...manySegments(100_000)];
    collect(records, segments);
    const before = records.records.size;
    assert(before > 150 && before < 300, `${String(before)} lists`);
    collect(
      records,
      segments.map((segment, index) => (index === 54_321 ? { kind: "zero", length: 9 } : segment)),
    );
    assert(records.records.size - before <= 4, `${String(records.records.size - before)} new lists`);
    collect(records, [{ kind: "data", length: 9, id: A }, ...segments]);
    assert(records.records.size - before <= 8);
  });

  test("a hole longer than one segment can say becomes several", async () => {
    const records = new MemoryRecords();
    const file = collect(records, [{ kind: "hole", length: SEGMENT_BYTES_MAX + 10 }]);
    const lengths = (await readBack(records, file)).map((each) => each.segment.length);
    assert.deepEqual(lengths, [SEGMENT_BYTES_MAX, 10]);
  });

  test("lists that do not fit what refers to them are damaged", async () => {
    const records = new MemoryRecords();
    const leaf = records.put(
      RECORD_TYPES.list,
      encodeList({ depth: 0, bytes: 5, segments: [{ kind: "hole", length: 5 }] }),
    );
    const deep = records.put(
      RECORD_TYPES.list,
      encodeList({ depth: 1, bytes: 6, children: [{ bytes: 6, id: leaf }] }),
    );
    // A list that holds itself, under an id that a broken reader of records let pass.
    const self = Buffer.alloc(32, 7);
    records.put(
      RECORD_TYPES.list,
      encodeList({ depth: 3, bytes: 5, children: [{ bytes: 5, id: self }] }),
      self,
    );
    for (const [size, depth, id] of [
      [6, 0, leaf],
      [5, 1, leaf],
      [6, 1, deep],
      [5, 3, self],
    ] as const) {
      await assert.rejects(readBack(records, { size, content: { form: "list", depth, id } }), isDamaged);
    }
  });

  test("a cancelled read ends with ERR_CANCELLED", async () => {
    const records = new MemoryRecords();
    const { content, size } = collect(records, manySegments(1000));
    assert(content.form === "list");
    const segments = readSegments({ size, content }, records.read, { signal: AbortSignal.abort() });
    await assert.rejects(segments.next(), (error) => isAppError(error, "ERR_CANCELLED"));
  });
});
