/**
 * Packs, their directories and records: docs/format.md section 4. Index segments: section 5.
 *
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { concat, Cursor, must, refuse, u32, u64 } from "./bytes.ts";
import { hkdf, hmac, type Keys, openBox, openEnvelope, openFrame, openGcm, suiteOf } from "./keys.ts";
import { readList, readNode, readPage, TYPES } from "./tree.ts";

export type Place = ReturnType<typeof readPlace>;
export type Pack = ReturnType<typeof readPack>;
export type PackRecord = ReturnType<typeof recordsOf>[number];

const nonceOf = (number: bigint): Buffer => concat(u64(number), u32(0));

/** The four last fields of an entry of section 4.2; entries of section 5 have them, too. */
export function readPlace(cursor: Cursor, id: Buffer) {
  const [recordOffset, recordLength, chunkOffset] = [cursor.u32(), cursor.u32(), cursor.u32()];
  const word = cursor.u32();
  return { id, recordOffset, recordLength, chunkOffset, type: word >>> 24, length: word & 0xff_ffff };
}

/** Reads front, end and directory of a pack. Records are not opened. */
export function readPack(pack: Cursor, path: string, keys: Keys) {
  const { subject, bytes } = pack;
  const [kind, sessions] = [pack.u8(), pack.u8()];
  pack.zero(6);
  pack.must(kind >= 1 && kind <= 3 && sessions > 0, "unknown kind of pack, or no session");
  const key = hkdf(keys.table, pack.take(32), concat("holdfast/1/pack", keys.repository), 32);
  const fronts = pack.many(sessions, () => pack.take(1248));
  const envelopes = new Map(fronts.map((envelope) => [envelope.toString("hex", 0, 16), envelope]));
  const frontLength = pack.at;
  const body = pack.take(pack.left() - 24);
  const endAad = concat("end", keys.repository);
  const end = new Cursor(openGcm(key, nonceOf(2n ** 64n - 2n), endAad, pack.rest(), subject), subject);
  const sealedLength = end.u32();
  end.must(end.take(4).equals(concat("HFPE")) && sealedLength <= body.length, "no directory before it");
  const sealed = body.subarray(body.length - sealedLength);
  const aad = concat("directory", keys.repository);
  const directory = new Cursor(openGcm(key, nonceOf(2n ** 64n - 1n), aad, sealed, subject), subject);
  directory.must(directory.left() <= 65_536 * 48, "too many entries");
  const places: Place[] = [];
  while (directory.left() > 0) places.push(readPlace(directory, directory.take(32)));
  checkLayout(places, frontLength, frontLength + body.length - sealedLength, subject);
  const name = subject.slice(-64);
  const sessionKeys = new Map<string, Buffer>();
  return { name, path, kind, length: bytes.length, key, envelopes, sessionKeys, places };
}

/** The entries of a directory by record: a bundle has one for every member. */
export function recordsOf(places: readonly Place[]) {
  const records = [...Map.groupBy(places, ({ recordOffset }) => recordOffset)];
  return records.map(([offset, members]) => {
    const { recordLength: length = 0, type = 0 } = members[0] ?? {};
    return { offset, length, type, members };
  });
}

/** Records follow each other from the front on; members of a bundle follow each other in it. */
function checkLayout(places: readonly Place[], front: number, directory: number, subject: string): void {
  const [records, contradiction] = [recordsOf(places), `${subject}: the directory contradicts itself`];
  let [end, count] = [front, 0];
  for (const { offset, length, type, members } of records) {
    must(offset === end && (members.length === 1 || type === TYPES.bundle), contradiction);
    let inside = 0;
    for (const place of members) {
      must(place.recordLength === length && place.type === type, contradiction);
      must(place.chunkOffset === inside && place === places[count], contradiction);
      inside += place.length;
      count += 1;
    }
    end += length;
  }
  must(end <= directory, `${subject}: records reach into the directory`);
}

// Section 4.1: records

function readHeader(header: Cursor) {
  const [type, suite, frameCount] = [header.u8(), header.u8(), header.u8()];
  header.zero(1);
  const [length, frameSize, refsLength, counter] = [header.u32(), header.u32(), header.u32(), header.u64()];
  const [session, id, aad] = [header.hex(16), header.take(32), header.front()];
  const words = header.many(8, header.u32);
  header.zero(8);
  header.must(type >= 1 && type <= 5, "unknown type of record");
  header.must(length <= 2 ** 23, "plaintext too long");
  const isPowerOfTwo = (frameSize & (frameSize - 1)) === 0;
  header.must(isPowerOfTwo && frameSize >= 2 ** 12 && frameSize <= 2 ** 23, "frame size");
  const expected = Math.max(1, Math.ceil(length / frameSize));
  header.must(frameCount <= 8 && frameCount === expected, "frame count");
  header.must(!words.slice(frameCount).some(Boolean), "a frame beyond the frame count");
  const frames = words.slice(0, frameCount);
  return { type, suite, length, frameSize, refsLength, counter, session, id, aad, frames };
}

