/**
 * Loads `build/scanner.wasm`, which `tools/build-wasm.ts` compiles from `assembly/`. The layout of the memory is
 * the one of `assembly/memory.as.ts`.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { errorCode } from "@holdfast/kernel";

/** Where the 256 gear values lie in the memory, bytes. */
export const TABLE_OFFSET = 1024;

/** Where the input begins in the memory, bytes: page-aligned, as direct reads need. */
export const INPUT_OFFSET = 4096;

const WASM_PAGE_BYTES = 64 * 1024;

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** What `assembly/scanner.as.ts` exports; all offsets are addresses in the memory. */
interface ScannerExports {
  scan(from: number, to: number, limit: number): number;
  firstNonZero(from: number, to: number): number;
  nextZeroBlock(from: number, to: number, blockBytes: number): number;
  clearSample(): void;
  countPiece(from: number, length: number): number;
  sampleSquares(): number;
}

/** The part of the global used here; the types of Node leave it to those of browsers. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { readonly initial: number }) => WasmMemory;
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: ScannerExports };
};

/** Zeroed memory with room for so many bytes of input. */
export function newMemory(inputBytes: number): WasmMemory {
  return new WebAssembly.Memory({ initial: Math.ceil((INPUT_OFFSET + inputBytes) / WASM_PAGE_BYTES) });
}

/** `undefined` when the file was not built; any other failure to load it is thrown. */
export function loadScannerModule(memory: WasmMemory): ScannerExports | undefined {
  const code = readCode();
  if (code === undefined) return undefined;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
  return instance.exports;
}

function readCode(): Uint8Array | undefined {
  try {
    return readFileSync(new URL("../../build/scanner.wasm", import.meta.url));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
