/**
 * What one core does with the steps that every backed-up byte goes through.
 *
 * @module
 */
import { randomFillSync } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import {
  ARGON2_DEFAULT,
  chunkIdHasher,
  frameKeys,
  openFrame,
  sealedLength,
  sealFrame,
  sha256,
  stretchPassphrase,
  SUITES,
  type Suite,
} from "@holdfast/crypto";
import { createScanner, GEAR_TABLE_BYTES, gearTable } from "@holdfast/repository";
import { measureBytes, type Measurement } from "./measure.ts";

const BLOCK_BYTES = 1024 * 1024;
const SCANNED_BYTES = 16 * BLOCK_BYTES;
const ZSTD_LEVELS = [1, 3, 6, 9, 15] as const;
const WORD_COUNT = 4096;

/** One measurement after the other, so that each can be shown when it is done. */
export function* measureProcessor(): Generator<Measurement, void, undefined> {
  const random = randomFillSync(Buffer.alloc(BLOCK_BYTES));
  yield* measureCiphers(random);
  yield { group: "hash", name: "SHA-256", bytesPerSecond: measureBytes(BLOCK_BYTES, () => sha256(random)) };
  const idOf = chunkIdHasher(random.subarray(0, 32));
  const ids = measureBytes(BLOCK_BYTES, () => idOf(random));
  yield { group: "hash", name: "HMAC-SHA-256 (chunk ids)", bytesPerSecond: ids };
  yield measureChunker();
  yield* measureCompression(textBlock());
  const copy = Buffer.alloc(SCANNED_BYTES);
  const original = Buffer.alloc(SCANNED_BYTES, 1);
  const memory = measureBytes(SCANNED_BYTES, () => void original.copy(copy));
  yield { group: "memory", name: "copy", bytesPerSecond: memory };
}

/** How long it takes to try a passphrase, in milliseconds. */
export function measurePassphrase(): number {
  const startMs = performance.now();
  stretchPassphrase(Buffer.from("benchmark", "latin1"), Buffer.alloc(16), ARGON2_DEFAULT);
  return performance.now() - startMs;
}

function* measureCiphers(block: Buffer): Generator<Measurement, void, undefined> {
  for (const suite of SUITES.filter(({ method }) => method !== null)) {
    const { seal, open } = cipherWork(suite, block);
    const bits = String(suite.keyBits);
    const name = suite.method === "gcm" ? `AES-${bits}-GCM` : `AES-${bits}-CBC with HMAC`;
    yield { group: "cipher", name: `${name}, encrypt`, bytesPerSecond: measureBytes(BLOCK_BYTES, seal) };
    yield { group: "cipher", name: `${name}, decrypt`, bytesPerSecond: measureBytes(BLOCK_BYTES, open) };
  }
}

function cipherWork(suite: Suite, block: Buffer): { readonly seal: () => void; readonly open: () => void } {
  const keys = frameKeys(suite, block.subarray(0, 32), block.subarray(32, 48));
  const aad = Buffer.alloc(32);
  const sealed = Buffer.alloc(sealedLength(suite, block.length));
  let counter = 0;
  const seal = (): void => {
    counter += 1;
    sealFrame(keys, counter, 0, aad, block, sealed);
  };
  seal();
  const openable = Buffer.from(sealed);
  const openableCounter = counter;
  return { seal, open: () => void openFrame(keys, openableCounter, 0, aad, openable, "The benchmark") };
}

function measureChunker(): Measurement {
  const scanner = createScanner(gearTable(randomFillSync(Buffer.alloc(GEAR_TABLE_BYTES))), SCANNED_BYTES);
  randomFillSync(scanner.memory);
  const bytesPerSecond = measureBytes(SCANNED_BYTES, () => {
    for (let start = 0; start < SCANNED_BYTES; ) start += scanner.cut(start, SCANNED_BYTES);
  });
  return { group: "chunker", name: "content-defined chunks", bytesPerSecond, note: scanner.implementation };
}

function* measureCompression(block: Buffer): Generator<Measurement, void, undefined> {
  for (const level of ZSTD_LEVELS) {
    const options = { params: { [constants.ZSTD_c_compressionLevel]: level } };
    let compressed = block.length;
    const bytesPerSecond = measureBytes(block.length, () => {
      compressed = zstdCompressSync(block, options).length;
    });
    const ratio = (block.length / compressed).toFixed(2);
    yield { group: "compression", name: `zstd ${String(level)}`, bytesPerSecond, note: `to 1/${ratio}` };
  }
}

/** Text of words that come often and rarely, as in real text; the same every time. */
function textBlock(): Buffer {
  let state = 1;
  const next = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  const words = Array.from({ length: WORD_COUNT }, () =>
    Math.floor(next() * 36 ** 6)
      .toString(36)
      .slice(0, 2 + Math.floor(next() * 7)),
  );
  const block = Buffer.alloc(BLOCK_BYTES, " ");
  for (let at = 0; at < BLOCK_BYTES; ) {
    const word = words[Math.floor(WORD_COUNT * next() ** 3)] ?? "";
    block.write(word, at, "latin1");
    at += word.length + 1;
  }
  return block;
}