function readAt(path: string, position: number, length: number): Buffer {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, position));
  } finally {
    closeSync(file);
  }
}

function decompress(frame: Buffer, length: number, subject: string): Buffer {
  try {
    return zstdDecompressSync(frame, { maxOutputLength: Math.max(1, length) });
  } catch {
    return refuse(`${subject}: a frame does not decompress`);
  }
}

/** Opens a record and checks everything about it: header, tags, ids, refs box. Returns its plaintext. */
export function openRecord(pack: Pack, record: PackRecord, keys: Keys): Buffer {
  const subject = `packs/${pack.name}, record at ${record.offset}`;
  const sealed = new Cursor(readAt(pack.path, record.offset, record.length), subject);
  const headerAad = concat("header", keys.repository);
  const bytes = openGcm(pack.key, nonceOf(BigInt(record.offset)), headerAad, sealed.take(128), subject);
  const header = readHeader(new Cursor(bytes, `${subject}, header`));
  sealed.must(header.type === record.type, "another type than in the directory");
  const box = sealed.take(header.refsLength);
  const suite = suiteOf(header.suite, subject);
  sealed.must((suite.name !== "none") === keys.encrypted, "a suite that contradicts the config");
  const envelope =
    pack.envelopes.get(header.session) ?? refuse(`${subject}: its session is not in the front`);
  const sessionKey = pack.sessionKeys.get(header.session) ?? openEnvelope(keys, envelope, subject);
  pack.sessionKeys.set(header.session, sessionKey);
  const frames = header.frames.map((word, frame) => {
    const isLast = frame === header.frames.length - 1;
    const [isCompressed, length] = [word >>> 31 === 1, word & 0x7fff_ffff];
    const expected = isLast ? header.length - frame * header.frameSize : header.frameSize;
    const aad = concat(header.aad, u32(frame), Buffer.from([Number(isLast), Number(isCompressed)]));
    const place = { counter: header.counter, frame, aad };
    const opened = openFrame(suite, sessionKey, keys.repository, place, sealed.take(length), subject);
    const plaintext = isCompressed ? decompress(opened, expected, subject) : opened;
    sealed.must(plaintext.length === expected, "a frame of another length than expected");
    return plaintext;
  });
  sealed.end();
  const plaintext = concat(...frames);
  checkIds(header, plaintext, record, keys, subject);
  checkRefs(header, plaintext, box, keys, subject);
  return plaintext;
}

type Header = Pick<ReturnType<typeof readHeader>, "type" | "id">;

function checkIds(
  { type, id }: Header,
  all: Buffer,
  { members }: PackRecord,
  keys: Keys,
  subject: string,
): void {
  const idOf = (what: number, bytes: Buffer): Buffer => hmac(keys.id, Buffer.from([what]), bytes);
  const isBundle = type === TYPES.bundle;
  const content = isBundle ? concat(...members.map((member) => member.id)) : all;
  must(idOf(type, content).equals(id), `${subject}: differs from its id`);
  let end = 0;
  for (const member of members) {
    const bytes = all.subarray(end, end + member.length);
    const own = isBundle ? idOf(TYPES.chunk, bytes) : id;
    must(own.equals(member.id), `${subject}: the directory names another chunk`);
    end += member.length;
  }
  must(end === all.length, `${subject}: of another length than its chunks`);
}

const PARSERS: Readonly<Record<number, (cursor: Cursor) => unknown>> = {
  [TYPES.list]: readList,
  [TYPES.page]: readPage,
  [TYPES.node]: readNode,
};

function checkRefs({ type, id }: Header, all: Buffer, box: Buffer, keys: Keys, subject: string): void {
  const plaintext = new Cursor(all, subject);
  PARSERS[type]?.(plaintext);
  const context = concat("holdfast/1/refs", keys.repository, id);
  const refs = box.length === 0 ? new Cursor(box, subject) : openBox(keys.table, context, box, subject);
  refs.must(box.length === 0 || refs.left() > 0, "empty");
  const wanted = plaintext.refs;
  refs.must(refs.left() === wanted.size * 32, "not as many as the plaintext refers to");
  const found = new Set(refs.many(wanted.size, refs.hex));
  refs.must(
    [...wanted].every((hex) => found.has(hex)),
    "not what the plaintext refers to",
  );
}

