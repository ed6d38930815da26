/**
 * Rates of the chunker, one thread: `node bench/chunking.ts`. MB (10^6 bytes) per second of CPU time, median of five
 * with the least and the greatest.
 *
 * @module
 */
import { createCipheriv } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  createReferenceScanner,
  createScanner,
  GEAR_TABLE_BYTES,
  gearTable,
  type Scanner,
} from "../packages/repository/src/chunking/index.ts";

const DATA_BYTES = 64 * 1024 * 1024;
const RUNS = 5;

function noise(seed: number, length: number): Buffer {
  const cipher = createCipheriv("aes-256-ctr", Buffer.alloc(32, seed), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(length));
}

/** TypeScript and JavaScript sources of the installed packages, one after the other. */
function sources(length: number): Buffer {
  const folder = join(import.meta.dirname, "../node_modules");
  const parts: Buffer[] = [];
  let size = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.[cm]?[jt]s$/.test(entry.name)) continue;
    const part = readFileSync(join(entry.parentPath, entry.name));
    parts.push(part);
    size += part.length;
    if (size >= length) break;
  }
  return Buffer.alloc(length, Buffer.concat(parts));
}

function cutAll(scanner: Scanner): number {
  let start = 0;
  let chunks = 0;
  while (start < DATA_BYTES) {
    start += scanner.cut(start, DATA_BYTES);
    chunks += 1;
  }
  return chunks;
}

function testAll(scanner: Scanner): number {
  const step = 1024 * 1024;
  let found = 0;
  for (let start = 0; start < DATA_BYTES; start += step) found += scanner.looksRandom(start, step) ? 1 : 0;
  return found;
}

function measure(label: string, work: () => number): void {
  let result = work();
  const rates = Array.from({ length: RUNS }, () => {
    const before = process.cpuUsage();
    result = work();
    const used = process.cpuUsage(before);
    return DATA_BYTES / (used.user + used.system);
  }).toSorted((a, b) => a - b);
  const [least, median, greatest] = [rates[0], rates[RUNS >> 1], rates[RUNS - 1]].map((rate) =>
    (rate ?? 0).toFixed(0),
  );
  console.log(
    `${label.padEnd(36)} ${String(median)} (${String(least)}-${String(greatest)}) MB/s, ${String(result)}`,
  );
}

const table = gearTable(noise(1, GEAR_TABLE_BYTES));
const inputs = { noise: noise(2, DATA_BYTES), source: sources(DATA_BYTES), zeros: Buffer.alloc(DATA_BYTES) };
for (const scanner of [createReferenceScanner(table, DATA_BYTES), createScanner(table, DATA_BYTES)]) {
  for (const [name, data] of Object.entries(inputs)) {
    scanner.memory.set(data);
    measure(`${scanner.implementation}: cut, ${name}`, () => cutAll(scanner));
    measure(`${scanner.implementation}: looksRandom, ${name}`, () => testAll(scanner));
  }
  measure(`${scanner.implementation}: firstNonZero, zeros`, () => scanner.firstNonZero(0, DATA_BYTES));
}
