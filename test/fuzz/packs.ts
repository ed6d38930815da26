/**
 * Parsers of packs: front, records, directory, end (docs/format.md, section 4).
 *
 * @module
 */
import { zstdCompressSync } from "node:zlib";
import { type FrameKeys, frameKeys, sealBox, sealFrame, sealNonce, SUITES } from "@holdfast/crypto";
import {
  bundleId,
  idHasher,
  newPackRegion,
  PACK_KINDS,
  PackBuilder,
  RECORD_TYPES,
  RecordSealer,
  newDirectoryEntry,
} from "@holdfast/repository";
import {
  decodePackFront,
  encodePackFront,
  HEADER_BYTES,
  openPackEnd,
  openPackInMemory,
  openPlaintext,
  openRecord,
  openRefs,
  type PackKey,
  packKeyOf,
  refsContext,
} from "@holdfast/repository/format-parts";
import type { FuzzedParser } from "./fuzzed-parser.ts";
import {
  ascii,
  idKey,
  keys,
  nameOf,
  newKeyring,
  otherSession,
  random,
  repository,
  session,
  u32,
} from "./samples.ts";

const { tableKey } = keys;
const idOf = idHasher(idKey);
const GCM = SUITES[3];
const CBC = SUITES[4];
if (GCM === undefined || CBC === undefined) throw new Error("two suites wanted");

interface SampleRecord {
  readonly type: number;
  readonly id: Buffer;
  readonly plaintext: Buffer;
  readonly refs?: Buffer;
}

const members = ["small one", "small two"].map((text) => Buffer.from(text.repeat(20)));
const memberIds = members.map((bytes) => idOf(RECORD_TYPES.chunk, bytes));
const noise = random.bytes(3000);
const records: readonly SampleRecord[] = [
  { type: RECORD_TYPES.chunk, id: idOf(RECORD_TYPES.chunk, noise), plaintext: noise },
  {
    type: RECORD_TYPES.chunk,
    id: idOf(RECORD_TYPES.chunk, Buffer.alloc(20_000, "text ")),
    plaintext: Buffer.alloc(20_000, "text "),
  },
  {
    type: RECORD_TYPES.bundle,
    id: bundleId(idOf, Buffer.concat(memberIds)),
    plaintext: Buffer.concat(members),
  },
  {
    type: RECORD_TYPES.page,
    id: idOf(RECORD_TYPES.page, Buffer.of(0)),
    plaintext: Buffer.of(0),
    refs: random.bytes(96),
  },
];

function frameKeysOf(suiteCode: number): FrameKeys {
  const suite = SUITES[suiteCode];
  if (suite === undefined) throw new Error("no such suite");
  return frameKeys(suite, session.sessionKey, repository);
}

let counter = 0;
function sealerOf(suiteCode: number): RecordSealer {
  return new RecordSealer({
    repository,
    tableKey,
    session: session.session,
    frameKeys: frameKeysOf(suiteCode),
    nextCounter: () => (counter += 1),
    compressionLevel: 3,
  });
}

function packOf(suiteCode: number): Buffer {
  const sealer = sealerOf(suiteCode);
  const builder = new PackBuilder(newPackRegion(), { repository, tableKey, randomness: random.fill });
  builder.begin(PACK_KINDS.data, [session.envelope, otherSession.envelope]);
  for (const { plaintext, refs, ...record } of records) {
    const sealedRecord = sealer.seal({
      ...record,
      plaintext,
      frameSize: 4096,
      ...(refs === undefined ? {} : { refs }),
    });
    builder.append(sealedRecord, newDirectoryEntry(record.id, record.type, plaintext.length));
  }
  return Buffer.from(builder.finish(false).bytes);
}

const packs = [packOf(3), packOf(4)];

/** Everything in a pack, as a verification of the whole opens it. */
function readPack(bytes: Buffer): unknown {
  const name = nameOf("packs/00", bytes);
  const { open, directory } = openPackInMemory(bytes, keys, name);
  const keyring = newKeyring();
  keyring.add(open.front.envelopes, name);
  const opened: Buffer[] = [directory];
  for (let at = 0; at < directory.length; at += 48) {
    const offset = directory.readUInt32LE(at + 32);
    const length = directory.readUInt32LE(at + 36);
    const record = openRecord(open.key, bytes.subarray(offset, offset + length), offset, name);
    const sessionKeys = keyring.frameKeys(record.header.session, record.header.suite, record.what);
    opened.push(openRefs(record, tableKey, repository), openPlaintext(record, sessionKeys));
  }
  return opened;
}

const salt = random.bytes(32);
const packKey: PackKey = packKeyOf(tableKey, repository, salt);
const PACK = "packs/00/pack";

function sealed(nonce: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
  const out = Buffer.alloc(plaintext.length + 16);
  sealNonce(packKey.key, nonce, aad, plaintext, out);
  return out;
}

const PACK_BYTES = 8192;

function directoryOf(count: number): Buffer {
  const rows = Array.from({ length: count }, (_, index) => {
    const row = newDirectoryEntry(random.bytes(32), 1 + (index % 5), 1000);
    row.writeUInt32LE(1312 + index * 500, 32);
    row.writeUInt32LE(500, 36);
    return row;
  });
  return Buffer.concat(rows);
}

