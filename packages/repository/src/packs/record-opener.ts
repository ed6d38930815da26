/**
 * Opens sealed records: headers with the pack key, refs with the table key, frames with the session's keys
 * (docs/format.md, section 4.1). Nothing is returned before its tag was checked.
 *
 * @module
 */
import { zstdDecompressSync } from "node:zlib";
import { type FrameKeys, openBox, openFrame, openNonce } from "@holdfast/crypto";
import { damaged, freeBytes } from "@holdfast/kernel";
import type { PackKey } from "./pack-key.ts";
import {
  decodeHeader,
  HEADER_BYTES,
  newFrameAad,
  type RecordHeader,
  recordLength,
  SEALED_HEADER_BYTES,
  writeFrameAad,
} from "./record-header.ts";
import { refsContext } from "./record-sealer.ts";

/** A record whose header was opened; its frames are still sealed. */
export interface OpenRecord {
  readonly header: RecordHeader;
  /** The 112 bytes: what is copied into another pack, and bound to the frames. */
  readonly headerBytes: Buffer;
  readonly refsBox: Buffer;
  /** Refs box and frames, as they move to another pack. */
  readonly body: Buffer;
  /** Names the record in errors. */
  readonly what: string;
}

/**
 * @param record the bytes of the whole record, as long as the index or directory says.
 * @param offset its place in the pack.
 * @throws AppError `ERR_DAMAGED`.
 */
export function openRecord(key: PackKey, record: Buffer, offset: number, pack: string): OpenRecord {
  const what = `The record at byte ${String(offset)} of ${pack}`;
  if (record.length < SEALED_HEADER_BYTES) throw damaged(what, "it is too short");
  const sealed = record.subarray(0, SEALED_HEADER_BYTES);
  const headerBytes = openNonce(key.key, key.nonce(offset), key.headerAad, sealed, what);
  if (headerBytes.length !== HEADER_BYTES) throw damaged(what, "its header has a wrong length");
  const header = decodeHeader(headerBytes, what);
  if (recordLength(header) !== record.length) throw damaged(what, "its length is not what its header says");
  const body = record.subarray(SEALED_HEADER_BYTES);
  return { header, headerBytes, refsBox: body.subarray(0, header.refsLength), body, what };
}

/** The ids that a record refers to, 32 bytes each. @throws AppError `ERR_DAMAGED`. */
export function openRefs(record: OpenRecord, tableKey: Buffer, repository: Buffer): Buffer {
  if (record.refsBox.length === 0) return Buffer.alloc(0);
  const refs = openBoxOrDamaged(record, tableKey, repository);
  if (refs.length % 32 !== 0) throw damaged(record.what, "its references have a wrong length");
  return refs;
}

function openBoxOrDamaged(record: OpenRecord, tableKey: Buffer, repository: Buffer): Buffer {
  try {
    return openBox(tableKey, refsContext(repository, record.header.id), record.refsBox, record.what);
  } catch (error) {
    // The table key is right, or the header would not have opened: a box that does not open is damaged.
    throw damaged(record.what, "its references do not open", { cause: error });
  }
}

const aadScratch = newFrameAad();

/** One frame's plaintext. @throws AppError `ERR_DAMAGED`. */
export function openRecordFrame(record: OpenRecord, keys: FrameKeys, frame: number): Buffer {
  const { header, what } = record;
  const info = header.frames[frame];
  if (info === undefined) throw damaged(what, `it has no frame ${String(frame)}`);
  let start = header.refsLength;
  for (let index = 0; index < frame; index += 1) start += header.frames[index]?.sealedLength ?? 0;
  const sealed = record.body.subarray(start, start + info.sealedLength);
  const last = frame === header.frames.length - 1;
  const aad = writeFrameAad(aadScratch, record.headerBytes, frame, last, info.compressed);
  const packed = openFrame(keys, header.counter, frame, aad, sealed, what);
  const expected = last ? header.plaintextLength - frame * header.frameSize : header.frameSize;
  const plain = info.compressed ? decompress(packed, expected, what) : packed;
  if (info.compressed) freeBytes(packed);
  if (plain.length !== expected) throw damaged(what, "a frame has a wrong length");
  return plain;
}

function decompress(packed: Buffer, expected: number, what: string): Buffer {
  try {
    return zstdDecompressSync(packed, {
      maxOutputLength: Math.max(1, expected),
      // One byte more than needed: a buffer that becomes full makes Node allocate the next one.
      chunkSize: Math.max(64, expected + 1),
    });
  } catch (error) {
    throw damaged(what, "a frame does not decompress", { cause: error });
  }
}

/** The whole plaintext. The caller checks it against the id. @throws AppError `ERR_DAMAGED`. */
export function openPlaintext(record: OpenRecord, keys: FrameKeys): Buffer {
  const first = openRecordFrame(record, keys, 0);
  if (record.header.frames.length === 1) return first;
  const frames = [first];
  for (let frame = 1; frame < record.header.frames.length; frame += 1) {
    frames.push(openRecordFrame(record, keys, frame));
  }
  const plaintext = Buffer.concat(frames);
  for (const frame of frames) freeBytes(frame);
  return plaintext;
}