// Section 5: the index. This reader finds chunks by the directories of packs, and sees that the index says the same

export type Segment = ReturnType<typeof readSegment>;

export function readSegment(segment: Cursor, keys: Keys) {
  const { subject } = segment;
  const key = hkdf(keys.table, segment.take(32), "holdfast/1/index/frames", 32);
  const context = concat("holdfast/1/index", segment.front());
  const head = openBox(keys.table, context, segment.take(segment.u32()), subject);
  const [entryCount, packCount, blockCount] = [head.u64Number(), head.u32(), head.u32()];
  const superseded = head.many(head.u32(), head.hex);
  head.end();
  // Frames are numbered through all four sections.
  let frame = 0n;
  const section = (length: number): Cursor => {
    const frames: Buffer[] = [];
    segment.must(length <= segment.left(), "a section is longer than the object");
    for (let left = length; left > 0; left -= 7800, frame += 1n) {
      const sealed = segment.take(Math.min(left, 7800) + 16);
      frames.push(openGcm(key, concat(u64(frame), u32(0)), keys.repository, sealed, subject));
    }
    return new Cursor(concat(...frames), subject);
  };
  const [entryLines, packLines] = [section(entryCount * 52), section(packCount * 40)];
  const [filter, fences] = [section(blockCount * 64), section(Math.ceil(entryCount / 150) * 8)];
  segment.end();
  const entries = entryLines.many(entryCount, () => {
    const [id, pack] = [entryLines.take(32), entryLines.u32()];
    entryLines.must(pack < packCount, "unknown pack number");
    return { pack, ...readPlace(entryLines, id) };
  });
  const packs = packLines.many(packCount, () => {
    const pack = { name: packLines.hex(), length: packLines.u32(), kind: packLines.u8() };
    packLines.zero(3);
    return pack;
  });
  entries.forEach(({ id, pack }, index) => {
    const before = entries[index - 1] ?? { id, pack };
    const order = Buffer.compare(before.id, id) || before.pack - pack;
    fences.must(order <= 0, "entries out of order");
    fences.must(index % 150 > 0 || fences.take(8).equals(id.subarray(0, 8)), "a fence differs");
    must(isInFilter(filter.bytes, blockCount, id), `${subject}: the filter does not know an id`);
  });
  return { subject, superseded, packs, entries };
}

function isInFilter(filter: Buffer, blocks: number, id: Buffer): boolean {
  const [x, a, b, c] = [id.readUInt32LE(16), id.readUInt32LE(20), id.readUInt32LE(24), id.readUInt32LE(28)];
  const start = Math.floor((x * blocks) / 2 ** 32) * 64;
  const bits = [a, a >>> 9, a >>> 18, b, b >>> 9, b >>> 18, c].map((word) => word & 511);
  return bits.every((bit) => ((filter[start + (bit >>> 3)] ?? 0) & (1 << (bit & 7))) !== 0);
}

const lineOf = ({ id, recordOffset, recordLength, chunkOffset, type, length }: Place): string =>
  [id.toString("hex"), recordOffset, recordLength, chunkOffset, type, length].join(" ");

/** One line for everything in which segments that are not superseded and directories of packs contradict each other. */
export function compareIndex(segments: readonly Segment[], packs: ReadonlyMap<string, Pack>): string[] {
  const superseded = new Set(segments.flatMap((segment) => segment.superseded));
  const problems: string[] = [];
  const indexed = new Map<string, Set<string>>();
  for (const { subject, entries, ...segment } of segments) {
    if (superseded.has(subject.slice(-64))) continue;
    for (const [number, { name, length, kind }] of segment.packs.entries()) {
      const pack = packs.get(name);
      const isSame = pack?.length === length && pack.kind === kind;
      if (!isSame) problems.push(`${subject}: pack ${name} is missing or another`);
      const lines = entries.filter((entry) => entry.pack === number).map(lineOf);
      indexed.set(name, new Set([...(indexed.get(name) ?? []), ...lines]));
    }
  }
  // A pack that no segment names is allowed: an interrupted session leaves it.
  for (const { name, places } of packs.values()) {
    const said = indexed.get(name) ?? new Set(places.map(lineOf));
    const isSame = places.length === said.size && places.every((place) => said.has(lineOf(place)));
    if (!isSame) problems.push(`index: contradicts the directory of pack ${name}`);
  }
  return problems;
}
