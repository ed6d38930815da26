/** Pieces of large files: cuts, zeros and order are those of a plain reading of the whole, however the reads come in. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createScanner, type Scanner, type Segment, ZERO_BLOCK } from "@holdfast/repository";
import type { ContentStore } from "../src/files-backup/content-store.ts";
import { SegmentCollector } from "../src/files-backup/flat-segments.ts";
import { PieceReader } from "../src/files-backup/piece-reader.ts";

const GEAR = Uint32Array.from({ length: 256 }, (_, byte) =>
  createHash("sha256")
    .update(Buffer.from([byte]))
    .digest()
    .readUInt32LE(),
);

/** Noise that is the same each time. */
function noise(bytes: number, seed: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < bytes; at += 1 << 20) {
    const block = Buffer.alloc(1 << 20);
    let state = Math.imul(seed + 1, 0x9e37_79b1) ^ at;
    for (let word = 0; word < block.length; word += 4) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      block.writeInt32LE(state ^ (state >>> 15), word);
    }
    blocks.push(block);
  }
  return Buffer.concat(blocks).subarray(0, bytes);
}

const zeros = (bytes: number): Buffer => Buffer.alloc(bytes);

const INPUTS: ReadonlyMap<string, Buffer> = new Map([
  ["one byte", noise(1, 1)],
  ["a chunk and a bit", noise(4_194_305, 2)],
  ["noise over several blocks", noise(23_000_001, 3)],
  ["no cut at all", Buffer.alloc(19_000_000, 7)],
  ["zeros only", zeros(17_000_000)],
  ["zeros but for the last byte", Buffer.concat([zeros(12_000_000), noise(1, 4)])],
  ["a short run of zeros", Buffer.concat([noise(4_100_000, 5), zeros(150_000), noise(300_000, 6)])],
  [
    "zeros over a border of blocks",
    Buffer.concat([noise(4_000_000, 7), zeros(9_000_000), noise(5_000_000, 8)]),
  ],
  ["zeros at the end", Buffer.concat([noise(3_000_000, 9), zeros(2_000_123)])],
  [
    "many runs",
    Buffer.concat(Array.from({ length: 90 }, (_, at) => (at % 2 === 0 ? noise(99_000, at) : zeros(131_072)))),
  ],
]);

/** The rule, on the whole input at once. */
function expected(scanner: Scanner, input: Buffer): Segment[] {
  scanner.memory.set(input);
  const out = new SegmentCollector();
  let start = 0;
  while (start < input.length) {
    const zeroAt = scanner.nextZeroBlock(Math.ceil(start / ZERO_BLOCK) * ZERO_BLOCK, input.length);
    const end = zeroAt + ZERO_BLOCK <= input.length ? zeroAt : input.length;
    for (let length = 0; start < end; start += length) {
      length = scanner.cut(start, end);
      out.data(idOf(input.subarray(start, start + length)), length);
    }
    if (start === input.length) break;
    const nonZero = scanner.firstNonZero(start, input.length);
    const stop = nonZero === input.length ? nonZero : Math.floor(nonZero / ZERO_BLOCK) * ZERO_BLOCK;
    out.zero(stop - start);
    start = stop;
  }
  return out.takeSegments();
}

function idOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only what the reader calls
const store = { addChunk: idOf } as unknown as ContentStore;

suite("pieces of files", () => {
  const scanner = createScanner(GEAR, 24 * 1024 * 1024);
  const reader = new PieceReader(store, GEAR);
  for (const [name, input] of INPUTS) {
    const wanted = expected(scanner, input);
    const readAt = (target: Uint8Array, offset: number): number => {
      const bytes = input.subarray(offset, offset + target.length);
      target.set(bytes);
      return bytes.length;
    };
    const stretch = { offset: 0, length: input.length };

    test(`${name}: read in turn`, () => {
      const out = new SegmentCollector();
      assert.equal(reader.read(readAt, stretch, undefined, out), input.length);
      assert.deepEqual(out.takeSegments(), wanted);
    });

    test(`${name}: read ahead, early and late`, async () => {
      for (const delayMs of [0, 3]) {
        const out = new SegmentCollector();
        const later = async (target: Uint8Array, offset: number): Promise<number> => {
          // What the system does: it may write to the memory at any time until it answers.
          const got = readAt(target, offset);
          await sleep(delayMs);
          target.fill(0xee);
          readAt(target, offset);
          return got;
        };
        assert.equal(await reader.readAhead(later, stretch, undefined, out), input.length);
        assert.deepEqual(out.takeSegments(), wanted);
      }
    });
  }

  test("a file that ends early gives what there was", async () => {
    const input = noise(6_000_000, 11);
    const readAt = (target: Uint8Array, offset: number): number => {
      const bytes = input.subarray(offset, offset + target.length);
      target.set(bytes);
      return bytes.length;
    };
    const stretch = { offset: 0, length: 20_000_000 };
    const out = new SegmentCollector();
    assert.equal(reader.read(readAt, stretch, undefined, out), input.length);
    assert.deepEqual(out.takeSegments(), expected(scanner, input));
    const later = (target: Uint8Array, offset: number): Promise<number> =>
      Promise.resolve(readAt(target, offset));
    assert.equal(await reader.readAhead(later, stretch, undefined, out), input.length);
    assert.deepEqual(out.takeSegments(), expected(scanner, input));
  });

  test("a failing read is handed on, and the next file is read well", async () => {
    let calls = 0;
    const failing = (): Promise<number> => {
      calls += 1;
      return calls === 2 ? Promise.reject(new Error("disk")) : Promise.resolve(4 * 1024 * 1024);
    };
    const out = new SegmentCollector();
    await assert.rejects(
      reader.readAhead(failing, { offset: 0, length: 20_000_000 }, undefined, out),
      /disk/u,
    );
    const input = INPUTS.get("a chunk and a bit") ?? Buffer.alloc(0);
    const fresh = new SegmentCollector();
    reader.read(
      (target, offset) => input.subarray(offset, offset + target.length).copy(target),
      { offset: 0, length: input.length },
      undefined,
      fresh,
    );
    assert.deepEqual(fresh.takeSegments(), expected(scanner, input));
  });
});
