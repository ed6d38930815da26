import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { isAppError } from "@holdfast/kernel";
import { MemoryStorage } from "@holdfast/storage";
import { INDEX_ENTRY_BYTES } from "../src/chunk-index/entry.ts";
import {
  loadSnapshot,
  type MergedSegment,
  type MergeOptions,
  mergeSegments,
  openChunkIndex,
  readersOf,
  readSegment,
} from "../src/chunk-index/index.ts";
import {
  idOf,
  keys,
  named,
  type NamedSegment,
  packOf,
  range,
  seededRandomness,
  segmentOf,
  type TestPack,
} from "./chunk-index-data.ts";

type Options = Omit<MergeOptions, "keys" | "randomness">;

async function merge(segments: readonly NamedSegment[], options: Options = {}): Promise<MergedSegment[]> {
  const readers = segments.map(({ name, bytes }) => readSegment(keys, name, bytes));
  const merged: MergedSegment[] = [];
  const randomness = seededRandomness("merge");
  for await (const segment of mergeSegments(readers, { ...options, keys, randomness })) merged.push(segment);
  return merged;
}

/** Every entry as text, its pack by hash: what two indexes that say the same agree in. */
function contentOf(segments: readonly { readonly bytes: Buffer }[]): string[] {
  return segments.flatMap(({ bytes }) => {
    const reader = readSegment(keys, "index/x", bytes);
    reader.check();
    return [...reader.iterate()].flatMap((frame) =>
      range(0, frame.length / INDEX_ENTRY_BYTES).map((row) => {
        const at = row * INDEX_ENTRY_BYTES;
        const pack = reader.packOf(frame, at).toString("hex");
        return `${frame.toString("hex", at, at + 32)} ${pack} ${frame.toString("hex", at + 36, at + 52)}`;
      }),
    );
  });
}

const testPack = fc.record({
  pack: fc.nat(12),
  chunks: fc.array(fc.nat(80), { minLength: 1, maxLength: 30 }),
});
const testSegments = fc.array(fc.uniqueArray(testPack, { selector: ({ pack }) => pack, maxLength: 5 }), {
  maxLength: 8,
});

