/**
 * The content of a file as segments (docs/format.md, section 6).
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ByteReader, ByteWriter } from "@holdfast/kernel";
import { PLAINTEXT_BYTES_MAX } from "../packs/record-header.ts";
import { ID_BYTES } from "./ref-set.ts";

/** A stretch of a file: bytes of one chunk, a hole, or zeros that take space. */
export type Segment =
  | { readonly kind: "data"; readonly length: number; readonly id: Buffer }
  | { readonly kind: "hole" | "zero"; readonly length: number };

/** Segments in lists: `depth` is that of the list `id`. */
export interface ListContent {
  readonly form: "list";
  readonly depth: number;
  readonly id: Buffer;
}

export interface SegmentsContent {
  readonly form: "segments";
  readonly segments: readonly Segment[];
}

export type Content =
  | { readonly form: "empty" }
  | { readonly form: "inline"; readonly bytes: Buffer }
  | SegmentsContent
  | ListContent;

/** A child of a list: the list `id` with `bytes` bytes of content. */
export interface ListChild {
  readonly bytes: number;
  readonly id: Buffer;
}

export type List =
  | { readonly depth: 0; readonly bytes: number; readonly segments: readonly Segment[] }
  | { readonly depth: number; readonly bytes: number; readonly children: readonly ListChild[] };

/** The length shares its varint with the two bits of the kind. */
export const SEGMENT_BYTES_MAX = Math.floor((Number.MAX_SAFE_INTEGER - 3) / 4);
/** Lists are read whole; the limits keep what a hostile one costs near what an honest one does. */
export const LIST_DEPTH_MAX = 32;
const LIST_ENTRIES_MAX = 65_536;
const ENTRY_SEGMENTS_MAX = 4096;

const FORM_EMPTY = 0;
const FORM_INLINE = 1;
const FORM_SEGMENTS = 2;
const FORM_LIST = 3;

const KIND_DATA = 0;
const KIND_HOLE = 1;
const KIND_ZERO = 2;

const EMPTY: Content = { form: "empty" };

export function encodeSegment(writer: ByteWriter, segment: Segment): void {
  assert(segment.length > 0 && segment.length <= SEGMENT_BYTES_MAX);
  if (segment.kind === "data") {
    assert(segment.id.length === ID_BYTES && segment.length <= PLAINTEXT_BYTES_MAX);
    writer.varint(segment.length * 4 + KIND_DATA).raw(segment.id);
  } else {
    writer.varint(segment.length * 4 + (segment.kind === "hole" ? KIND_HOLE : KIND_ZERO));
  }
}

function decodeSegment(reader: ByteReader): Segment {
  const packed = reader.varint();
  const kind = packed % 4;
  const length = (packed - kind) / 4;
  // A segment without bytes would let a list of any length stand for nothing.
  if (length === 0) reader.fail("a segment is empty");
  switch (kind) {
    case KIND_DATA:
      if (length > PLAINTEXT_BYTES_MAX) reader.fail("a segment is longer than a chunk can be");
      return { kind: "data", length, id: reader.raw(ID_BYTES) };
    case KIND_HOLE:
      return { kind: "hole", length };
    case KIND_ZERO:
      return { kind: "zero", length };
    default:
      return reader.fail("a segment has an unknown kind");
  }
}

/** Writes form and content of a file of `size` bytes. The content must have exactly that size. */
export function encodeContent(writer: ByteWriter, content: Content, size: number): void {
  switch (content.form) {
    case "empty":
      assert(size === 0);
      writer.u8(FORM_EMPTY);
      return;
    case "inline":
      assert(size > 0 && content.bytes.length === size);
      writer.u8(FORM_INLINE).blob(content.bytes);
      return;
    case "segments":
      encodeSegments(writer.u8(FORM_SEGMENTS), content.segments, size);
      return;
    case "list":
      assert(size > 0 && content.depth <= LIST_DEPTH_MAX && content.id.length === ID_BYTES);
      writer.u8(FORM_LIST).u8(content.depth).raw(content.id);
      return;
  }
}

function encodeSegments(writer: ByteWriter, segments: readonly Segment[], size: number): void {
  assert(segments.length > 0 && segments.length <= ENTRY_SEGMENTS_MAX);
  writer.varint(segments.length);
  let bytes = 0;
  for (const segment of segments) {
    encodeSegment(writer, segment);
    bytes += segment.length;
  }
  assert(bytes === size);
}

/** @throws AppError `ERR_DAMAGED` when the content has not exactly `size` bytes (that of lists shows on reading). */
export function decodeContent(reader: ByteReader, size: number): Content {
  const form = reader.u8();
  if ((size === 0) !== (form === FORM_EMPTY)) reader.fail("a size does not fit its content");
  switch (form) {
    case FORM_EMPTY:
      return EMPTY;
    case FORM_INLINE: {
      const bytes = reader.blob(PLAINTEXT_BYTES_MAX);
      if (bytes.length !== size) reader.fail("a size does not fit its content");
      return { form: "inline", bytes };
    }
    case FORM_SEGMENTS: {
      const segments = decodeSegments(reader, count(reader, ENTRY_SEGMENTS_MAX));
      if (sumOf(segments) !== size) reader.fail("a size does not fit its content");
      return { form: "segments", segments };
    }
    case FORM_LIST: {
      const depth = reader.u8();
      if (depth > LIST_DEPTH_MAX) reader.fail("a list is too deep");
      return { form: "list", depth, id: reader.raw(ID_BYTES) };
    }
    default:
      return reader.fail("a content has an unknown form");
  }
}

function count(reader: ByteReader, max: number): number {
  const value = reader.varint(max);
  if (value === 0) reader.fail("a list is empty");
  return value;
}

function decodeSegments(reader: ByteReader, length: number): Segment[] {
  const segments: Segment[] = [];
  for (let index = 0; index < length; index += 1) segments.push(decodeSegment(reader));
  return segments;
}

/** A sum beyond 2^53 loses its last digits, but stays above every size that a varint can hold. */
function sumOf(segments: readonly Segment[]): number {
  return segments.reduce((bytes, segment) => bytes + segment.length, 0);
}

/** The plaintext of a `list` record. */
export function encodeList(list: List): Buffer {
  const writer = new ByteWriter().u8(list.depth);
  if ("segments" in list) {
    writer.varint(list.segments.length);
    for (const segment of list.segments) encodeSegment(writer, segment);
  } else {
    writer.varint(list.children.length);
    for (const child of list.children) encodeListChild(writer, child);
  }
  return writer.finish();
}

export function encodeListChild(writer: ByteWriter, child: ListChild): void {
  assert(child.bytes > 0 && child.id.length === ID_BYTES);
  writer.varint(child.bytes).raw(child.id);
}

/** @throws AppError `ERR_DAMAGED` */
export function decodeList(reader: ByteReader): List {
  const depth = reader.u8();
  if (depth > LIST_DEPTH_MAX) reader.fail("a list is too deep");
  const length = count(reader, LIST_ENTRIES_MAX);
  if (depth === 0) {
    const segments = decodeSegments(reader, length);
    reader.end();
    return { depth, bytes: sumOf(segments), segments };
  }
  const children: ListChild[] = [];
  let bytes = 0;
  for (let index = 0; index < length; index += 1) {
    const child = { bytes: reader.varint(), id: reader.raw(ID_BYTES) };
    if (child.bytes === 0) reader.fail("a list has a child without content");
    bytes += child.bytes;
    children.push(child);
  }
  reader.end();
  return { depth, bytes, children };
}
