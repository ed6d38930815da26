/**
 * Collects the segments of one file and moves them into `list` records once there are many (docs/format.md,
 * section 6, *Writers*). A level keeps one unfinished list, so memory grows with the logarithm of the file.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ByteWriter } from "@holdfast/kernel";
import type { IdOf } from "../packs/record-id.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import {
  type Content,
  encodeListChild,
  encodeSegment,
  type ListChild,
  LIST_DEPTH_MAX,
  type Segment,
  SEGMENT_BYTES_MAX,
} from "./content.ts";
import { putRecord, type RecordSink } from "./records.ts";
import { RefSet } from "./ref-set.ts";

/** So many segments stand in the entry itself. */
export const ENTRY_SEGMENTS = 64;
const LIST_ENTRIES = 4096;
const CUT_DIVISOR = 512;
/** Above depth 0 a list has at least two children, so that every level is shorter than the one below. */
const CHILDREN_MIN = 2;

/** One unfinished list. */
interface Level {
  readonly writer: ByteWriter;
  readonly refs: RefSet;
  count: number;
  bytes: number;
}

export class ContentListBuilder {
  readonly #sink: RecordSink;
  readonly #idOf: IdOf;
  #segments: Segment[] = [];
  readonly #levels: Level[] = [];
  readonly #plaintext = new ByteWriter(0);
  #size = 0;

  constructor(sink: RecordSink, idOf: IdOf) {
    this.#sink = sink;
    this.#idOf = idOf;
  }

  /** Bytes of content so far. */
  get size(): number {
    return this.#size;
  }

  push(segment: Segment): void {
    assert(segment.length > 0);
    if (segment.kind !== "data" && segment.length > SEGMENT_BYTES_MAX) {
      this.push({ kind: segment.kind, length: SEGMENT_BYTES_MAX });
      this.push({ kind: segment.kind, length: segment.length - SEGMENT_BYTES_MAX });
      return;
    }
    this.#size += segment.length;
    if (this.#levels.length > 0) {
      this.#addSegment(segment);
      return;
    }
    this.#segments.push(segment);
    if (this.#segments.length > ENTRY_SEGMENTS) {
      for (const held of this.#segments) this.#addSegment(held);
      this.#segments = [];
    }
  }

  /** Ends the file. What was stored of it is `content`, of {@link size} bytes; the builder is then empty again. */
  finish(): Content {
    const content = this.#finish();
    this.#segments = [];
    this.#levels.length = 0;
    this.#size = 0;
    return content;
  }

  #finish(): Content {
    if (this.#levels.length === 0) {
      return this.#segments.length === 0 ? { form: "empty" } : { form: "segments", segments: this.#segments };
    }
    for (let depth = 0; ; depth += 1) {
      const level = this.#level(depth);
      const isTop = depth === this.#levels.length - 1;
      if (isTop && depth > 0 && level.count === 1) {
        return { form: "list", depth: depth - 1, id: Buffer.from(level.refs.view()) };
      }
      if (isTop && depth === 0) return { form: "list", depth: 0, id: this.#store(depth).id };
      if (level.count > 0) this.#spill(depth);
    }
  }

  #addSegment(segment: Segment): void {
    const level = this.#level(0);
    encodeSegment(level.writer, segment);
    level.count += 1;
    level.bytes += segment.length;
    if (segment.kind === "data") level.refs.add(segment.id);
    const isCut = segment.kind === "data" && segment.id.readUInt32LE() % CUT_DIVISOR === 0;
    if (isCut || level.count >= LIST_ENTRIES) this.#spill(0);
  }

  #addChild(depth: number, child: ListChild): void {
    const level = this.#level(depth);
    encodeListChild(level.writer, child);
    level.count += 1;
    level.bytes += child.bytes;
    level.refs.add(child.id);
    const isCut = level.count >= CHILDREN_MIN && child.id.readUInt32LE() % CUT_DIVISOR === 0;
    if (isCut || level.count >= LIST_ENTRIES) this.#spill(depth);
  }

  /** Stores the list of this depth and mentions it one level up. */
  #spill(depth: number): void {
    this.#addChild(depth + 1, this.#store(depth));
  }

  #store(depth: number): ListChild {
    const level = this.#level(depth);
    this.#plaintext.reset();
    this.#plaintext.u8(depth).varint(level.count).raw(level.writer.view());
    const id = putRecord(this.#sink, this.#idOf, RECORD_TYPES.list, this.#plaintext.view(), level.refs);
    const child = { bytes: level.bytes, id };
    level.writer.reset();
    level.refs.clear();
    level.count = 0;
    level.bytes = 0;
    return child;
  }

  #level(depth: number): Level {
    assert(depth <= LIST_DEPTH_MAX);
    const known = this.#levels[depth];
    if (known !== undefined) return known;
    const level = { writer: new ByteWriter(4096), refs: new RefSet(), count: 0, bytes: 0 };
    this.#levels.push(level);
    return level;
  }
}
