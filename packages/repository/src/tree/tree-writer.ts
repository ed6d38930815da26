/**
 * Builds the tree of a copy from entries in order (docs/format.md, section 7). A page or node is cut where its own
 * content says so, so an unchanged part of a tree comes out as the same records, whatever changed before it. Memory is
 * one page and one node a level.
 *
 * @module
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { ByteWriter } from "@holdfast/kernel";
import type { IdOf } from "../packs/record-id.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import type { EncodedEntries } from "./entry-batch.ts";
import { type Child, encodeChild, LEVEL_MAX } from "./node.ts";
import { compareDirectories, compareRanges, type Key } from "./order.ts";
import { PageBuilder } from "./page-builder.ts";
import { PAGE_ENTRIES_MAX } from "./page.ts";
import { isDirectoryPath, isName } from "./paths.ts";
import { putRecord, type RecordSink } from "./records.ts";
import { ID_BYTES, RefSet } from "./ref-set.ts";
import { addBytes } from "./totals.ts";

/** The root of a written tree: a page or a node, and what lies below it. */
export interface WrittenTree {
  /** Type of the root's record. */
  readonly type: number;
  readonly id: Buffer;
  readonly entries: number;
  /** Sum of the sizes of all files, at most 2^53 - 1. */
  readonly bytes: number;
}

const PAGE_BYTES_MIN = 64 * 1024;
const PAGE_BYTES_CUT = 512 * 1024;
const PAGE_DIVISOR = 512;
const NODE_BYTES_MIN = 16 * 1024;
const NODE_BYTES_CUT = 256 * 1024;
const NODE_DIVISOR = 64;
/** Long paths could fill a node with one child, and the tree would never narrow. */
const CHILDREN_MIN = 2;

const SLASH = Buffer.from("/");

/** One unfinished node. */
interface Level {
  readonly children: ByteWriter;
  readonly refs: RefSet;
  count: number;
  entries: number;
  fileBytes: number;
  first: Key | undefined;
  /** Its only child, while it has one. */
  only: Child | undefined;
}

export class TreeWriter {
  readonly #sink: RecordSink;
  readonly #idOf: IdOf;
  readonly #page = new PageBuilder();
  readonly #pageRefs = new RefSet();
  #pageFirst: Key | undefined;
  #pageFileBytes = 0;
  readonly #levels: Level[] = [];
  readonly #plaintext = new ByteWriter(4096);
  #directory: Buffer | undefined;
  /** CRC-32 of directory path ‖ `/`, once a name needed it. */
  #directoryCrc: number | undefined;
  readonly #lastName = new Uint8Array(1024);
  #lastNameLength = 0;
  #entries = 0;
  #fileBytes = 0;

  constructor(sink: RecordSink, idOf: IdOf) {
    this.#sink = sink;
    this.#idOf = idOf;
  }

  get entries(): number {
    return this.#entries;
  }

  /**
   * Adds the entries `from` to `to` (exclusive) of `batch`, all of them in `directory`. Keys must ascend through all
   * calls; a directory may come in many calls. Nothing of the arguments is kept.
   */
  append(directory: Uint8Array, batch: EncodedEntries, from = 0, to = batch.count): void {
    if (from >= to) return;
    this.#enter(directory);
    const { bytes } = batch;
    let runFrom = from;
    let runStart = from === 0 ? 0 : (batch.ends[from - 1] ?? 0);
    let start = runStart;
    let last: Uint8Array = this.#lastName;
    let lastStart = 0;
    let lastEnd = this.#lastNameLength;
    for (let index = from; index < to; index += 1) {
      const end = batch.ends[index] ?? 0;
      const nameStart = nameStartOf(bytes, start);
      const nameEnd = nameStart + nameLengthOf(bytes, start);
      const isAscending = compareRanges(last, lastStart, lastEnd, bytes, nameStart, nameEnd) < 0;
      if (!isAscending || !isName(bytes, nameStart, nameEnd) || nameEnd > end) {
        assert.fail("entries come out of order");
      }
      if (index === runFrom) this.#openSection(bytes, nameStart, nameEnd);
      const length = this.#page.length + end - runStart;
      if (length >= PAGE_BYTES_MIN && this.#endsPage(length, index - runFrom, bytes, nameStart, nameEnd)) {
        this.#appendRun(batch, runFrom, index + 1, runStart);
        this.#endPage();
        runFrom = index + 1;
        runStart = end;
      }
      last = bytes;
      lastStart = nameStart;
      lastEnd = nameEnd;
      start = end;
    }
    if (runFrom < to) this.#appendRun(batch, runFrom, to, runStart);
    this.#lastName.set(bytes.subarray(lastStart, lastEnd));
    this.#lastNameLength = lastEnd - lastStart;
  }

