import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { CHUNK_AVERAGE, CHUNK_MAX, CHUNK_MIN, createScanner, gearTable } from "../src/chunking/index.ts";
import { nextCut, scan } from "../src/chunking/reference.ts";
import { lengthsOf, noise, sourceText, tableOf } from "./chunking-data.ts";

const MIB = 1024 * 1024;
const table = tableOf("cuts");

/** A scanner whose buffer holds `data` from offset 0 on. */
function scannerWith(data: Uint8Array, gears: Uint32Array = table) {
  const scanner = createScanner(gears, data.length);
  scanner.memory.set(data);
  assert.equal(scanner.implementation, "wasm", "run `node tools/build-wasm.ts` first");
  return scanner;
}

/** The hash as `rule.ts` defines it: a sum over the 32 bytes before the cut. */
function hashByDefinition(bytes: Uint8Array, cut: number): bigint {
  let sum = 0n;
  for (let distance = 0; distance < 32; distance += 1) {
    sum += BigInt(table[bytes[cut - 1 - distance] ?? 0] ?? 0) << BigInt(distance);
  }
  return BigInt.asUintN(32, sum);
}

suite("gear table", () => {
  test("holds little-endian numbers", () => {
    const bytes = new Uint8Array(1024);
    bytes.set([1, 2, 3, 0xf4], 4);
    assert.deepEqual([...gearTable(bytes).subarray(0, 3)], [0, 0xf4030201, 0]);
  });

  test("rejects another length", () => {
    assert.throws(() => gearTable(new Uint8Array(1023)), { name: "AssertionError" });
  });
});

suite("reference", () => {
  test("scans for the hash as it is defined", () => {
    const bytes = noise("definition", 4096);
    for (const limitBits of [32, 26, 22, 18]) {
      const limit = 2 ** limitBits;
      let expected = 32;
      while (expected < bytes.length && hashByDefinition(bytes, expected) >= limit) expected += 1;
      assert.equal(scan(table, bytes, 32, bytes.length, limit), expected);
    }
  });

  test("takes the strict limit up to the average and the loose one behind it", () => {
    const bytes = noise("limits", 32 * MIB);
    const strict = 2 ** 10;
    const loose = 2 ** 14;
    let start = 0;
    let [early, late] = [0, 0];
    for (const length of lengthsOf((from, to) => nextCut(table, bytes, from, to), bytes.length)) {
      const average = start + CHUNK_AVERAGE;
      const end = start + length;
      if (length < CHUNK_AVERAGE && end < bytes.length) {
        assert.ok(hashByDefinition(bytes, end) < strict);
        early += 1;
      } else if (end < bytes.length) {
        assert.ok(hashByDefinition(bytes, end) < loose);
        assert.equal(scan(table, bytes, average, end, loose), end);
        late += 1;
      }
      assert.equal(
        scan(table, bytes, start + CHUNK_MIN, Math.min(end, average), strict),
        Math.min(end, average),
      );
      start = end;
    }
    assert.ok(early > 0 && late > 0);
  });

  test("keeps the cuts of this format version", () => {
    const lengths = lengthsOf((start, end) => nextCut(table, golden, start, end), golden.length);
    assert.deepEqual(lengths, GOLDEN_LENGTHS);
  });
});

const golden = noise("golden", 8 * MIB);
const GOLDEN_LENGTHS: readonly number[] = [
  1_196_808, 1_638_371, 661_524, 665_449, 360_448, 363_275, 1_050_398, 408_108, 1_152_304, 891_923,
];

