import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { createReferenceScanner, createScanner } from "../src/chunking/index.ts";
import { noise, sourceText, tableOf } from "./chunking-data.ts";

const MIB = 1024 * 1024;
const table = tableOf("noise");
const scanner = createScanner(table, MIB);
const reference = createReferenceScanner(table, MIB);

/** The verdict on at most 1 MiB of data, by both implementations. */
function looksRandom(data: Uint8Array): boolean {
  const [verdict, expected] = [scanner, reference].map((each) => {
    each.memory.set(data);
    return each.looksRandom(0, data.length);
  });
  assert.equal(verdict, expected);
  return verdict === true;
}

function pieces(data: Uint8Array, length: number): Uint8Array[] {
  return Array.from({ length: Math.floor(data.length / length) }, (_, index) =>
    data.subarray(index * length, (index + 1) * length),
  );
}

/** Share that zstd level 3 takes off. */
function gain(data: Uint8Array): number {
  const params = { [constants.ZSTD_c_compressionLevel]: 3 };
  return 1 - zstdCompressSync(data, { params }).length / data.length;
}

function mapped(seed: string, change: (byte: number, index: number) => number): Buffer {
  return Buffer.from(noise(seed, MIB).map(change));
}

function noiseWith(seed: string, at: number, other: Uint8Array): Buffer {
  const data = noise(seed, MIB);
  data.set(other, at);
  return data;
}

suite("noise test", () => {
  test("says noise on encrypted data of every length from 4 KiB on", () => {
    for (let seed = 0; seed < 100; seed += 1) assert.ok(looksRandom(noise(`cipher ${String(seed)}`, MIB)));
    for (const length of [4096, 4097, 6000, 16_383, 16_384, 16_640, 131_072, 500_001]) {
      for (let seed = 0; seed < 20; seed += 1) {
        assert.ok(looksRandom(noise(`short ${String(seed)}`, length)), String(length));
      }
    }
  });

  test("says noise on compressed data", () => {
    const source = sourceText("compressed", 24 * MIB);
    const program = readFileSync(process.execPath).subarray(0, 16 * MIB);
    const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
    for (const [name, data] of Object.entries({
      "gzip of text": gzipSync(source),
      "gzip of a program": gzipSync(program),
      "zstd of text": zstdCompressSync(source),
      "brotli of a program": brotliCompressSync(program, brotli),
      "zstd of a program": zstdCompressSync(program),
    })) {
      const verdicts = pieces(data, MIB / 2).map(looksRandom);
      const share = verdicts.filter(Boolean).length / verdicts.length;
      assert.ok(share > 0.85, `${name}: ${String(share)} of ${String(verdicts.length)}`);
    }
  });

  test("never says noise on text or programs", () => {
    for (const data of [sourceText("text", 8 * MIB), readFileSync(process.execPath).subarray(0, 48 * MIB)]) {
      for (const piece of pieces(data, MIB)) {
        if (looksRandom(piece)) assert.ok(gain(piece) < 0.03, `gain ${String(gain(piece))}`);
      }
    }
    assert.ok(!looksRandom(sourceText("short text", 4096)));
  });

  test("never says noise on structured numbers", () => {
    const floats = Float64Array.from({ length: MIB / 8 }, (_, index) => Math.sin(index) ** 2);
    const singles = Float32Array.from({ length: MIB / 4 }, (_, index) => Math.cos(index * 1.7));
    const counters = Uint32Array.from({ length: MIB / 4 }, (_, index) => index * 7919);
    const inputs: Record<string, Uint8Array> = {
      zeros: new Uint8Array(MIB),
      floats: new Uint8Array(floats.buffer),
      singles: new Uint8Array(singles.buffer),
      counters: new Uint8Array(counters.buffer),
      ramp: mapped("", (_, index) => index),
      base64: Buffer.from(noise("base64", MIB).toString("base64").slice(0, MIB)),
      hex: Buffer.from(noise("hex", MIB / 2).toString("hex")),
      "7 bits": mapped("7 bits", (byte) => byte & 0x7f),
      "samples of 16 bits": mapped("sound", (byte, index) => (index % 2 === 0 ? byte : (byte << 24) >> 28)),
      "records with two zero bytes of 16": mapped("ids", (byte, index) => (index % 16 < 2 ? 0 : byte)),
      "pages with a zero header": mapped("pages", (byte, index) => (index % 8192 < 300 ? 0 : byte)),
    };
    for (const [name, data] of Object.entries(inputs)) assert.ok(!looksRandom(data), name);
  });

  test("sees text in noise from a tenth on, wherever it lies", () => {
    const text = sourceText("mixed", MIB / 10);
    for (let at = 0; at + text.length <= MIB; at += 30_011) {
      assert.ok(!looksRandom(noiseWith(String(at), at, text)), String(at));
    }
  });

  test("tolerates one header", () => {
    assert.ok(looksRandom(noiseWith("header", 0, sourceText("header", 600))));
  });

  test("does not judge less than 4 KiB", () => {
    for (const length of [0, 1, 255, 256, 4095]) assert.ok(!looksRandom(noise("tiny", length)));
  });

  test("is the same in both implementations on any mixture and place", () => {
    const data = noiseWith("mixture", 300_000, sourceText("mixture", 200_000));
    for (const each of [scanner, reference]) each.memory.set(data);
    fc.assert(
      fc.property(fc.nat({ max: MIB - 1 }), fc.nat({ max: 400_000 }), (start, wanted) => {
        const length = Math.min(wanted, MIB - start);
        assert.equal(scanner.looksRandom(start, length), reference.looksRandom(start, length));
      }),
      { numRuns: 200 },
    );
  });
});
