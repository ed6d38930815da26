/**
 * The blocked Bloom filter of a segment: tells most ids that are not there without reading it (docs/format.md, section
 * 5). Ten bits an entry and seven bits set give about one wrong "maybe" in a hundred.
 *
 * @module
 */
import { FILTER_BLOCK_BYTES } from "./segment-format.ts";

const BITS_PER_ENTRY = 10;
const BLOCK_BITS = FILTER_BLOCK_BYTES * 8;

export function filterBlockCountFor(entryCount: number): number {
  return Math.ceil((entryCount * BITS_PER_ENTRY) / BLOCK_BITS);
}

/** floor(x × blocks / 2^32), exactly: the product can exceed 2^53. */
function blockOf(x: number, blocks: number): number {
  const low = (x & 0xffff) * blocks;
  return Math.floor(((x >>> 16) * blocks + Math.floor(low / 0x1_0000)) / 0x1_0000);
}

/** The parts of an id that a filter looks at; computed once for many filters. */
export interface FilterKey {
  x: number;
  a: number;
  b: number;
  c: number;
}

export function readFilterKey(key: FilterKey, id: Uint8Array, at: number): void {
  key.x = u32(id, at + 16);
  key.a = u32(id, at + 20);
  key.b = u32(id, at + 24);
  key.c = u32(id, at + 28);
}

function u32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  );
}

/** Adds an id to a filter that is not empty. */
export function addToFilter(filter: Uint8Array, key: FilterKey): void {
  const base = blockOf(key.x, filter.length / FILTER_BLOCK_BYTES) * FILTER_BLOCK_BYTES;
  setBit(filter, base, key.a & 511);
  setBit(filter, base, (key.a >>> 9) & 511);
  setBit(filter, base, (key.a >>> 18) & 511);
  setBit(filter, base, key.b & 511);
  setBit(filter, base, (key.b >>> 9) & 511);
  setBit(filter, base, (key.b >>> 18) & 511);
  setBit(filter, base, key.c & 511);
}

/** False: the id was not added to this filter, which is not empty. */
export function filterMayHold(filter: Uint8Array, key: FilterKey): boolean {
  const base = blockOf(key.x, filter.length / FILTER_BLOCK_BYTES) * FILTER_BLOCK_BYTES;
  return (
    hasBit(filter, base, key.a & 511) &&
    hasBit(filter, base, (key.a >>> 9) & 511) &&
    hasBit(filter, base, (key.a >>> 18) & 511) &&
    hasBit(filter, base, key.b & 511) &&
    hasBit(filter, base, (key.b >>> 9) & 511) &&
    hasBit(filter, base, (key.b >>> 18) & 511) &&
    hasBit(filter, base, key.c & 511)
  );
}

function setBit(filter: Uint8Array, base: number, bit: number): void {
  const at = base + (bit >>> 3);
  filter[at] = (filter[at] ?? 0) | (1 << (bit & 7));
}

function hasBit(filter: Uint8Array, base: number, bit: number): boolean {
  return ((filter[base + (bit >>> 3)] ?? 0) & (1 << (bit & 7))) !== 0;
}

/** The filter of rows of `rowBytes` bytes that begin with an id. */
export function buildFilter(rows: Uint8Array, rowBytes: number): Buffer {
  const filter = Buffer.alloc(filterBlockCountFor(rows.length / rowBytes) * FILTER_BLOCK_BYTES);
  const key: FilterKey = { x: 0, a: 0, b: 0, c: 0 };
  for (let at = 0; at < rows.length; at += rowBytes) {
    readFilterKey(key, rows, at);
    addToFilter(filter, key);
  }
  return filter;
}
