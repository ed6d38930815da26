/**
 * The parser of index segments, and lookups in what it took (docs/format.md, section 5).
 *
 * @module
 */
import assert from "node:assert/strict";
import { openBox, openNonce, sealBox } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import { newDirectoryEntry, openChunkIndex } from "@holdfast/repository";
import {
  describeSegment,
  FRAME_BYTES,
  readSegment,
  SegmentBuilder,
  type SegmentCounts,
  segmentFrameKey,
  segmentLayout,
  sealSection,
} from "@holdfast/repository/format-parts";
import type { FuzzedParser } from "./fuzzed-parser.ts";
import { ascii, keys, nameOf, random, repository, u32 } from "./samples.ts";

const { tableKey } = keys;
const FRONT_BYTES = 56;

interface Sample {
  readonly bytes: Buffer;
  readonly counts: SegmentCounts;
  /** Of some chunks in it, and one that is not. */
  readonly ids: readonly Buffer[];
  /** Plaintext of the head box. */
  readonly head: Buffer;
  /** Plaintext of the four sections, one behind the other. */
  readonly body: Buffer;
}

function segmentOf(entryCount: number, superseded: readonly string[]): Sample {
  const builder = new SegmentBuilder();
  const ids = Array.from({ length: entryCount }, () => random.bytes(32));
  for (const half of [ids.slice(0, entryCount / 2), ids.slice(entryCount / 2)]) {
    const rows = half.map((id, index) => {
      const row = newDirectoryEntry(id, 1 + (index % 5), 400);
      row.writeUInt32LE(4096 + index * 500, 32);
      row.writeUInt32LE(500, 36);
      return row;
    });
    builder.addPack({ sha256: random.bytes(32), length: 33_554_432, kind: 1 }, Buffer.concat(rows));
  }
  const bytes = builder.finish(keys, random.fill, superseded);
  const headEnd = FRONT_BYTES + 4 + bytes.readUInt32LE(FRONT_BYTES);
  const context = ascii("holdfast/1/index", bytes.subarray(0, FRONT_BYTES));
  const head = openBox(tableKey, context, bytes.subarray(FRONT_BYTES + 4, headEnd), "a sample");
  const counts = {
    entryCount: Number(head.readBigUInt64LE(0)),
    packCount: head.readUInt32LE(8),
    filterBlockCount: head.readUInt32LE(12),
  };
  const some = [...ids.slice(0, 3), ...ids.slice(-3), random.bytes(32)];
  return { bytes, counts, ids: some, head, body: bodyOf(bytes, counts, headEnd) };
}

function bodyOf(bytes: Buffer, counts: SegmentCounts, headEnd: number): Buffer {
  const key = segmentFrameKey(tableKey, bytes.subarray(24, FRONT_BYTES));
  const layout = segmentLayout(counts, headEnd);
  const parts: Buffer[] = [];
  for (const section of [layout.entries, layout.packs, layout.filter, layout.fences]) {
    for (let frame = 0; frame < section.frames; frame += 1) {
      const at = section.offset + frame * (FRAME_BYTES + 16);
      const length = Math.min(FRAME_BYTES, section.bytes - frame * FRAME_BYTES) + 16;
      const nonce = Buffer.alloc(12);
      nonce.writeUInt32LE(section.firstFrame + frame);
      parts.push(openNonce(key, nonce, repository, bytes.subarray(at, at + length), "a sample"));
    }
  }
  return Buffer.concat(parts);
}

const samples = [
  segmentOf(6, []),
  segmentOf(
    4,
    [random.bytes(32), random.bytes(32)].map((hash) => nameOf("index", hash)),
  ),
];
/** Its entries fill more than one frame. */
const long = segmentOf(1400, []);

/** Checks a segment, and looks up in it as writers and readers do, which do not check it before. */
function readAll(bytes: Buffer, sample: Sample): unknown {
  const name = nameOf("index", bytes);
  const found = lookUp(name, bytes, sample);
  const reader = readSegment(keys, name, bytes);
  reader.check();
  return { counts: reader.counts, found };
}

function lookUp(name: string, bytes: Buffer, { ids }: Sample): unknown {
  const segment = describeSegment(keys, name, bytes);
  const condemned = Buffer.alloc(0);
  const index = openChunkIndex({ ...keys, segments: [segment], condemned, tolerateDamage: true });
  const found = ids.map((id) => [index.has(id), index.lookup(id), index.places(id)]);
  index.packNames();
  for (const error of index.damaged.values()) assert(isAppError(error, "ERR_DAMAGED"));
  return found;
}

function withHead(sample: Sample, head: Buffer): Buffer {
  const front = sample.bytes.subarray(0, FRONT_BYTES);
  const box = sealBox(tableKey, ascii("holdfast/1/index", front), head);
  const sections = sample.bytes.subarray(FRONT_BYTES + 4 + sample.bytes.readUInt32LE(FRONT_BYTES));
  return Buffer.concat([front, u32(box.length), box, sections]);
}

/** The four sections with other content but of the same length: every number in them is the attacker's. */
function withBody(sample: Sample, content: Buffer): Buffer {
  const body = Buffer.concat([content, sample.body.subarray(content.length)]);
  const bytes = Buffer.from(sample.bytes);
  const key = segmentFrameKey(tableKey, bytes.subarray(24, FRONT_BYTES));
  const layout = segmentLayout(sample.counts, FRONT_BYTES + 4 + bytes.readUInt32LE(FRONT_BYTES));
  let from = 0;
  for (const section of [layout.entries, layout.packs, layout.filter, layout.fences]) {
    sealSection(bytes, key, repository, section, body.subarray(from, from + section.bytes));
    from += section.bytes;
  }
  return bytes;
}

const [first, second] = samples;
if (first === undefined || second === undefined) throw new Error("two samples wanted");

export const indexParsers: readonly FuzzedParser[] = [
  {
    name: "segment",
    samples: [first.bytes],
    decode: (bytes) => readAll(bytes, first),
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
  },
  {
    name: "segment of several frames",
    samples: [long.bytes],
    decode: (bytes) => readAll(bytes, long),
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
    divisor: 5,
  },
  {
    name: "segment, its head sealed anew",
    samples: [first.head],
    decode: (head) => readAll(withHead(first, head), first),
  },
  {
    name: "segment that supersedes others, its head sealed anew",
    samples: [second.head],
    decode: (head) => readAll(withHead(second, head), second),
  },
  {
    name: "segment, its sections sealed anew",
    samples: [first.body],
    decode: (body) => readAll(withBody(first, body), first),
  },
  {
    name: "segment of several frames, its sections sealed anew",
    samples: [long.body],
    decode: (body) => readAll(withBody(long, body), long),
    divisor: 5,
  },
];
