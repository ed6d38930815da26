/**
 * The header of a record, 112 bytes (docs/format.md, section 4.1).
 *
 * @module
 */
import assert from "node:assert/strict";
import { type AppError, damaged } from "@holdfast/kernel";

export const RECORD_TYPES = { chunk: 1, bundle: 2, list: 3, page: 4, node: 5 } as const;

export const HEADER_BYTES = 112;
export const SEALED_HEADER_BYTES = 128;
/** The part of the header that is authenticated with every frame. */
const BOUND_BYTES = 72;
/** Associated data of a frame: {@link BOUND_BYTES}, frame number, last, compressed. */
const FRAME_AAD_BYTES = BOUND_BYTES + 6;
export const FRAMES_MAX = 8;
export const PLAINTEXT_BYTES_MAX = 8 * 1024 * 1024;
const FRAME_BYTES_MIN = 4096;
const SEALED_FRAME_BYTES_MAX = PLAINTEXT_BYTES_MAX + 64;
const REFS_BYTES_MAX = 4 * 1024 * 1024;
const COMPRESSED = 0x8000_0000;
const ID_OFFSET = 40;
const TABLE_OFFSET = 72;

export interface FrameInfo {
  readonly compressed: boolean;
  readonly sealedLength: number;
}

export interface RecordHeader {
  readonly type: number;
  readonly suite: number;
  readonly plaintextLength: number;
  readonly frameSize: number;
  readonly refsLength: number;
  readonly counter: bigint;
  readonly session: Buffer;
  readonly id: Buffer;
  readonly frames: readonly FrameInfo[];
}

export function frameCount(plaintextLength: number, frameSize: number): number {
  return Math.max(1, Math.ceil(plaintextLength / frameSize));
}

/** Fields of a header that are known before its frames are sealed. */
export interface HeaderFields {
  readonly type: number;
  readonly suite: number;
  readonly plaintextLength: number;
  readonly frameSize: number;
  readonly refsLength: number;
  readonly counter: number;
  readonly session: Uint8Array;
  readonly id: Uint8Array;
}

/** Writes a header with an empty frame table into `out`; {@link setFrame} fills the table. */
export function writeHeader(out: Buffer, fields: HeaderFields): void {
  assert(fields.plaintextLength <= PLAINTEXT_BYTES_MAX && fields.refsLength <= REFS_BYTES_MAX);
  const frames = frameCount(fields.plaintextLength, fields.frameSize);
  assert(frames <= FRAMES_MAX);
  out.fill(0, 0, HEADER_BYTES);
  out[0] = fields.type;
  out[1] = fields.suite;
  out[2] = frames;
  out.writeUInt32LE(fields.plaintextLength, 4);
  out.writeUInt32LE(fields.frameSize, 8);
  out.writeUInt32LE(fields.refsLength, 12);
  out.writeUInt32LE(fields.counter % 0x1_0000_0000, 16);
  out.writeUInt32LE(Math.floor(fields.counter / 0x1_0000_0000), 20);
  out.set(fields.session, 24);
  out.set(fields.id, ID_OFFSET);
}

export function setFrame(header: Buffer, frame: number, compressed: boolean, sealedLength: number): void {
  header.writeUInt32LE((compressed ? COMPRESSED : 0) + sealedLength, TABLE_OFFSET + frame * 4);
}

/** Associated data of one frame, written over `out` (78 bytes) to spare an allocation per frame. */
export function writeFrameAad(
  out: Buffer,
  header: Uint8Array,
  frame: number,
  last: boolean,
  compressed: boolean,
): Buffer {
  out.set(header.subarray(0, BOUND_BYTES), 0);
  out.writeUInt32LE(frame, BOUND_BYTES);
  out[BOUND_BYTES + 4] = last ? 1 : 0;
  out[BOUND_BYTES + 5] = compressed ? 1 : 0;
  return out;
}

export function newFrameAad(): Buffer {
  return Buffer.alloc(FRAME_AAD_BYTES);
}

/** @throws AppError `ERR_DAMAGED` naming `what`. */
export function decodeHeader(bytes: Buffer, what: string): RecordHeader {
  assert.equal(bytes.length, HEADER_BYTES);
  const [type, suite, count] = [bytes.readUInt8(0), bytes.readUInt8(1), bytes.readUInt8(2)];
  const plaintextLength = bytes.readUInt32LE(4);
  const frameSize = bytes.readUInt32LE(8);
  const refsLength = bytes.readUInt32LE(12);
  const shapeIsRight =
    type >= RECORD_TYPES.chunk &&
    type <= RECORD_TYPES.node &&
    bytes.readUInt8(3) === 0 &&
    bytes.readBigUInt64LE(104) === 0n &&
    plaintextLength <= PLAINTEXT_BYTES_MAX &&
    refsLength <= REFS_BYTES_MAX &&
    isFrameSize(frameSize) &&
    count === frameCount(plaintextLength, frameSize) &&
    count <= FRAMES_MAX;
  if (!shapeIsRight) throw damagedHeader(what);
  return {
    type,
    suite,
    plaintextLength,
    frameSize,
    refsLength,
    counter: bytes.readBigUInt64LE(16),
    session: bytes.subarray(24, ID_OFFSET),
    id: bytes.subarray(ID_OFFSET, TABLE_OFFSET),
    frames: decodeFrames(bytes, count, what),
  };
}

function decodeFrames(bytes: Buffer, count: number, what: string): FrameInfo[] {
  const frames: FrameInfo[] = [];
  for (let index = 0; index < FRAMES_MAX; index += 1) {
    const word = bytes.readUInt32LE(TABLE_OFFSET + index * 4);
    const sealedLength = word % COMPRESSED;
    if (index >= count ? word !== 0 : sealedLength > SEALED_FRAME_BYTES_MAX) throw damagedHeader(what);
    if (index < count) frames.push({ compressed: word >= COMPRESSED, sealedLength });
  }
  return frames;
}

function isFrameSize(value: number): boolean {
  return value >= FRAME_BYTES_MIN && value <= PLAINTEXT_BYTES_MAX && (value & (value - 1)) === 0;
}

/** Length of the whole record: sealed header, refs box and frames. */
export function recordLength(header: RecordHeader): number {
  return header.frames.reduce(
    (sum, frame) => sum + frame.sealedLength,
    SEALED_HEADER_BYTES + header.refsLength,
  );
}

function damagedHeader(what: string): AppError {
  return damaged(what, "its header makes no sense");
}
