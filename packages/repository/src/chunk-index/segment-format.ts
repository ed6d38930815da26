/**
 * The outline of an index segment: head, head box and where the sections lie (docs/format.md, section 5).
 *
 * @module
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { BOX_OVERHEAD_BYTES, deriveKey, FRAME_BOX_OVERHEAD_BYTES, openBox, sealBox } from "@holdfast/crypto";
import { AppError, ByteReader, ByteWriter, damaged, isAppError, type Randomness } from "@holdfast/kernel";
import { CLEAN_INDEX_REMEDY, HASH_BYTES, HEAD_BYTES, readHead, writeHead } from "../format/head.ts";
import { hashOfName, hashedName } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import { INDEX_ENTRY_BYTES, PACK_ROW_BYTES } from "./entry.ts";

/** What reading and writing the index takes. */
export type IndexKeys = Pick<KeySet, "repository" | "tableKey">;

/**
 * Plaintext bytes of every frame but the last of a section: a whole number of entries, packs and fences. Small, because a
 * lookup opens one, and ids are random: frames are seldom met twice.
 */
export const FRAME_BYTES = 7800;
export const SEALED_FRAME_BYTES = FRAME_BYTES + FRAME_BOX_OVERHEAD_BYTES;
export const ENTRIES_PER_FRAME = FRAME_BYTES / INDEX_ENTRY_BYTES;
export const FILTER_BLOCK_BYTES = 64;
export const FENCE_BYTES = 8;
export const SALT_BYTES = 32;
/** Bytes before the length of the head box; they are its context. */
const FRONT_BYTES = HEAD_BYTES + SALT_BYTES;
/** Front and length of the head box: what a reader asks for first. */
export const SEGMENT_FRONT_BYTES = FRONT_BYTES + 4;
/** Of writers, so that making one takes a bounded time and memory. Readers take what fits the object. */
export const SEGMENT_ENTRIES_MAX = 524_288;
/** Superseded names in one head box: 8 MiB of them. */
export const SUPERSEDED_MAX = 262_144;
const COUNTS_BYTES = 20;
const HEAD_BOX_BYTES_MAX = BOX_OVERHEAD_BYTES + COUNTS_BYTES + SUPERSEDED_MAX * HASH_BYTES;

export interface SegmentCounts {
  readonly entryCount: number;
  readonly packCount: number;
  readonly filterBlockCount: number;
}

/** One of the four sections of a segment. */
export interface Section {
  readonly label: "entries" | "packs" | "filter" | "fences";
  /** Of its first sealed frame in the object. */
  readonly offset: number;
  /** Of its plaintext. */
  readonly bytes: number;
  /** Number of its first frame. */
  readonly firstFrame: number;
  readonly frames: number;
}

export interface SegmentLayout {
  readonly entries: Section;
  readonly packs: Section;
  readonly filter: Section;
  readonly fences: Section;
  /** Bytes of the whole object. */
  readonly length: number;
}

export interface SegmentHead {
  readonly salt: Buffer;
  readonly counts: SegmentCounts;
  /** Names of objects, `index/...`. */
  readonly superseded: readonly string[];
  /** Of the first frame in the object. */
  readonly bodyOffset: number;
}

/** Where the sections of a segment with these counts lie. */
export function segmentLayout(counts: SegmentCounts, bodyOffset: number): SegmentLayout {
  const after = (label: Section["label"], bytes: number, before?: Section): Section => ({
    label,
    bytes,
    frames: Math.ceil(bytes / FRAME_BYTES),
    offset: before === undefined ? bodyOffset : sectionEnd(before),
    firstFrame: before === undefined ? 0 : before.firstFrame + before.frames,
  });
  const entries = after("entries", counts.entryCount * INDEX_ENTRY_BYTES);
  const packs = after("packs", counts.packCount * PACK_ROW_BYTES, entries);
  const filter = after("filter", counts.filterBlockCount * FILTER_BLOCK_BYTES, packs);
  const fences = after("fences", entries.frames * FENCE_BYTES, filter);
  return { entries, packs, filter, fences, length: sectionEnd(fences) };
}

function sectionEnd(section: Section): number {
  return section.offset + section.bytes + section.frames * FRAME_BOX_OVERHEAD_BYTES;
}

/** Plaintext bytes of the frame with this number in the section. */
export function frameLength(section: Section, frame: number): number {
  return Math.min(FRAME_BYTES, section.bytes - frame * FRAME_BYTES);
}

