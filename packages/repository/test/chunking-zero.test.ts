import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { createReferenceScanner, createScanner, ZERO_BLOCK } from "../src/chunking/index.ts";
import { tableOf } from "./chunking-data.ts";

const BUFFER_BYTES = 512 * 1024;
const table = tableOf("zeros");
const scanners = [createScanner(table, BUFFER_BYTES), createReferenceScanner(table, BUFFER_BYTES)];

test("both implementations are there", () => {
  assert.deepEqual(
    scanners.map((scanner) => scanner.implementation),
    ["wasm", "reference"],
  );
});

for (const scanner of scanners) {
  const { memory } = scanner;

  suite(`zeros, ${scanner.implementation}`, () => {
    test("the input lies page-aligned in zeroed memory", () => {
      assert.equal(memory.byteOffset % 4096, 0);
      assert.equal(memory.length, BUFFER_BYTES);
      assert.equal(createScanner(table, 100).firstNonZero(0, 100), 100);
    });

    test("the first other byte is found at every offset, and none outside", () => {
      const offsets = fc.nat({ max: 300 });
      fc.assert(
        fc.property(
          offsets,
          offsets,
          offsets,
          fc.integer({ min: 1, max: 255 }),
          (start, length, at, byte) => {
            const end = start + length;
            memory.fill(0, 0, 1000);
            memory[at] = byte;
            assert.equal(scanner.firstNonZero(start, end), at >= start && at < end ? at : end);
          },
        ),
        { numRuns: 500 },
      );
      memory.fill(0);
      assert.equal(scanner.firstNonZero(3, BUFFER_BYTES), BUFFER_BYTES);
      memory[BUFFER_BYTES - 1] = 1;
      assert.equal(scanner.firstNonZero(3, BUFFER_BYTES), BUFFER_BYTES - 1);
    });

    test("the next zero block counts from the start and must be whole", () => {
      memory.fill(1);
      assert.equal(scanner.nextZeroBlock(0, BUFFER_BYTES), BUFFER_BYTES);
      memory.fill(0, 2 * ZERO_BLOCK + 5, 3 * ZERO_BLOCK + 5);
      assert.equal(scanner.nextZeroBlock(5, BUFFER_BYTES), 2 * ZERO_BLOCK + 5);
      assert.equal(scanner.nextZeroBlock(4, BUFFER_BYTES), BUFFER_BYTES);
      assert.equal(scanner.nextZeroBlock(5, 3 * ZERO_BLOCK + 4), 3 * ZERO_BLOCK + 4);
      assert.equal(scanner.nextZeroBlock(5, 3 * ZERO_BLOCK + 5), 2 * ZERO_BLOCK + 5);
      memory[3 * ZERO_BLOCK + 4] = 9;
      assert.equal(scanner.nextZeroBlock(5, BUFFER_BYTES), BUFFER_BYTES);
      assert.equal(scanner.nextZeroBlock(7, 7), 7);
    });
  });
}
