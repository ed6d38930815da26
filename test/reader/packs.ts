/**
 * Packs, their directories and records: docs/format.md section 4.
 *
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { Cursor, FormatError, KINDS, readHead } from "./object.ts";
import {
  ascii,
  ENVELOPE_LENGTH,
  hkdf,
  hmac,
  type Keys,
  openBox,
  openEnvelope,
  openFrame,
  openGcm,
  suiteOf,
  u32,
  u64,
} from "./keys.ts";
import { referencesOf, TYPES } from "./tree.ts";

const HEADER_LENGTH = 112;
const SEALED_HEADER_LENGTH = HEADER_LENGTH + 16;
const PLAINTEXT_LENGTH_MAX = 8 * 1024 * 1024;
const FRAME_SIZE_MIN = 4 * 1024;
const DIRECTORY_ENTRIES_MAX = 65_536;
const ENTRY_LENGTH = 48;
/** The sealed end of a pack: u32, mark and tag. */
const SEALED_END_LENGTH = 8 + 16;

/** One line of a directory or of an index: where a chunk is (section 4.2). */
export interface Place {
  readonly id: Buffer;
  readonly recordOffset: number;
  readonly recordLength: number;
  readonly chunkOffset: number;
  readonly type: number;
  readonly length: number;
}

export interface Pack {
  readonly name: string;
  readonly path: string;
  readonly kind: number;
  readonly length: number;
  readonly key: Buffer;
  /** By session id in hex. */
  readonly envelopes: ReadonlyMap<string, Buffer>;
  readonly places: readonly Place[];
}

/** The four last fields of an entry; index segments use them, too (section 5). */
export function readPlaceFields(cursor: Cursor, id: Buffer): Place {
  const [recordOffset, recordLength, chunkOffset, word] = [
    cursor.u32(),
    cursor.u32(),
    cursor.u32(),
    cursor.u32(),
  ];
  return { id, recordOffset, recordLength, chunkOffset, type: word >>> 24, length: word & 0xff_ffff };
}

/** Reads front and directory of a pack whose name was checked. Records are not opened. */
export function readPack(bytes: Buffer, name: string, path: string, keys: Keys): Pack {
  const subject = `packs/${name}`;
  const cursor = new Cursor(bytes, subject);
  readHead(cursor, KINDS.packs, keys.repository);
  const kind = cursor.u8();
  if (kind < 1 || kind > 3) cursor.refuse("unknown kind of pack");
  const sessions = cursor.u8();
  if (sessions === 0) cursor.refuse("no session");
  cursor.zero(6);
  const salt = cursor.take(32);
  const key = hkdf(keys.table, salt, Buffer.concat([ascii("holdfast/1/pack"), keys.repository]), 32);
  const envelopes = new Map<string, Buffer>();
  for (let left = sessions; left > 0; left -= 1) {
    const envelope = cursor.take(ENVELOPE_LENGTH);
    envelopes.set(envelope.toString("hex", 0, 16), envelope);
  }
  if (envelopes.size !== sessions) cursor.refuse("a session appears twice");
  const frontLength = cursor.at;
  const directoryEnd = Math.max(frontLength, bytes.length - SEALED_END_LENGTH);
  const end = openGcm(
    key,
    Buffer.concat([u64(2n ** 64n - 2n), u32(0)]),
    Buffer.concat([ascii("end"), keys.repository]),
    bytes.subarray(directoryEnd),
    `${subject}, end`,
  );
  const trailer = new Cursor(end, `${subject}, end`);
  const directoryStart = directoryEnd - trailer.u32();
  if (trailer.take(4).toString("latin1") !== "HFPE" || directoryStart < frontLength) {
    trailer.refuse("no directory before it");
  }
  const nonce = Buffer.concat([u64(2n ** 64n - 1n), u32(0)]);
  const aad = Buffer.concat([ascii("directory"), keys.repository]);
  const directory = openGcm(
    key,
    nonce,
    aad,
    bytes.subarray(directoryStart, directoryEnd),
    `${subject}, directory`,
  );
  const places = readDirectory(directory, `${subject}, directory`);
  checkLayout(places, { frontLength, directoryStart }, subject);
  return { name, path, kind, length: bytes.length, key, envelopes, places };
}