  /** Stores what is left and returns the root. The writer is then used up. */
  finish(): WrittenTree {
    const totals = { entries: this.#entries, bytes: this.#fileBytes };
    if (this.#entries === 0) {
      const id = putRecord(this.#sink, this.#idOf, RECORD_TYPES.page, this.#page.finish(), this.#pageRefs);
      return { type: RECORD_TYPES.page, id, ...totals };
    }
    if (this.#page.entries > 0) this.#endPage();
    for (let level = 1; ; level += 1) {
      const node = this.#level(level);
      if (level === this.#levels.length && node.only !== undefined) {
        return { type: level === 1 ? RECORD_TYPES.page : RECORD_TYPES.node, id: node.only.id, ...totals };
      }
      if (node.count > 0) this.#endNode(level);
    }
  }

  #enter(directory: Uint8Array): void {
    const current = this.#directory;
    if (current !== undefined && current.equals(directory)) return;
    if (current !== undefined && compareDirectories(current, directory) >= 0) {
      assert.fail("directories come out of order");
    }
    assert(isDirectoryPath(directory));
    this.#page.endSection();
    this.#directory = Buffer.from(directory);
    this.#directoryCrc = undefined;
    this.#lastNameLength = 0;
  }

  #openSection(bytes: Uint8Array, nameStart: number, nameEnd: number): void {
    const directory = this.#directory;
    assert(directory !== undefined);
    this.#pageFirst ??= { directory, name: Buffer.from(bytes.subarray(nameStart, nameEnd)) };
    if (!this.#page.hasOpenSection) this.#page.beginSection(directory);
  }

  #endsPage(length: number, run: number, bytes: Uint8Array, nameStart: number, nameEnd: number): boolean {
    if (length >= PAGE_BYTES_CUT || this.#page.entries + run + 1 >= PAGE_ENTRIES_MAX) return true;
    this.#directoryCrc ??= crc32(SLASH, crc32(this.#directory ?? SLASH));
    return crc32(bytes.subarray(nameStart, nameEnd), this.#directoryCrc) % PAGE_DIVISOR === 0;
  }

  #appendRun(batch: EncodedEntries, from: number, to: number, start: number): void {
    this.#page.append(batch.bytes, start, batch.ends[to - 1] ?? 0, to - from);
    let fileBytes = 0;
    for (let index = from; index < to; index += 1)
      fileBytes = addBytes(fileBytes, batch.fileBytes[index] ?? 0);
    this.#pageFileBytes = addBytes(this.#pageFileBytes, fileBytes);
    this.#fileBytes = addBytes(this.#fileBytes, fileBytes);
    this.#entries += to - from;
    const refsEnd = (batch.refEnds[to - 1] ?? 0) * ID_BYTES;
    let offset = from === 0 ? 0 : (batch.refEnds[from - 1] ?? 0) * ID_BYTES;
    for (; offset < refsEnd; offset += ID_BYTES) this.#pageRefs.add(batch.refs, offset);
  }

  #endPage(): void {
    const first = this.#pageFirst;
    assert(first !== undefined);
    const { entries } = this.#page;
    const id = putRecord(this.#sink, this.#idOf, RECORD_TYPES.page, this.#page.finish(), this.#pageRefs);
    const child = { first, entries, fileBytes: this.#pageFileBytes, id };
    this.#pageRefs.clear();
    this.#pageFirst = undefined;
    this.#pageFileBytes = 0;
    this.#addChild(1, child);
  }

  #addChild(level: number, child: Child): void {
    const node = this.#level(level);
    encodeChild(node.children, child);
    node.refs.add(child.id);
    node.count += 1;
    node.entries += child.entries;
    node.fileBytes = addBytes(node.fileBytes, child.fileBytes);
    node.first ??= child.first;
    node.only = node.count === 1 ? child : undefined;
    const { length } = node.children;
    if (node.count < CHILDREN_MIN || length < NODE_BYTES_MIN) return;
    if (length >= NODE_BYTES_CUT || keyCrc(child.first) % NODE_DIVISOR === 0) this.#endNode(level);
  }

  #endNode(level: number): void {
    const node = this.#level(level);
    assert(node.first !== undefined);
    this.#plaintext.reset();
    this.#plaintext.u8(level).varint(node.count).raw(node.children.view());
    const id = putRecord(this.#sink, this.#idOf, RECORD_TYPES.node, this.#plaintext.view(), node.refs);
    const child = { first: node.first, entries: node.entries, fileBytes: node.fileBytes, id };
    this.#levels[level - 1] = emptyLevel(node);
    this.#addChild(level + 1, child);
  }

  #level(level: number): Level {
    assert(level <= LEVEL_MAX);
    const known = this.#levels[level - 1];
    if (known !== undefined) return known;
    const made = emptyLevel({ children: new ByteWriter(4096), refs: new RefSet() });
    this.#levels.push(made);
    return made;
  }
}

/** A level without children, in the memory of another. */
function emptyLevel({ children, refs }: Pick<Level, "children" | "refs">): Level {
  children.reset();
  refs.clear();
  return { children, refs, count: 0, entries: 0, fileBytes: 0, first: undefined, only: undefined };
}

function keyCrc({ directory, name }: Key): number {
  return crc32(name, crc32(SLASH, crc32(directory)));
}

/** An entry begins with its kind and the length of its name: one byte, or two from 128 on. */
function nameStartOf(bytes: Uint8Array, start: number): number {
  return (bytes[start + 1] ?? 0) < 0x80 ? start + 2 : start + 3;
}

function nameLengthOf(bytes: Uint8Array, start: number): number {
  const low = bytes[start + 1] ?? 0;
  return low < 0x80 ? low : (low & 0x7f) + ((bytes[start + 2] ?? 0) << 7);
}
