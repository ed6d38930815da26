/**
 * A service under attack: whether it still answers, how much memory it has taken, and what it logs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Scene } from "../service/scene.ts";

const MEBIBYTE = 1024 * 1024;
/** Above what the process has at rest. */
const GROWTH_MAX = 250 * MEBIBYTE;

/** Of a process of Linux, in bytes. */
function memoryOf(processId: number): number {
  const status = readFileSync(`/proc/${String(processId)}/status`, "latin1");
  return Number(/^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1]) * 1024;
}

/** @returns fails when the process has grown by more than a bound since now. */
export function boundedMemory(processId: number): (what: string) => void {
  const atRest = memoryOf(processId);
  return (what) => {
    const grown = memoryOf(processId) - atRest;
    assert(grown < GROWTH_MAX, `${what}: ${String(Math.round(grown / MEBIBYTE))} MiB more`);
  };
}

/** Every line that the service logs is an event by itself, and none of them a fault of its own. */
export function checkLog({ serviceLog }: Scene): void {
  for (const line of serviceLog().split("\n")) {
    if (line.trim() === "") continue;
    const entry: unknown = JSON.parse(line);
    const { event, level }: { event?: unknown; level?: unknown } = Object(entry);
    assert.equal(typeof event, "string", line);
    assert.notEqual(level, "error", line);
  }
}