export function segmentFrameKey(tableKey: Uint8Array, salt: Uint8Array): KeyObject {
  const bytes = deriveKey(tableKey, salt, "holdfast/1/index/frames", 32);
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

/** Everything before the first frame. */
export function encodeSegmentHead(
  keys: IndexKeys,
  salt: Uint8Array,
  counts: SegmentCounts,
  superseded: readonly Uint8Array[],
  randomness: Randomness,
): Buffer {
  const front = writeHead(new ByteWriter(), "index", keys.repository).raw(salt).finish();
  const plain = new ByteWriter(COUNTS_BYTES + superseded.length * HASH_BYTES)
    .u64(BigInt(counts.entryCount))
    .u32(counts.packCount)
    .u32(counts.filterBlockCount)
    .u32(superseded.length);
  for (const hash of superseded) plain.raw(hash);
  const box = sealBox(keys.tableKey, headBoxContext(front), plain.view(), randomness);
  return new ByteWriter(SEGMENT_FRONT_BYTES + box.length).raw(front).u32(box.length).raw(box).finish();
}

/**
 * Length of the head box that follows the first {@link SEGMENT_FRONT_BYTES} bytes.
 *
 * @param length of the whole object.
 * @throws AppError `ERR_DAMAGED`, or `ERR_FORMAT_VERSION` for a segment of a newer format.
 */
export function decodeSegmentFront(
  front: Buffer,
  repository: Uint8Array,
  name: string,
  length: number,
): number {
  const reader = new ByteReader(front, `The object ${name}`);
  readHead(reader, "index", repository);
  reader.raw(SALT_BYTES);
  const boxLength = reader.u32();
  const namesBytes = boxLength - BOX_OVERHEAD_BYTES - COUNTS_BYTES;
  const fits = boxLength <= HEAD_BOX_BYTES_MAX && boxLength <= length - SEGMENT_FRONT_BYTES;
  if (!fits || namesBytes < 0 || namesBytes % HASH_BYTES !== 0) {
    reader.fail("its head has an impossible length");
  }
  return boxLength;
}

/**
 * The head of a segment, its counts checked against the length of the object.
 *
 * @param bytes front and head box, exactly.
 * @throws AppError `ERR_DAMAGED`.
 */
export function decodeSegmentHead(bytes: Buffer, keys: IndexKeys, name: string, length: number): SegmentHead {
  const what = `The object ${name}`;
  const reader = new ByteReader(openHeadBox(bytes, keys, what), `The head of ${name}`);
  const [entryCount, packCount, filterBlockCount] = [Number(reader.u64()), reader.u32(), reader.u32()];
  const supersededCount = reader.u32();
  if (supersededCount !== reader.left / HASH_BYTES)
    reader.fail("it has another number of names than it says");
  const superseded = Array.from({ length: supersededCount }, () =>
    hashedName("index", reader.raw(HASH_BYTES)),
  );
  const counts = { entryCount, packCount, filterBlockCount };
  if (segmentLayout(counts, bytes.length).length !== length) reader.fail("its counts do not fit the object");
  return {
    salt: Buffer.from(bytes.subarray(HEAD_BYTES, FRONT_BYTES)),
    counts,
    superseded,
    bodyOffset: bytes.length,
  };
}

function openHeadBox(bytes: Buffer, keys: IndexKeys, what: string): Buffer {
  const context = headBoxContext(bytes.subarray(0, FRONT_BYTES));
  try {
    return openBox(keys.tableKey, context, bytes.subarray(SEGMENT_FRONT_BYTES), what);
  } catch (error) {
    // The table key opened the config: a commitment that does not fit it is a changed byte here.
    if (isAppError(error, "ERR_KEY_WRONG") || isAppError(error, "ERR_DAMAGED")) {
      throw damagedSegment(what, "its head was changed", error);
    }
    throw error;
  }
}

function headBoxContext(front: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("holdfast/1/index", "latin1"), front]);
}

/** Hashes of segments called by their names. */
export function hashesOfNames(names: readonly string[]): Buffer[] {
  return names.map((name) => {
    const hash = hashOfName(name);
    if (hash === undefined) throw new AppError("ERR_USAGE", `${name} is no name of an index segment.`);
    return hash;
  });
}

/** @param what the segment or a part of it, beginning a sentence. */
export function damagedSegment(what: string, reason: string, cause?: unknown): AppError {
  return damaged(what, reason, {
    subject: what.slice(what.indexOf("index/")),
    remedy: CLEAN_INDEX_REMEDY,
    cause,
  });
}