suite("merging segments", () => {
  test("gives the union, sorted across the outputs, without what was dropped", async () => {
    await fc.assert(
      fc.asyncProperty(
        testSegments,
        fc.integer({ min: 1, max: 40 }),
        fc.uniqueArray(fc.nat(12), { maxLength: 3 }),
        async (lists, entriesMax, dropped) => {
          const segments = lists.map((packs) => segmentOf(packs));
          const hashes = new Set(dropped.map((number) => packOf(number).toString("hex")));
          const dropPack = (hash: Buffer): boolean => hashes.has(hash.toString("hex"));
          const merged = await merge(segments, { entriesMax, dropPack });
          const expected = new Set(contentOf(segments).filter((row) => !hashes.has(row.split(" ")[1] ?? "")));
          const found = contentOf(merged);
          assert.deepEqual(new Set(found), expected);
          const ids = found.map((row) => row.slice(0, 64));
          assert.deepEqual(ids, ids.toSorted());
          for (const { bytes } of merged) {
            const { entryCount, packCount } = readSegment(keys, "index/x", bytes).counts;
            assert.ok(entryCount <= entriesMax);
            assert.equal(packCount, new Set(contentOf([{ bytes }]).map((row) => row.split(" ")[1])).size);
          }
        },
      ),
      { numRuns: 80 },
    );
  });

  test("supersedes the inputs with the last output only, and what they superseded", async () => {
    const old = segmentOf([{ pack: 0, chunks: [1] }]);
    const inputs = range(0, 4).map((pack) => segmentOf([{ pack, chunks: range(pack * 10, pack * 10 + 10) }]));
    const merged = await merge(inputs, { entriesMax: 15, superseded: [old.name] });
    assert.deepEqual(
      merged.map(({ supersedes }) => supersedes.length),
      [0, 0, 5],
    );
    assert.deepEqual(new Set(merged[2]?.supersedes), new Set([...inputs.map(({ name }) => name), old.name]));
    const storage = new MemoryStorage();
    for (const { bytes } of [old, ...inputs, ...merged]) await storage.put(named(bytes).name, bytes);
    using loaded = await loadSnapshot(storage, keys);
    assert.equal(loaded.snapshot.segments.length, 3);
    assert.equal(loaded.superseded.length, 5);
  });

  test("loses nothing when it stops after any output, or any deletion", async () => {
    const inputs = range(0, 6).map((pack) => segmentOf([{ pack, chunks: range(pack * 7, pack * 7 + 20) }]));
    const merged = await merge(inputs, { entriesMax: 30, inputBytesMax: 4000 });
    assert.ok(merged.filter(({ supersedes }) => supersedes.length > 0).length > 1, "several groups");
    const storage = new MemoryStorage();
    for (const { name, bytes } of inputs) await storage.put(name, bytes);
    const complete = async (): Promise<boolean> => {
      using loaded = await loadSnapshot(storage, keys);
      const index = openChunkIndex(loaded.snapshot);
      return inputs.every((_, pack) =>
        range(pack * 7, pack * 7 + 20).every((number) =>
          index.places(idOf(number)).some((place) => place.pack.equals(packOf(pack))),
        ),
      );
    };
    assert.ok(await complete());
    for (const { bytes, supersedes } of merged) {
      await storage.put(named(bytes).name, bytes);
      assert.ok(await complete());
      for (const name of supersedes) {
        await storage.delete(name);
        assert.ok(await complete());
      }
    }
  });

  test("of segments that share no range needs the memory of one", async () => {
    const whole = segmentOf(
      range(0, 3).map((pack): TestPack => ({ pack, chunks: range(pack * 1000, pack * 1000 + 1000) })),
    );
    const parts = (await merge([whole], { entriesMax: 100 })).map(({ bytes }) => named(bytes));
    assert.equal(parts.length, 30);
    // One part holds 100 entries and three packs: 5332 bytes; two neighbours may share the first bytes of an id.
    const again = await merge(parts, { inputBytesMax: 11_000 });
    assert.equal(again.length, 1);
    assert.deepEqual(contentOf(again), contentOf([whole]));
  });

  test("takes its inputs from a loaded index", async () => {
    const storage = new MemoryStorage();
    const inputs = range(0, 3).map((pack) =>
      segmentOf([{ pack, chunks: range(pack * 900, pack * 900 + 1500) }]),
    );
    for (const { name, bytes } of inputs) await storage.put(name, bytes);
    using loaded = await loadSnapshot(storage, keys);
    const merged: MergedSegment[] = [];
    const options = { keys, randomness: seededRandomness("loaded"), superseded: loaded.superseded };
    for await (const segment of mergeSegments(readersOf(loaded.snapshot), options)) merged.push(segment);
    assert.deepEqual(new Set(contentOf(merged)), new Set(contentOf(inputs)));
    assert.deepEqual(new Set(merged[0]?.supersedes), new Set(inputs.map(({ name }) => name)));
  });

  test("that drops everything leaves an empty segment that supersedes the inputs", async () => {
    const input = segmentOf([{ pack: 0, chunks: [1, 2, 3] }]);
    const [only, ...others] = await merge([input], { dropPack: () => true });
    assert.deepEqual(others, []);
    assert.deepEqual(only?.supersedes, [input.name]);
    assert.deepEqual(contentOf(only === undefined ? [] : [only]), []);
    assert.deepEqual(await merge([]), []);
  });

  test("stops at a damaged input before anything supersedes", async () => {
    const good = segmentOf([{ pack: 0, chunks: range(0, 100) }]);
    const bad = segmentOf([{ pack: 1, chunks: range(100, 3000) }]);
    const bytes = Buffer.from(bad.bytes);
    bytes[66_000] = (bytes[66_000] ?? 0) ^ 1;
    const seen: MergedSegment[] = [];
    const readers = [good, { name: bad.name, bytes }].map((segment) =>
      readSegment(keys, segment.name, segment.bytes),
    );
    await assert.rejects(
      async () => {
        const options = { keys, randomness: seededRandomness("x"), entriesMax: 50 };
        for await (const segment of mergeSegments(readers, options)) seen.push(segment);
      },
      (error) => isAppError(error, "ERR_DAMAGED") && error.subject === bad.name,
    );
    assert.ok(seen.every(({ supersedes }) => supersedes.length === 0));
  });
});