const packParsers: readonly FuzzedParser[] = [
  {
    name: "pack, all of it",
    samples: packs,
    decode: readPack,
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
    divisor: 2,
  },
  {
    name: "front of a pack",
    samples: packs.map((bytes) => bytes.subarray(0, 64 + 2 * 1248)),
    decode: (bytes) => decodePackFront(bytes, PACK, repository),
    codes: ["ERR_FORMAT_VERSION"],
  },
  {
    name: "end of a pack, sealed anew",
    samples: [Buffer.from("4000000048465045", "hex"), Buffer.from("1000000048465045", "hex")],
    decode: (plaintext) =>
      openPackEnd(packKey, sealed(packKey.endNonce, packKey.endAad, plaintext), PACK, PACK_BYTES),
  },
  {
    name: "directory and end of a pack, sealed anew",
    samples: [directoryOf(6), directoryOf(1), Buffer.alloc(0)],
    decode: (plaintext) => {
      const directory = sealed(packKey.directoryNonce, packKey.directoryAad, plaintext);
      const mark = Buffer.concat([u32(directory.length), ascii("HFPE")]);
      const end = sealed(packKey.endNonce, packKey.endAad, mark);
      const front = encodePackFront(repository, { kind: 1, salt, envelopes: [session.envelope] });
      const bytes = Buffer.concat([front, Buffer.alloc(5000), directory, end]);
      return openPackInMemory(bytes, keys, PACK).directory;
    },
    encode: (directory: Buffer) => directory,
  },
];

const OFFSET = 1312;

interface SealedParts {
  readonly header: Buffer;
  readonly body: Buffer;
}

function sealedParts(suiteCode: number, record: SampleRecord): SealedParts {
  const { refs, ...rest } = record;
  const { header, body } = sealerOf(suiteCode).seal({
    ...rest,
    frameSize: 4096,
    ...(refs === undefined ? {} : { refs }),
  });
  return { header: Buffer.from(header), body: Buffer.from(body) };
}

const keyring = newKeyring();
keyring.add([session.envelope], PACK);

/** Header, refs and frames of a record whose header somebody with the table key has sealed. */
function readRecord(header: Buffer, body: Buffer): unknown {
  const sealedHeader = sealed(packKey.nonce(OFFSET), packKey.headerAad, header);
  const record = openRecord(packKey, Buffer.concat([sealedHeader, body]), OFFSET, PACK);
  const refs = openRefs(record, tableKey, repository);
  const { session: id, suite } = record.header;
  return { refs, plaintext: openPlaintext(record, keyring.frameKeys(id, suite, record.what)) };
}

const sampleParts = [0, 3, 4].flatMap((code) => records.map((record) => sealedParts(code, record)));

const PACKED_BYTES = 4000;
const frameHeaders = new Map(
  [1, 3, 5].map((suiteCode) => {
    const plaintext = Buffer.alloc(PACKED_BYTES);
    const id = idOf(RECORD_TYPES.chunk, plaintext);
    return [suiteCode, sealedParts(suiteCode, { type: RECORD_TYPES.chunk, id, plaintext }).header];
  }),
);

/** A chunk of one frame that says to be compressed, with this as its packed content. */
function readPacked(packed: Buffer, suiteCode: number): unknown {
  const header = Buffer.from(frameHeaders.get(suiteCode) ?? []);
  const aad = Buffer.concat([header.subarray(0, 72), Buffer.of(0, 0, 0, 0, 1, 1)]);
  const out = Buffer.alloc(packed.length + 128);
  const length = sealFrame(frameKeysOf(suiteCode), header.readBigUInt64LE(16), 0, aad, packed, out);
  header.writeUInt32LE(0x8000_0000 + length, 72);
  return readRecord(header, out.subarray(0, length));
}

const goodFrame = zstdCompressSync(Buffer.alloc(PACKED_BYTES));
/** Unfolds to a hundred megabytes. */
const bomb = zstdCompressSync(Buffer.alloc(100 * 1024 * 1024));

const recordParsers: readonly FuzzedParser[] = [
  {
    name: "record whose header was sealed anew by somebody without the session key",
    samples: sampleParts.map(({ header, body }) => Buffer.concat([header, body])),
    decode: (bytes) => readRecord(bytes.subarray(0, HEADER_BYTES), bytes.subarray(HEADER_BYTES)),
    codes: ["ERR_FORMAT_VERSION"],
    isAuthentic: true,
  },
  {
    name: "refs of a record, sealed anew",
    samples: [random.bytes(96), random.bytes(32)],
    decode: (plaintext) => {
      const { header, body } = sampleParts[3] ?? { header: Buffer.alloc(0), body: Buffer.alloc(0) };
      const box = sealBox(tableKey, refsContext(repository, header.subarray(40, 72)), plaintext);
      const changed = Buffer.from(header);
      changed.writeUInt32LE(box.length, 12);
      const sealedHeader = sealed(packKey.nonce(OFFSET), packKey.headerAad, changed);
      const frames = body.subarray(header.readUInt32LE(12));
      const record = openRecord(packKey, Buffer.concat([sealedHeader, box, frames]), OFFSET, PACK);
      return openRefs(record, tableKey, repository);
    },
  },
  ...[1, 5].map((suiteCode) => ({
    name: `compressed frame, sealed anew with suite ${String(suiteCode)}`,
    samples: [
      zstdCompressSync(Buffer.alloc(PACKED_BYTES, "compress me ")),
      zstdCompressSync(random.bytes(PACKED_BYTES)),
      Buffer.concat([zstdCompressSync(Buffer.alloc(2000)), zstdCompressSync(Buffer.alloc(2000))]),
    ],
    decode: (packed: Buffer) => readPacked(packed, suiteCode),
    divisor: 2,
  })),
  {
    name: "compressed frame that unfolds to too much, sealed anew",
    samples: [Buffer.of(0)],
    decode: (bytes) => {
      const isSample = bytes.length === 1 && bytes[0] === 0;
      return readPacked(isSample ? goodFrame : Buffer.concat([bomb, bytes]), 3);
    },
    divisor: 10,
  },
];

export const packAndRecordParsers: readonly FuzzedParser[] = [...packParsers, ...recordParsers];
