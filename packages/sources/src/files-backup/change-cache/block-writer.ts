/**
 * Writes blocks of the new change cache; each thread has a writer of its own, and all append to one file.
 *
 * A cache that cannot be written (disk full) is given up: the next backup then reads everything.
 *
 * @module
 */
import { writeSync } from "node:fs";
import type { CacheBlock } from "../messages.ts";
import { type PathText, toBytes, toText } from "../path-text.ts";
import { FRAME_BOX_OVERHEAD_BYTES } from "@holdfast/crypto";
import type { CacheSeal } from "./format.ts";
import { type CachedRow, RowWriter } from "./rows.ts";
import type { Stamp } from "./stamp.ts";

const BLOCK_BYTES = 256 * 1024;

export interface BlockTarget {
  readonly fd: number;
  readonly seal: CacheSeal;
  /** Where the next block goes in the file, shared by all threads; -1 once writing has failed. */
  readonly end: BigInt64Array;
}

export class BlockWriter {
  readonly #target: BlockTarget;
  readonly #written: (block: CacheBlock) => void;
  readonly #rows = new RowWriter();
  #directory: PathText | undefined;
  #first: { readonly directory: PathText; readonly name: PathText } | undefined;

  /** @param written called for every block, in the order of its rows. */
  constructor(target: BlockTarget, written: (block: CacheBlock) => void) {
    this.#target = target;
    this.#written = written;
  }

  add(directory: PathText, name: Buffer, stamp: Stamp, entry: Uint8Array, refs: Uint8Array): void {
    this.#begin(directory, name);
    this.#rows.add(stamp, entry, refs);
    this.#flushIfFull();
  }

  copy(directory: PathText, name: Buffer, row: CachedRow): void {
    this.#begin(directory, name);
    this.#rows.copy(row);
    this.#flushIfFull();
  }

  /** Writes what was added: before anything that comes next in the tree is written by somebody else. */
  flush(): void {
    const first = this.#first;
    if (first === undefined) return;
    const block = this.#rows.finish();
    this.#first = undefined;
    this.#directory = undefined;
    const length = block.length + FRAME_BOX_OVERHEAD_BYTES;
    const offset = Number(Atomics.add(this.#target.end, 0, BigInt(length)));
    if (offset < 0) return;
    try {
      const sealed = this.#target.seal.seal(block, offset, false);
      for (let done = 0; done < length; ) {
        done += writeSync(this.#target.fd, sealed, done, length - done, offset + done);
      }
      this.#written({ ...first, offset, length });
    } catch {
      Atomics.store(this.#target.end, 0, BigInt(Number.MIN_SAFE_INTEGER));
    }
  }

  #begin(directory: PathText, name: Buffer): void {
    this.#first ??= { directory, name: toText(name) };
    if (this.#directory === directory) return;
    this.#directory = directory;
    this.#rows.beginSection(toBytes(directory));
  }

  #flushIfFull(): void {
    if (this.#rows.length >= BLOCK_BYTES) this.flush();
  }
}