function readDirectory(directory: Buffer, subject: string): readonly Place[] {
  const cursor = new Cursor(directory, subject);
  const places: Place[] = [];
  if (directory.length > DIRECTORY_ENTRIES_MAX * ENTRY_LENGTH) cursor.refuse("too many entries");
  while (cursor.left > 0) places.push(readPlaceFields(cursor, cursor.take(32)));
  return places;
}

/** Records follow each other from the front on; members of a bundle follow each other in it. */
function checkLayout(
  places: readonly Place[],
  { frontLength, directoryStart }: { readonly frontLength: number; readonly directoryStart: number },
  subject: string,
): void {
  let end = frontLength;
  for (const record of recordsOf(places)) {
    const [first] = record;
    if (first.recordOffset !== end)
      throw new FormatError(subject, `no record begins at ${first.recordOffset}`);
    end += first.recordLength;
    let chunkEnd = 0;
    for (const place of record) {
      const sameRecord = place.recordLength === first.recordLength && place.type === first.type;
      if (!sameRecord || place.chunkOffset !== chunkEnd)
        throw new FormatError(subject, "directory contradicts itself");
      chunkEnd += place.length;
    }
    if (record.length > 1 && first.type !== TYPES.bundle)
      throw new FormatError(subject, "two entries for one record");
  }
  if (end > directoryStart) throw new FormatError(subject, "records reach into the directory");
}

export type RecordPlaces = readonly [first: Place, ...others: Place[]];

/** Groups the entries of a directory by record: a bundle has one entry for every member. */
export function recordsOf(places: readonly Place[]): readonly RecordPlaces[] {
  const records: [Place, ...Place[]][] = [];
  for (const place of places) {
    const last = records.at(-1);
    if (last?.[0].recordOffset === place.recordOffset) last.push(place);
    else records.push([place]);
  }
  return records;
}

// Records (section 4.1)

interface Header {
  readonly type: number;
  readonly suite: number;
  readonly length: number;
  readonly frameSize: number;
  readonly refsLength: number;
  readonly counter: bigint;
  readonly session: string;
  readonly id: Buffer;
  readonly frames: readonly { readonly compressed: boolean; readonly length: number }[];
}

function readHeader(bytes: Buffer, subject: string): Header {
  const cursor = new Cursor(bytes, subject);
  const [type, suite, frameCount] = [cursor.u8(), cursor.u8(), cursor.u8()];
  cursor.zero(1);
  const [length, frameSize, refsLength, counter] = [cursor.u32(), cursor.u32(), cursor.u32(), cursor.u64()];
  const [session, id] = [cursor.take(16).toString("hex"), cursor.take(32)];
  const words = Array.from({ length: 8 }, cursor.u32);
  cursor.zero(8);
  if (type < 1 || type > 5) cursor.refuse("unknown type of record");
  if (length > PLAINTEXT_LENGTH_MAX) cursor.refuse("plaintext too long");
  const isPowerOfTwo = (frameSize & (frameSize - 1)) === 0;
  if (frameSize < FRAME_SIZE_MIN || frameSize > PLAINTEXT_LENGTH_MAX || !isPowerOfTwo)
    cursor.refuse("frame size");
  if (frameCount > 8 || frameCount !== Math.max(1, Math.ceil(length / frameSize)))
    cursor.refuse("frame count");
  if (words.slice(frameCount).some((word) => word !== 0)) cursor.refuse("a frame beyond the frame count");
  const frames = words
    .slice(0, frameCount)
    .map((word) => ({ compressed: word >>> 31 === 1, length: word & 0x7fff_ffff }));
  return { type, suite, length, frameSize, refsLength, counter, session, id, frames };
}

function decompress(frame: Buffer, length: number, subject: string): Buffer {
  try {
    return zstdDecompressSync(frame, { maxOutputLength: Math.max(1, length) });
  } catch {
    throw new FormatError(subject, "a frame does not decompress");
  }
}

/** Session keys by pack and session, since every opening costs an ML-KEM decapsulation. */
const sessionKeys = new WeakMap<Pack, Map<string, Buffer>>();

function sessionKeyOf(pack: Pack, session: string, keys: Keys, subject: string): Buffer {
  const known = sessionKeys.get(pack) ?? new Map<string, Buffer>();
  sessionKeys.set(pack, known);
  const envelope = pack.envelopes.get(session);
  if (envelope === undefined) throw new FormatError(subject, "its session is not in the front of the pack");
  const sessionKey = known.get(session) ?? openEnvelope(keys, envelope, subject);
  known.set(session, sessionKey);
  return sessionKey;
}

