/**
 * Reads the segments of a file back, from the start or from any byte of it, list by list.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ByteReader } from "@holdfast/kernel";
import { RECORD_TYPES } from "../packs/record-header.ts";
import { decodeList, type List, type ListContent, type Segment, type SegmentsContent } from "./content.ts";
import { readAhead } from "./read-ahead.ts";
import { damagedRecord, type ReadRecord, recordSubject, throwIfCancelled } from "./records.ts";

/** A file whose bytes are in chunks; inline and empty content has no segments. */
export interface SegmentedFile {
  readonly size: number;
  readonly content: SegmentsContent | ListContent;
}

export interface PlacedSegment {
  /** Where the segment begins in the file, in bytes. */
  readonly offset: number;
  readonly segment: Segment;
}

export interface ReadSegmentsOptions {
  /** Begins with the segment that holds this byte; lists before it are not read. */
  readonly from?: number;
  readonly signal?: AbortSignal;
}

/** A list that something refers to, and what it must turn out to be. */
interface ListRef {
  readonly depth: number;
  readonly offset: number;
  readonly bytes: number;
  readonly id: Buffer;
}

const LISTS_AHEAD = 1;

/**
 * The segments of a file in order.
 *
 * @throws AppError `ERR_DAMAGED` when a list is not what refers to it says
 */
export async function* readSegments(
  file: SegmentedFile,
  readRecord: ReadRecord,
  options: ReadSegmentsOptions = {},
): AsyncGenerator<PlacedSegment, void, undefined> {
  const from = options.from ?? 0;
  assert(from >= 0);
  const { content } = file;
  if (content.form === "segments") {
    yield* placed(content.segments, 0, from);
    return;
  }
  const root: ListRef = { depth: content.depth, offset: 0, bytes: file.size, id: content.id };
  const leaves = leafLists(root, readRecord, from);
  const lists = readAhead(leaves, LISTS_AHEAD, (ref) => readRecord(RECORD_TYPES.list, ref.id));
  for await (const { ref, plaintext } of lists) {
    throwIfCancelled(options.signal);
    const list = checkedList(ref, plaintext);
    if ("segments" in list) yield* placed(list.segments, ref.offset, from);
  }
}

function* placed(segments: readonly Segment[], start: number, from: number): Generator<PlacedSegment> {
  let offset = start;
  for (const segment of segments) {
    if (offset + segment.length > from) yield { offset, segment };
    offset += segment.length;
  }
}

/** The lists of depth 0 that reach beyond byte `from`. Every step down lowers the depth, so it ends. */
async function* leafLists(
  ref: ListRef,
  readRecord: ReadRecord,
  from: number,
): AsyncGenerator<ListRef, void, undefined> {
  if (ref.offset + ref.bytes <= from) return;
  if (ref.depth === 0) {
    yield ref;
    return;
  }
  const list = checkedList(ref, await readRecord(RECORD_TYPES.list, ref.id));
  if ("segments" in list) return;
  let { offset } = ref;
  for (const { bytes, id } of list.children) {
    yield* leafLists({ depth: ref.depth - 1, offset, bytes, id }, readRecord, from);
    offset += bytes;
  }
}

function checkedList(ref: ListRef, plaintext: Buffer): List {
  const list = decodeList(new ByteReader(plaintext, recordSubject("list", ref.id)));
  if (list.depth !== ref.depth) throw damagedRecord("list", ref.id, "it has another depth than expected");
  if (list.bytes !== ref.bytes) throw damagedRecord("list", ref.id, "it has another size than expected");
  return list;
}
