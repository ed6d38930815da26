/**
 * Looks entries of the last backup up in the change cache, in the order of the tree: a merge of two sorted lists.
 *
 * A block that is damaged or cannot be read has no rows; its entries are read anew.
 *
 * @module
 */
import { readSync } from "node:fs";
import type { CacheBlock } from "../messages.ts";
import { type PathText, toText } from "../path-text.ts";
import { compareDirectories, compareTexts } from "./compare.ts";
import type { CacheSeal } from "./format.ts";
import { type CachedRow, compareRowName, hasStamp } from "./rows.ts";
import { cameToRestBefore, type Stamp } from "./stamp.ts";

/** Tasks of a thread are near each other in the tree, and go back by a block at most. */
const BLOCKS_KEPT = 3;
const BLOCK_BYTES_MAX = 64 * 1024 * 1024;

interface OpenBlock {
  readonly number: number;
  readonly bytes: Buffer;
  readonly view: DataView;
}

export interface CursorSource {
  readonly fd: number;
  readonly seal: CacheSeal;
  readonly blocks: readonly CacheBlock[];
  /** Entries that changed at or after this time, seconds since 1970, never match: see `stamp.ts`. */
  readonly restBeforeSeconds: number;
}

export type Lookup = "missing" | "changed" | CachedRow;

export class CacheCursor {
  readonly #source: CursorSource;
  readonly #open: OpenBlock[] = [];
  #directory: PathText = "";
  #block: OpenBlock | undefined;
  /** The next row, or `#sectionEnd`. */
  #row = 0;
  #sectionEnd = 0;

  constructor(source: CursorSource) {
    this.#source = source;
  }

  /** Goes to the rows of `directory`, from the name `from` on. */
  begin(directory: PathText, from: PathText): void {
    this.#directory = directory;
    this.#block = undefined;
    const number = this.#lastAtOrBefore(directory, from);
    this.#enter(Math.max(0, number));
  }

  /** Looks an entry of the directory up; names must ascend from call to call. */
  find(name: Uint8Array, stamp: Stamp): Lookup {
    while (this.#block !== undefined) {
      const { bytes, view } = this.#block;
      while (this.#row < this.#sectionEnd) {
        const start = this.#row;
        const order = compareRowName(bytes, start, name);
        if (order > 0) return "missing";
        const end = start + 4 + bytes.readUInt32LE(start);
        this.#row = end;
        if (order < 0) continue;
        const isUnchanged =
          hasStamp(view, start, stamp) && cameToRestBefore(stamp, this.#source.restBeforeSeconds);
        return isUnchanged ? { block: bytes, start, end } : "changed";
      }
      // A directory may go on in the next block.
      this.#enter(this.#block.number + 1);
    }
    return "missing";
  }

  /** The number of the last block whose first key is at or before the given one; -1 when there is none. */
  #lastAtOrBefore(directory: PathText, name: PathText): number {
    const { blocks } = this.#source;
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = blocks[middle];
      const order =
        block === undefined
          ? 0
          : compareDirectories(block.directory, directory) || compareTexts(block.name, name);
      if (order <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Finds the directory's section in the block; none when the block begins behind the directory. */
  #enter(number: number): void {
    const described = this.#source.blocks[number];
    this.#block = undefined;
    if (described === undefined || compareDirectories(described.directory, this.#directory) > 0) return;
    const block = this.#load(number, described);
    if (block === undefined) return;
    const { bytes } = block;
    let at = 0;
    while (at < bytes.length) {
      const end = at + 4 + bytes.readUInt32LE(at);
      const pathEnd = at + 8 + bytes.readUInt32LE(at + 4);
      const order = compareDirectories(toText(bytes.subarray(at + 8, pathEnd)), this.#directory);
      if (order > 0) return;
      if (order === 0) {
        this.#block = block;
        this.#row = pathEnd;
        this.#sectionEnd = end;
        return;
      }
      at = end;
    }
    // The block ends before the directory: the next one may begin with it.
    this.#enter(number + 1);
  }

  #load(number: number, described: CacheBlock): OpenBlock | undefined {
    const known = this.#open.find((block) => block.number === number);
    if (known !== undefined) return known;
    const bytes = readBlock(this.#source, described);
    if (bytes === undefined) return undefined;
    const block = { number, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
    if (this.#open.length >= BLOCKS_KEPT) this.#open.shift();
    this.#open.push(block);
    return block;
  }
}

function readBlock({ fd, seal }: CursorSource, { offset, length }: CacheBlock): Buffer | undefined {
  if (length > BLOCK_BYTES_MAX) return undefined;
  const sealed = Buffer.allocUnsafeSlow(length);
  try {
    for (let done = 0; done < length; ) {
      const count = readSync(fd, sealed, done, length - done, offset + done);
      if (count === 0) return undefined;
      done += count;
    }
    return seal.open(sealed, offset, false);
  } catch {
    return undefined;
  }
}