function openFrames(
  header: Header,
  headerBytes: Buffer,
  frames: Cursor,
  sessionKey: Buffer,
  keys: Keys,
): Buffer {
  const suite = suiteOf(header.suite, frames.subject);
  if ((suite.name !== "none") !== keys.encrypted) frames.refuse("a suite that contradicts the config");
  const parts = header.frames.map(({ compressed, length }, frame) => {
    const isLast = frame === header.frames.length - 1;
    const expected = isLast ? header.length - frame * header.frameSize : header.frameSize;
    const flags = Buffer.from([isLast ? 1 : 0, compressed ? 1 : 0]);
    const aad = Buffer.concat([headerBytes.subarray(0, 72), u32(frame), flags]);
    const place = { counter: header.counter, frame, aad };
    const opened = openFrame(suite, sessionKey, keys.repository, place, frames.take(length), frames.subject);
    const plaintext = compressed ? decompress(opened, expected, frames.subject) : opened;
    if (plaintext.length !== expected) frames.refuse("a frame has another length than expected");
    return plaintext;
  });
  frames.end();
  return Buffer.concat(parts);
}

/** Ids (section 4.1): of the record and, in a bundle, of every member. */
function checkIds(
  header: Header,
  plaintext: Buffer,
  record: RecordPlaces,
  keys: Keys,
  subject: string,
): void {
  const idOf = (type: number, bytes: Buffer): Buffer => hmac(keys.id, Buffer.from([type]), bytes);
  const isBundle = header.type === TYPES.bundle;
  const content = isBundle ? Buffer.concat(record.map(({ id }) => id)) : plaintext;
  if (!idOf(header.type, content).equals(header.id)) throw new FormatError(subject, "differs from its id");
  for (const { id, chunkOffset, length } of record) {
    const member = plaintext.subarray(chunkOffset, chunkOffset + length);
    const own = isBundle ? idOf(TYPES.chunk, member) : header.id;
    if (member.length !== length || !own.equals(id))
      throw new FormatError(subject, "the directory names another chunk");
  }
  const total = record.reduce((sum, { length }) => sum + length, 0);
  if (total !== plaintext.length) throw new FormatError(subject, "longer than its chunks");
}

function checkRefs(header: Header, plaintext: Buffer, box: Buffer, keys: Keys, subject: string): void {
  const wanted =
    header.type >= TYPES.list ? referencesOf(header.type, plaintext, subject) : new Set<string>();
  const context = Buffer.concat([ascii("holdfast/1/refs"), keys.repository, header.id]);
  const cursor = new Cursor(
    box.length === 0 ? Buffer.alloc(0) : openBox(keys.table, context, box, subject),
    `${subject}, refs box`,
  );
  if (box.length > 0 && cursor.left === 0) cursor.refuse("empty");
  const found = new Set<string>();
  let count = 0;
  for (; cursor.left > 0; count += 1) found.add(cursor.take(32).toString("hex"));
  if (count !== wanted.size || ![...wanted].every((id) => found.has(id)))
    cursor.refuse("does not say what the plaintext refers to");
}

function readBytes(path: string, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, length, position));
  } finally {
    closeSync(file);
  }
}

/** Opens a record and checks everything about it: header, refs box, tags, ids. Returns its plaintext. */
export function openRecord(pack: Pack, record: RecordPlaces, keys: Keys): Buffer {
  const { recordOffset, recordLength, type } = record[0];
  const subject = `packs/${pack.name}, record at ${recordOffset}`;
  const cursor = new Cursor(readBytes(pack.path, recordOffset, recordLength), subject);
  const nonce = Buffer.concat([u64(BigInt(recordOffset)), u32(0)]);
  const aad = Buffer.concat([ascii("header"), keys.repository]);
  const headerBytes = openGcm(pack.key, nonce, aad, cursor.take(SEALED_HEADER_LENGTH), `${subject}, header`);
  const header = readHeader(headerBytes, `${subject}, header`);
  if (header.type !== type) cursor.refuse("another type than in the directory");
  const box = cursor.take(header.refsLength);
  const sessionKey = sessionKeyOf(pack, header.session, keys, subject);
  const plaintext = openFrames(header, headerBytes, cursor, sessionKey, keys);
  checkIds(header, plaintext, record, keys, subject);
  checkRefs(header, plaintext, box, keys, subject);
  return plaintext;
}
