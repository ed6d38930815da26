/**
 * What is in the memory of a process: read from /proc, and from the core image that the kernel writes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";

export type Values = Readonly<Record<string, Uint8Array>>;

const BLOCK_BYTES = 16 * 1024 * 1024;

/** In front of a command whose core image is wanted. */
export const WITH_CORE_IMAGE = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh"] as const;

/** Why the kernel writes no core image into the working folder of a process; false: it does. core(5) */
export function noCoreImage(): string | false {
  if (process.platform !== "linux") return "core images are those of Linux";
  if (/[|/]/u.test(readFileSync("/proc/sys/kernel/core_pattern", "utf8")))
    return "the kernel gives core images to a program, or to another folder";
  const { status } = spawnSync("sh", ["-c", "ulimit -c unlimited"]);
  return status === 0 ? false : "the size of core images is limited";
}

/** Aborts the process; returns the names of the values in the core image that the kernel writes into the folder. */
export async function valuesInCoreImage(
  child: ChildProcess,
  values: Values,
  folder: string,
): Promise<readonly string[]> {
  const [already, ended] = [readdirSync(folder), once(child, "exit")];
  assert(child.kill("SIGABRT"));
  await ended;
  const [image, ...others] = readdirSync(folder).filter((name) => !already.includes(name));
  assert(image !== undefined && others.length === 0, "a core image");
  const file = openSync(join(folder, image), "r");
  try {
    const search = new Search(values);
    for (let at = 0; search.read(file, at, BLOCK_BYTES) === BLOCK_BYTES; at += BLOCK_BYTES);
    return search.found;
  } finally {
    closeSync(file);
    rmSync(join(folder, image));
  }
}

/** Names of the values in the memory of the process: everything it has written to that is mapped and in use. */
export function valuesInMemory(processId: number, values: Values): readonly string[] {
  const search = new Search(values);
  const memory = openSync(`/proc/${String(processId)}/mem`, "r");
  try {
    for (const { start, end } of usedRanges(processId)) {
      for (let at = start; at < end; at += BLOCK_BYTES)
        search.read(memory, at, Math.min(BLOCK_BYTES, end - at));
      search.endOfRange();
    }
  } finally {
    closeSync(memory);
  }
  return search.found;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** proc(5): ranges that can be read, and have pages of their own in memory or in swap. */
function usedRanges(processId: number): readonly Range[] {
  const smaps = readFileSync(`/proc/${String(processId)}/smaps`, "latin1");
  const ranges: Range[] = [];
  for (const block of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/mu)) {
    const [, start = "", end = "", name = ""] =
      /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \d+ *(.*)$/mu.exec(block) ?? [];
    const used = [...block.matchAll(/^(?:Rss|Swap): +(\d+) kB$/gmu)].some(
      ([, kibibytes]) => kibibytes !== "0",
    );
    const isOfKernel = name.startsWith("[v");
    if (start !== "" && used && !isOfKernel) {
      ranges.push({ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) });
    }
  }
  assert(ranges.length > 10, "the memory of the process cannot be seen");
  return ranges;
}

/** What was given back since the ranges were listed holds nothing any more. */
function readMapped(file: number, block: Buffer, offset: number, length: number, position: number): number {
  try {
    return readSync(file, block, offset, length, position);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EIO") return 0;
    throw error;
  }
}

/** Looks for values in a stream of blocks, also where one begins in a block and ends in the next. */
class Search {
  readonly #values: Values;
  readonly #overlap: number;
  readonly #block: Buffer;
  readonly #zeros: Buffer;
  readonly #found = new Set<string>();
  #kept = 0;

  constructor(values: Values) {
    this.#values = values;
    this.#overlap = Math.max(...Object.values(values).map((value) => value.length)) - 1;
    this.#block = Buffer.alloc(BLOCK_BYTES + this.#overlap);
    this.#zeros = Buffer.alloc(this.#block.length);
  }

  get found(): readonly string[] {
    return [...this.#found];
  }

  /** @returns how much was read. */
  read(file: number, position: number, length: number): number {
    const read = readMapped(file, this.#block, this.#kept, length, position);
    const held = this.#block.subarray(0, this.#kept + read);
    // A core image has the whole of what is reserved, as holes of the file.
    if (held.equals(this.#zeros.subarray(0, held.length))) return read;
    for (const [name, value] of Object.entries(this.#values)) {
      if (!this.#found.has(name) && held.includes(value)) this.#found.add(name);
    }
    this.#kept = Math.min(this.#overlap, held.length);
    held.copyWithin(0, held.length - this.#kept);
    return read;
  }

  endOfRange(): void {
    this.#kept = 0;
  }
}
