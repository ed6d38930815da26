import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { AppError, isAppError, type Randomness } from "@holdfast/kernel";
import { type ByteSource, memorySource } from "../src/chunk-index/byte-source.ts";
import { describeSegment, openChunkIndex, readSegment } from "../src/chunk-index/index.ts";
import {
  encodeSegmentHead,
  type Section,
  type SegmentCounts,
  segmentFrameKey,
  segmentLayout,
} from "../src/chunk-index/segment-format.ts";
import { sealSection } from "../src/chunk-index/segment-frames.ts";
import { readSegmentHead } from "../src/chunk-index/segment-reader.ts";
import {
  idOf,
  indexEntry,
  keys,
  type NamedSegment,
  PACK_BYTES,
  packRows,
  range,
  RECORD_BYTES,
  seededRandomness,
  segmentOf,
  segmentOfRows,
} from "./chunk-index-data.ts";

function indexOf(...segments: readonly NamedSegment[]) {
  return openChunkIndex({
    ...keys,
    segments: segments.map(({ name, bytes }) => describeSegment(keys, name, bytes)),
    condemned: Buffer.alloc(0),
    tolerateDamage: false,
  });
}

suite("hostile bytes", () => {
  const segment = segmentOf([{ pack: 0, chunks: range(0, 1400) }]);

  test("a change of any byte is noticed by check", () => {
    fc.assert(
      fc.property(fc.nat(segment.bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.from(segment.bytes);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        assert.throws(
          () => {
            readSegment(keys, segment.name, bytes).check();
            describeSegment(keys, segment.name, bytes);
          },
          (error) => isAppError(error, "ERR_DAMAGED") || isAppError(error, "ERR_FORMAT_VERSION"),
        );
      }),
      { numRuns: 400 },
    );
  });

  test("a cut or lengthened object is damaged", () => {
    for (const length of [0, 1, 23, 59, 60, 159, 160, segment.bytes.length - 1]) {
      assert.throws(
        () => readSegment(keys, segment.name, segment.bytes.subarray(0, length)),
        (error) => isAppError(error, "ERR_DAMAGED"),
      );
    }
    assert.throws(
      () => readSegment(keys, segment.name, Buffer.concat([segment.bytes, Buffer.alloc(1)])),
      (error) => isAppError(error, "ERR_DAMAGED"),
    );
  });

  test("a segment of another repository or table key is refused", () => {
    const other = { ...keys, repository: Buffer.alloc(16, 1) };
    assert.throws(() => readSegment(other, segment.name, segment.bytes), AppError);
    const wrongKey = { ...keys, tableKey: Buffer.alloc(32, 1) };
    assert.throws(
      () => readSegment(wrongKey, segment.name, segment.bytes),
      (error) => isAppError(error, "ERR_DAMAGED") && error.subject === segment.name,
    );
  });

  test("no length that is not checked leads to a read", () => {
    const front = Buffer.from(segment.bytes);
    for (const length of [0, 79, 99, 101, 100 + 32 * 262_144, 0x7fff_ffff, 0xffff_ffff]) {
      front.writeUInt32LE(length, 56);
      const source = watched(memorySource(front, segment.name));
      assert.throws(
        () => readSegmentHead(source, keys, segment.name),
        (error) => isAppError(error, "ERR_DAMAGED"),
      );
      assert.ok(source.longest <= front.length);
    }
  });

  test("counts that do not fit the object are damage, also when they are sealed", () => {
    const counts = [
      { entryCount: 2 ** 63, packCount: 0, filterBlockCount: 0 },
      { entryCount: 2 ** 52, packCount: 0, filterBlockCount: 0 },
      { entryCount: 1, packCount: 0, filterBlockCount: 0 },
      { entryCount: 0, packCount: 0xffff_ffff, filterBlockCount: 0xffff_ffff },
    ];
    for (const lie of counts) {
      const head = encodeSegmentHead(keys, Buffer.alloc(32), lie, [], seededRandomness("lie"));
      for (const bytes of [head, Buffer.concat([head, Buffer.alloc(1000)])]) {
        const source = watched(memorySource(bytes, "index/lie"));
        assert.throws(
          () => readSegmentHead(source, keys, "index/lie"),
          (error) => isAppError(error, "ERR_DAMAGED"),
        );
        assert.ok(source.longest <= bytes.length);
      }
    }
  });

  test("sealed nonsense gives nonsense or an error of ours, never anything else", () => {
    const shape = fc.record({
      entryCount: fc.nat(3000),
      packCount: fc.nat(50),
      filterBlockCount: fc.nat(40),
      seed: fc.string(),
      zeros: fc.boolean(),
    });
    fc.assert(
      fc.property(shape, ({ seed, zeros, ...counts }) => {
        const bytes = forge(counts, seed, zeros);
        const attempts = [
          () => readSegment(keys, "index/forged", bytes).check(),
          () => [...readSegment(keys, "index/forged", bytes).iterate()].length,
          () => indexOf({ name: "index/forged", bytes }).places(Buffer.alloc(32)),
          ...range(0, 20).map(
            (number) => () => indexOf({ name: "index/forged", bytes }).lookup(idOf(number)),
          ),
        ];
        for (const attempt of attempts) {
          try {
            attempt();
          } catch (error) {
            assert.ok(isAppError(error, "ERR_DAMAGED"), String(error));
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  for (const [what, reason, change] of [
    ["a fence that is not the first id of its frame", /fence/u, ({ fences }) => fences.writeUInt8(0, 8)],
    ["entries out of order", /order/u, ({ rows }) => rows.splice(10, 2, ...rows.slice(10, 12).toReversed())],
    [
      "entries out of order at the border of two frames",
      /order|fence/u,
      ({ rows }) => rows.splice(149, 2, ...rows.slice(149, 151).toReversed()),
    ],
    ["a filter that denies an entry", /filter/u, ({ filter }) => filter.fill(0, 64, 128)],
    ["a place outside of its pack", /place/u, ({ rows }) => rows.at(-1)?.writeUInt32LE(PACK_BYTES, 36)],
    ["a pack that is not there", /pack/u, ({ rows }) => rows.at(-1)?.writeUInt32LE(1, 32)],
  ] satisfies readonly (readonly [string, RegExp, (contents: Contents) => unknown])[]) {
    test(`check notices ${what}, though everything is sealed`, () => {
      readSegment(
        keys,
        "index/sound",
        changedSegment(() => undefined),
      ).check();
      assert.throws(
        () => {
          readSegment(keys, "index/forged", changedSegment(change)).check();
        },
        (error) => isAppError(error, "ERR_DAMAGED") && reason.test(error.message),
      );
    });
  }

  test("places that lie outside their pack or record are not given out", () => {
    const sound = indexEntry(idOf(1), 0, 0);
    const changes: ((row: Buffer) => unknown)[] = [
      (row) => row.writeUInt32LE(PACK_BYTES - RECORD_BYTES + 1, 36),
      (row) => row.writeUInt32LE(0xffff_ffff, 36),
      (row) => row.writeUInt32LE(0, 40),
      (row) => row.writeUInt32LE(0xffff_ffff, 40),
      (row) => row.writeUInt32LE(8 * 1024 * 1024 - 499, 44),
      (row) => row.writeUInt32LE(500, 48),
      (row) => row.writeUInt32LE(6 * 0x100_0000 + 500, 48),
    ];
    assert.ok(indexOf(segmentOfRows([sound], [0])).lookup(idOf(1)));
    for (const change of changes) {
      const row = Buffer.from(sound);
      change(row);
      assert.throws(
        () => indexOf(segmentOfRows([row], [0])).lookup(idOf(1)),
        (error) => isAppError(error, "ERR_DAMAGED"),
      );
    }
  });
});

function watched(source: ByteSource): ByteSource & { readonly longest: number } {
  let longest = 0;
  return {
    length: source.length,
    get longest() {
      return longest;
    },
    readSync(offset, into) {
      longest = Math.max(longest, into.length);
      source.readSync(offset, into);
    },
  };
}

/** A segment whose frames are sealed well and hold anything. */
function forge(counts: SegmentCounts, seed: string, zeros: boolean): Buffer {
  const randomness = seededRandomness(seed);
  return sealSegment(counts, randomness, ({ bytes, label }) => {
    const plain = Buffer.alloc(bytes, 0xff);
    if (label !== "filter") plain.set(zeros ? Buffer.alloc(bytes) : randomness(plain));
    return plain;
  });
}

function sealSegment(
  counts: SegmentCounts,
  randomness: Randomness,
  plaintextOf: (section: Section) => Uint8Array,
): Buffer {
  const salt = randomness(Buffer.alloc(32));
  const head = encodeSegmentHead(keys, salt, counts, [], randomness);
  const layout = segmentLayout(counts, head.length);
  const bytes = Buffer.alloc(layout.length);
  bytes.set(head, 0);
  const key = segmentFrameKey(keys.tableKey, salt);
  for (const section of [layout.entries, layout.packs, layout.filter, layout.fences])
    sealSection(bytes, key, keys.repository, section, plaintextOf(section));
  return bytes;
}

interface Contents {
  /** In the order of their ids. */
  readonly rows: Buffer[];
  readonly filter: Buffer;
  readonly fences: Buffer;
}

/** A segment of 400 entries, right in everything but what `change` does to it. */
function changedSegment(change: (contents: Contents) => void): Buffer {
  const ids = range(0, 400)
    .map(idOf)
    .toSorted((one, other) => one.compare(other));
  const rows = ids.map((id, slot) => indexEntry(id, 0, slot));
  const filter = Buffer.alloc(Math.ceil((rows.length * 10) / 512) * 64, 0xff);
  const fences = Buffer.concat([0, 150, 300].map((row) => ids[row]?.subarray(0, 8) ?? Buffer.alloc(8)));
  change({ rows, filter, fences });
  const counts = { entryCount: rows.length, packCount: 1, filterBlockCount: filter.length / 64 };
  const sections = { entries: Buffer.concat(rows), packs: packRows([0]), filter, fences };
  return sealSegment(counts, seededRandomness("changed"), ({ label }) => sections[label]);
}