suite("WebAssembly agrees with the reference", () => {
  const inputs: Record<string, (seed: string) => Buffer> = {
    noise: (seed) => noise(seed, 11 * MIB + 12345),
    "source text": (seed) => sourceText(seed, 7 * MIB + 1),
    zeros: () => Buffer.alloc(9 * MIB + 7),
    "two values": (seed) => Buffer.from(noise(seed, 6 * MIB).map((byte) => byte & 1)),
    "period of 4 KiB": (seed) => Buffer.alloc(9 * MIB, noise(seed, 4096)),
    "noise between zeros": (seed) =>
      Buffer.concat([Buffer.alloc(3 * MIB), noise(seed, 2 * MIB), Buffer.alloc(5 * MIB), noise(seed, MIB)]),
  };
  for (const [name, make] of Object.entries(inputs)) {
    test(`on ${name}`, () => {
      for (const seed of ["1", "2", "3"]) {
        const data = make(seed);
        const gears = tableOf(seed);
        const expected = lengthsOf((start, end) => nextCut(gears, data, start, end), data.length);
        assert.deepEqual(lengthsOf(scannerWith(data, gears).cut, data.length), expected);
      }
    });
  }

  test("wherever the chunk begins and the data ends", () => {
    const data = noise("alignment", CHUNK_MAX + 2 * MIB);
    const scanner = scannerWith(data);
    const starts = fc.oneof(fc.nat({ max: 70 }), fc.nat({ max: 2 * MIB }));
    const lengths = fc.oneof(
      fc.nat({ max: CHUNK_MIN + 40_000 }),
      fc.integer({ min: CHUNK_AVERAGE - 20_000, max: CHUNK_AVERAGE + 20_000 }),
      fc.nat({ max: CHUNK_MAX }),
    );
    fc.assert(
      fc.property(starts, lengths, (start, length) => {
        assert.equal(scanner.cut(start, start + length), nextCut(table, data, start, start + length));
      }),
      { numRuns: 300 },
    );
  });

  test("wherever in a block the cut lies, and when there are several", () => {
    // The 32 bytes before a real cut are planted in zeros, whose hash is no cut, at every kind of place.
    const natural = noise("planted", 8 * MIB);
    const cut = nextCut(table, natural, 0, natural.length);
    const window = natural.subarray(cut - 32, cut);
    const data = Buffer.alloc(CHUNK_AVERAGE + 100_000);
    const scanner = scannerWith(data);
    const places = fc.integer({ min: CHUNK_AVERAGE - 10, max: CHUNK_AVERAGE + 90_000 });
    fc.assert(
      fc.property(fc.array(places, { minLength: 1, maxLength: 3 }), (ends) => {
        data.fill(0);
        for (const end of ends) window.copy(data, end - 32);
        scanner.memory.set(data);
        assert.equal(scanner.cut(0, data.length), nextCut(table, data, 0, data.length));
      }),
      { numRuns: 200 },
    );
    data.fill(0);
    for (const end of [CHUNK_AVERAGE + 9000, CHUNK_AVERAGE + 5000]) window.copy(data, end - 32);
    scanner.memory.set(data);
    assert.equal(scanner.cut(0, data.length), CHUNK_AVERAGE + 5000);
  });

  test("on short data, which is one chunk", () => {
    const data = noise("short", CHUNK_MIN + 1);
    const scanner = scannerWith(data);
    for (const length of [0, 1, 31, 32, 33, 4096, CHUNK_MIN - 1, CHUNK_MIN]) {
      assert.equal(scanner.cut(1, 1 + length), length);
      assert.equal(nextCut(table, data, 1, 1 + length), length);
    }
  });
});

suite("cuts", () => {
  const data = noise("distribution", 128 * MIB);
  const scanner = scannerWith(data);
  const lengths = lengthsOf(scanner.cut, data.length);

  test("have the sizes of the format", () => {
    const whole = lengths.slice(0, -1);
    assert.ok(Math.min(...whole) >= CHUNK_MIN);
    assert.ok(Math.max(...whole) <= CHUNK_MAX);
    const mean = data.length / lengths.length;
    assert.ok(mean > MIB && mean < 1.3 * MIB, `mean ${String(mean)}`);
    assert.equal(
      lengths.reduce((sum, length) => sum + length, 0),
      data.length,
    );
  });

  test("never leave a chunk above the maximum", () => {
    const zeros = scannerWith(Buffer.alloc(2 * CHUNK_MAX + 5));
    assert.deepEqual(lengthsOf(zeros.cut, zeros.memory.length), [CHUNK_MAX, CHUNK_MAX, 5]);
  });

  test("are found again behind an inserted byte", () => {
    const part = data.subarray(0, 64 * MIB);
    const before = chunkDigests(part, table);
    const after = chunkDigests(Buffer.concat([Buffer.from([7]), part]), table);
    const found = [...after].filter((digest) => before.has(digest)).length;
    assert.ok(found >= before.size - 4, `${String(found)} of ${String(before.size)}`);
  });

  test("depend on the key", () => {
    const part = data.subarray(0, 32 * MIB);
    const ours = chunkDigests(part, table);
    const theirs = chunkDigests(part, tableOf("another key"));
    assert.ok([...theirs].every((digest) => !ours.has(digest)));
  });

  test("refuse offsets outside of the buffer", () => {
    for (const [start, end] of [
      [-1, 10],
      [11, 10],
      [0, data.length + 1],
      [0.5, 10],
    ] as const) {
      assert.throws(() => scanner.cut(start, end), { name: "AssertionError" });
    }
  });
});

function chunkDigests(data: Uint8Array, gears: Uint32Array): Set<string> {
  const digests = new Set<string>();
  let start = 0;
  for (const length of lengthsOf(scannerWith(data, gears).cut, data.length)) {
    digests.add(
      createHash("sha256")
        .update(data.subarray(start, start + length))
        .digest("hex"),
    );
    start += length;
  }
  return digests;
}
