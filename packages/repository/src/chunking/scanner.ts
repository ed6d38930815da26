/**
 * Everything that looks at each byte of a file before it is hashed: cuts, zero runs, noise.
 *
 * The input lies in WebAssembly memory, which `readSync`, hashes, compressors and ciphers take as it is, so nothing
 * is copied.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ByteCounter, isNoise } from "./noise.ts";
import { byteCounter, firstNonZero, nextZeroBlock, scan } from "./reference.ts";
import { chunkLength, type Scan } from "./rule.ts";
import { INPUT_OFFSET, loadScannerModule, newMemory, TABLE_OFFSET, type WasmMemory } from "./wasm.ts";

/** Bytes. The size of the blocks that {@link Scanner.nextZeroBlock} looks for. */
export const ZERO_BLOCK = 64 * 1024;

const BUFFER_BYTES_MAX = 1024 ** 3;

/** Offsets count from the start of `memory`; `end` is exclusive. An offset outside of `memory` is an assertion. */
export interface Scanner {
  /** Which implementation runs; both give the same results. */
  readonly implementation: "wasm" | "reference";
  /** The input: `bufferBytes` bytes at an address divisible by 4096. Fill it, then ask. */
  readonly memory: Uint8Array<ArrayBuffer>;
  /**
   * Bytes in the chunk that begins at `start`. Data behind `end` is not looked at, so `end` must be the end of the
   * data or lie at least `CHUNK_MAX` behind `start`.
   */
  readonly cut: (start: number, end: number) => number;
  /** The first offset in `[start, end)` of a byte other than zero, or `end`. */
  readonly firstNonZero: (start: number, end: number) => number;
  /**
   * The first offset `start + k * ZERO_BLOCK` of a whole block in `[start, end)` that is all zero, or `end`. A zero
   * rest shorter than a block is not found.
   */
  readonly nextZeroBlock: (start: number, end: number) => number;
  /** True when a sample of the data says that zstd would hardly gain 3 %. False below 4 KiB. */
  readonly looksRandom: (start: number, length: number) => boolean;
}

/** The primitives of which a scanner is made; offsets as in {@link Scanner}, unchecked. */
interface Primitives {
  readonly implementation: Scanner["implementation"];
  readonly scan: Scan;
  readonly firstNonZero: (start: number, end: number) => number;
  readonly nextZeroBlock: (start: number, end: number, blockBytes: number) => number;
  readonly counter: ByteCounter;
}

/**
 * A scanner with an input buffer of its own, for one thread.
 *
 * @param table the gear values, from {@link gearTable}.
 * @param bufferBytes size of the input buffer, at most 1 GiB.
 */
export function createScanner(table: Uint32Array, bufferBytes: number): Scanner {
  const memory = newMemory(checkedBufferBytes(bufferBytes));
  return assemble(memory, bufferBytes, wasmPrimitives(table, memory) ?? referencePrimitives(table, memory));
}

/** The same scanner without WebAssembly code: slower, for comparison. */
export function createReferenceScanner(table: Uint32Array, bufferBytes: number): Scanner {
  const memory = newMemory(checkedBufferBytes(bufferBytes));
  return assemble(memory, bufferBytes, referencePrimitives(table, memory));
}

function checkedBufferBytes(bufferBytes: number): number {
  assert(Number.isInteger(bufferBytes) && bufferBytes > 0 && bufferBytes <= BUFFER_BYTES_MAX);
  return bufferBytes;
}

/** `undefined` when the code was not built. */
function wasmPrimitives(table: Uint32Array, memory: WasmMemory): Primitives | undefined {
  const wasm = loadScannerModule(memory);
  if (wasm === undefined) return undefined;
  assert.equal(table.length, 256);
  new Uint32Array(memory.buffer, TABLE_OFFSET, 256).set(table);
  return {
    implementation: "wasm",
    scan: (from, to, limit) => wasm.scan(from + INPUT_OFFSET, to + INPUT_OFFSET, limit) - INPUT_OFFSET,
    firstNonZero: (start, end) => wasm.firstNonZero(start + INPUT_OFFSET, end + INPUT_OFFSET) - INPUT_OFFSET,
    nextZeroBlock: (start, end, blockBytes) =>
      wasm.nextZeroBlock(start + INPUT_OFFSET, end + INPUT_OFFSET, blockBytes) - INPUT_OFFSET,
    counter: {
      clearSample: () => wasm.clearSample(),
      countPiece: (start, length) => wasm.countPiece(start + INPUT_OFFSET, length),
      sampleSquares: () => wasm.sampleSquares(),
    },
  };
}

function referencePrimitives(table: Uint32Array, memory: WasmMemory): Primitives {
  assert.equal(table.length, 256);
  const gears = Uint32Array.from(table);
  const bytes = new Uint8Array(memory.buffer, INPUT_OFFSET);
  return {
    implementation: "reference",
    scan: (from, to, limit) => scan(gears, bytes, from, to, limit),
    firstNonZero: (start, end) => firstNonZero(bytes, start, end),
    nextZeroBlock: (start, end, blockBytes) => nextZeroBlock(bytes, start, end, blockBytes),
    counter: byteCounter(bytes),
  };
}

function assemble(memory: WasmMemory, bufferBytes: number, primitives: Primitives): Scanner {
  // The WebAssembly code reads what it is told to read: a wrong offset must not get that far.
  const check = (start: number, end: number): void => {
    assert(Number.isInteger(start) && Number.isInteger(end));
    assert(start >= 0 && start <= end && end <= bufferBytes);
  };
  return {
    implementation: primitives.implementation,
    memory: new Uint8Array(memory.buffer, INPUT_OFFSET, bufferBytes),
    cut: (start, end) => {
      check(start, end);
      return chunkLength(primitives.scan, start, end);
    },
    firstNonZero: (start, end) => {
      check(start, end);
      return primitives.firstNonZero(start, end);
    },
    nextZeroBlock: (start, end) => {
      check(start, end);
      return primitives.nextZeroBlock(start, end, ZERO_BLOCK);
    },
    looksRandom: (start, length) => {
      check(start, start + length);
      return isNoise(primitives.counter, start, length);
    },
  };
}
