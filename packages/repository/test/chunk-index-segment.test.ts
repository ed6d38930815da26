import assert from "node:assert/strict";
import { createDecipheriv, hkdfSync } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { INDEX_ENTRY_BYTES } from "../src/chunk-index/entry.ts";
import { FrameCache } from "../src/chunk-index/frame-cache.ts";
import { describeSegment, openChunkIndex, readSegment, SegmentBuilder } from "../src/chunk-index/index.ts";
import { ENTRIES_PER_FRAME } from "../src/chunk-index/segment-format.ts";
import { filterBlockCountFor, filterMayHold, readFilterKey } from "../src/chunk-index/filter.ts";
import {
  directoryEntry,
  idOf,
  indexEntry,
  keys,
  type NamedSegment,
  PACK_BYTES,
  packOf,
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

suite("an index segment", () => {
  test("can be read from the text of the format alone", () => {
    const { bytes } = segmentOf([{ pack: 7, chunks: range(0, 1300) }], [`index/${"ab".repeat(32)}`]);
    const salt = bytes.subarray(24, 56);
    assert.equal(bytes.subarray(0, 24).toString("hex"), `4846535404010000${keys.repository.toString("hex")}`);
    const boxLength = bytes.readUInt32LE(56);
    const head = openBoxByTheBook(bytes.subarray(60, 60 + boxLength), bytes.subarray(0, 56));
    const blocks = Math.ceil((1300 * 10) / 512);
    assert.equal(head.readBigUInt64LE(0), 1300n);
    assert.deepEqual([head.readUInt32LE(8), head.readUInt32LE(12), head.readUInt32LE(16)], [1, blocks, 1]);
    assert.equal(head.subarray(20).toString("hex"), "ab".repeat(32));
    const frames = openFramesByTheBook(bytes.subarray(60 + boxLength), salt, [
      ...Array.from({ length: 8 }, () => 7800),
      100 * 52,
      40,
      blocks * 64,
      72,
    ]);
    const entries = Buffer.concat(frames.slice(0, 9));
    const ids = range(0, 1300).map((row) => entries.toString("hex", row * 52, row * 52 + 32));
    assert.deepEqual(ids, ids.toSorted());
    assert.deepEqual(new Set(ids), new Set(range(0, 1300).map((number) => idOf(number).toString("hex"))));
    assert.equal(frames[9]?.toString("hex", 0, 32), packOf(7).toString("hex"));
    assert.equal(frames[9]?.readUInt32LE(32), PACK_BYTES);
    assert.equal(frames[9]?.readUInt32LE(36), 1);
    const fences = range(0, 9).map((frame) => (ids[frame * 150] ?? "").slice(0, 16));
    assert.equal(frames[11]?.toString("hex"), fences.join(""));
    for (const number of range(0, 1300)) assertInFilterByTheBook(frames[10], blocks, idOf(number));
  });

  test("gives back what was put in, whatever the ids", () => {
    // Ids that share their first bytes, so that every way to compare them is taken.
    const id = fc
      .tuple(fc.constantFrom(0, 1, 255), fc.constantFrom(0, 7), fc.nat(3))
      .map(([first, fifth, last]) => {
        const bytes = Buffer.alloc(32, 9);
        bytes[0] = first;
        bytes[4] = fifth * 32;
        bytes[31] = last;
        return bytes;
      });
    const row = fc.record({ id, pack: fc.nat(3), slot: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
        const segment = segmentOfRows(
          rows.map(({ id: bytes, pack, slot }) => indexEntry(bytes, pack, slot)),
          [0, 1, 2, 3],
        );
        const reader = readSegment(keys, segment.name, segment.bytes);
        reader.check();
        const expected = new Set(
          rows.map(({ id: bytes, pack, slot }) => indexEntry(bytes, pack, slot).toString("hex")),
        );
        const found = [...reader.iterate()].flatMap((frame) => rowsOf(frame));
        assert.deepEqual(new Set(found), expected);
        assert.equal(found.length, expected.size);
        const index = indexOf(segment);
        for (const { id: bytes } of rows) {
          const places = new Set(
            index.places(bytes).map(({ pack, offset }) => `${pack.toString("hex")}${String(offset)}`),
          );
          const same = rows.filter(({ id: other }) => other.equals(bytes));
          assert.deepEqual(
            places,
            new Set(
              same.map(
                ({ pack, slot }) => `${packOf(pack).toString("hex")}${String(4096 + slot * RECORD_BYTES)}`,
              ),
            ),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  test("says where a chunk is, and that others are nowhere", () => {
    const segment = segmentOf([
      { pack: 0, chunks: range(0, 3000) },
      { pack: 1, chunks: range(3000, 5000) },
    ]);
    const index = indexOf(segment);
    for (const number of range(0, 5000)) {
      const pack = number < 3000 ? 0 : 1;
      assert.deepEqual(index.lookup(idOf(number)), {
        pack: packOf(pack),
        packLength: PACK_BYTES,
        packKind: 1,
        offset: 4096 + (number - pack * 3000) * RECORD_BYTES,
        length: RECORD_BYTES,
        chunkOffset: 0,
        chunkLength: 500,
        type: 1,
      });
    }
    for (const number of range(5000, 8000)) {
      assert.equal(index.has(idOf(number)), false);
      assert.equal(index.lookup(idOf(number)), undefined);
    }
    const shifted = Buffer.concat([Buffer.alloc(5), idOf(17)]);
    assert.ok(index.has(shifted, 5));
  });

  test("finds all entries of an id across the borders of frames", () => {
    const smaller = range(0, ENTRIES_PER_FRAME - 2).map((slot) =>
      indexEntry(Buffer.alloc(32, 1), 0, slot % 30_000),
    );
    const id = Buffer.alloc(32, 2);
    // From two before the end of the first frame, over a whole frame, to one in the third.
    const same = range(0, ENTRIES_PER_FRAME + 3).map((slot) => indexEntry(id, slot, 0));
    const last = Buffer.alloc(32, 2);
    last[31] = 3;
    const packs = range(0, ENTRIES_PER_FRAME + 3);
    const segment = segmentOfRows([indexEntry(last, 5, 1), ...same, ...smaller], packs);
    const index = indexOf(segment);
    assert.equal(index.places(id).length, ENTRIES_PER_FRAME + 3);
    assert.equal(index.places(Buffer.alloc(32, 1)).length, ENTRIES_PER_FRAME - 2);
    assert.deepEqual(index.lookup(last)?.pack, packOf(5));
    const between = Buffer.alloc(32, 2);
    between[31] = 2;
    between.fill(0, 20, 24);
    assert.equal(index.has(between), false);
  });

  test("has a filter that denies no entry and most others", () => {
    const ids = range(0, 50_000).map((number) => idOf(number));
    const segment = segmentOfRows(
      ids.map((id) => indexEntry(id, 0, 0)),
      [0],
    );
    const { filter } = describeSegment(keys, segment.name, segment.bytes);
    assert.equal(filter.length, filterBlockCountFor(50_000) * 64);
    const key = { x: 0, a: 0, b: 0, c: 0 };
    const mayHold = (id: Buffer): boolean => {
      readFilterKey(key, id, 0);
      return filterMayHold(filter, key);
    };
    assert.ok(ids.every(mayHold));
    const wrong = range(50_000, 150_000).filter((number) => mayHold(idOf(number))).length;
    assert.ok(wrong < 3000, `${String(wrong)} of 100,000`);
    assert.ok(wrong > 100, "a filter that knew better would be none");
  });

  test("may be empty", () => {
    const segment = segmentOfRows([], []);
    const index = indexOf(segment);
    assert.equal(index.has(idOf(0)), false);
    assert.equal(index.has(Buffer.alloc(32)), false);
    readSegment(keys, segment.name, segment.bytes).check();
  });
});

suite("a segment builder", () => {
  test("refuses a pack that does not fit and takes it after finishing", () => {
    const builder = new SegmentBuilder(10);
    const directory = (from: number, to: number) =>
      Buffer.concat(range(from, to).map((number) => directoryEntry(idOf(number), number)));
    const pack = (number: number) => ({ sha256: packOf(number), length: PACK_BYTES, kind: 1 });
    assert.ok(builder.addPack(pack(0), directory(0, 7)));
    assert.equal(builder.addPack(pack(1), directory(7, 11)), false);
    assert.ok(builder.addPack(pack(2), directory(7, 10)));
    assert.ok(builder.full);
    assert.ok(builder.addPack(pack(2), Buffer.alloc(0)), "known already");
    assert.equal(builder.packCount, 2);
    const first = builder.finish(keys, seededRandomness("a"));
    assert.equal(builder.entryCount, 0);
    assert.ok(builder.addPack(pack(1), directory(7, 11)));
    const second = builder.finish(keys, seededRandomness("b"));
    assert.deepEqual(readSegment(keys, "index/1", first).counts, {
      entryCount: 10,
      packCount: 2,
      filterBlockCount: 1,
    });
    assert.deepEqual(readSegment(keys, "index/2", second).counts.entryCount, 4);
  });

  test("counts a pack that is added twice once, however many there are", () => {
    const builder = new SegmentBuilder();
    for (const number of [...range(0, 5000), ...range(0, 5000)]) {
      const directory = directoryEntry(idOf(number), 0);
      assert.ok(builder.addPack({ sha256: packOf(number), length: PACK_BYTES, kind: 1 }, directory));
    }
    assert.equal(builder.packCount, 5000);
    assert.equal(builder.entryCount, 5000);
  });
});

suite("a frame cache", () => {
  test("keeps the frames that were used last, in a fixed number of buffers", () => {
    const cache = new FrameCache(4);
    const [one, other] = [cache.newOwner(), cache.newOwner()];
    const buffers = new Set<Buffer>();
    for (const frame of range(0, 100)) {
      buffers.add(cache.hold(one, frame, Buffer.alloc(100, frame)));
      assert.equal(cache.find(one, 0)?.[0], 0, "used each time, so never dropped");
    }
    assert.equal(buffers.size, 4);
    assert.deepEqual(
      range(0, 100).filter((frame) => cache.find(one, frame) !== undefined),
      [0, 97, 98, 99],
    );
    assert.equal(cache.find(other, 0), undefined);
  });

  test("is shared by all segments of an index", () => {
    const segments = range(0, 8).map((number) =>
      segmentOf([{ pack: number, chunks: range(number * 100, number * 100 + 100) }]),
    );
    const index = openChunkIndex(
      {
        ...keys,
        segments: segments.map(({ name, bytes }) => describeSegment(keys, name, bytes)),
        condemned: Buffer.alloc(0),
        tolerateDamage: false,
      },
      4,
    );
    for (const number of range(0, 800)) {
      assert.deepEqual(
        index.lookup(idOf((number * 37) % 800))?.pack,
        packOf(Math.floor(((number * 37) % 800) / 100)),
      );
    }
  });
});

function rowsOf(frame: Buffer): string[] {
  return range(0, frame.length / INDEX_ENTRY_BYTES).map((row) =>
    frame.toString("hex", row * INDEX_ENTRY_BYTES, (row + 1) * INDEX_ENTRY_BYTES),
  );
}

function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Buffer {
  return Buffer.from(hkdfSync("sha256", ikm, salt, info, length));
}

function decrypt(key: Buffer, nonce: Buffer, aad: Uint8Array, sealed: Buffer): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - 16)), decipher.final()]);
}

function openBoxByTheBook(box: Buffer, front: Buffer): Buffer {
  const context = Buffer.concat([Buffer.from("holdfast/1/index"), front]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(context.length);
  const info = Buffer.concat([Buffer.from("holdfast/1/box"), length, context]);
  const derived = hkdf(keys.tableKey, box.subarray(0, 32), info, 64);
  assert.deepEqual(derived.subarray(32), box.subarray(32, 64));
  return decrypt(derived.subarray(0, 32), Buffer.alloc(12), context, box.subarray(64));
}

function openFramesByTheBook(body: Buffer, salt: Buffer, lengths: readonly number[]): Buffer[] {
  const key = hkdf(keys.tableKey, salt, Buffer.from("holdfast/1/index/frames"), 32);
  let at = 0;
  const frames = lengths.map((length, number) => {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64LE(BigInt(number));
    at += length + 16;
    return decrypt(key, nonce, keys.repository, body.subarray(at - length - 16, at));
  });
  assert.equal(at, body.length);
  return frames;
}

function assertInFilterByTheBook(filter: Buffer | undefined, blocks: number, id: Buffer): void {
  assert.ok(filter !== undefined);
  const block = Number((BigInt(id.readUInt32LE(16)) * BigInt(blocks)) >> 32n);
  const [a, b, c] = [id.readUInt32LE(20), id.readUInt32LE(24), id.readUInt32LE(28)];
  const bits = [a, a >>> 9, a >>> 18, b, b >>> 9, b >>> 18, c].map((value) => value & 511);
  for (const bit of bits) {
    assert.ok(((filter[block * 64 + Math.floor(bit / 8)] ?? 0) >> (bit % 8)) & 1);
  }
}
