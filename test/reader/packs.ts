/**
 * Packs, their directories and records: docs/format.md section 4.
 *
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import * as d from "./decode.ts";
import { concat, le32, le64, must, refuse } from "./decode.ts";
import { hkdf, hmac, type Keys, openEnvelope, openFrame, openGcm, suiteOf } from "./keys.ts";

/** Section 4.1 */
export const TYPES = { chunk: 1, bundle: 2, list: 3, page: 4, node: 5 } as const;

export type Pack = ReturnType<typeof readPack>;
export type PackRecord = ReturnType<typeof recordsOf>[number];

const nonceOf = (number: bigint): Buffer => concat(le64(number), le32(0));

const FRONT = d.struct({
  kind: d.within(d.u8, 1, 3),
  sessions: d.within(d.u8, 1, 255),
  reserved: d.reserved(6),
  salt: d.take(32),
});
const END = d.struct({ directoryLength: d.u32, magic: d.constant("HFPE") });
/** Where a chunk is: a line of the directory. */
const PLACE = d.struct({
  id: d.take(32),
  recordOffset: d.u32,
  recordLength: d.u32,
  chunkOffset: d.u32,
  length: d.u24,
  type: d.u8,
});

/** Reads front, end and directory of a pack. Records are not opened. */
export function readPack(folder: string, name: string, keys: Keys) {
  const read = (pack: d.Cursor) => {
    const { kind, sessions, salt } = FRONT(pack);
    const fronts = d.list(() => sessions, d.take(1248))(pack);
    const envelopes = new Map(fronts.map((envelope) => [envelope.toString("hex", 0, 16), envelope]));
    const key = hkdf(keys.table, salt, concat("holdfast/1/pack", keys.repository), 32);
    const open = (number: bigint, what: string, sealed: Buffer): Buffer =>
      openGcm(key, nonceOf(number), concat(what, keys.repository), sealed);
    const body = d.take(d.left(pack) - 24)(pack);
    const { directoryLength } = d.decode(open(2n ** 64n - 2n, "end", d.take(24)(pack)), END);
    must(directoryLength <= body.length, "no directory before its end");
    const directory = open(2n ** 64n - 1n, "directory", body.subarray(body.length - directoryLength));
    const count = d.within(() => directory.length / 48, 0, 65_536);
    const places = d.decode(directory, d.list(count, PLACE));
    const [path, { length }] = [join(folder, name), pack.bytes];
    return { name, path, length, kind, key, envelopes, sessionKeys: new Map<string, Buffer>(), places };
  };
  return d.readObject(folder, name, read, keys.repository);
}

/** The entries of a directory by record: a bundle has one for every member. */
export function recordsOf({ places }: Pick<Pack, "places">) {
  return [...Map.groupBy(places, ({ recordOffset }) => recordOffset)].map(([offset, members]) => {
    const { recordLength: length = 0, type = 0 } = members[0] ?? {};
    return { offset, length, type, members };
  });
}

// Section 4.1: records

const HEADER = d.struct({
  type: d.within(d.u8, 1, 5),
  suite: d.map(d.u8, suiteOf),
  frameCount: d.within(d.u8, 1, 8),
  reserved: d.reserved(1),
  length: d.within(d.u32, 0, 2 ** 23),
  frameSize: d.checked(d.within(d.u32, 2 ** 12, 2 ** 23), (size) => (size & (size - 1)) === 0, "frame size"),
  refsLength: d.u32,
  counter: d.u64,
  session: d.map(d.take(16), (bytes) => bytes.toString("hex")),
  id: d.take(32),
  front: d.before,
  frames: d.list(() => 8, d.u32),
  end: d.reserved(8),
});

/** Opens a record and checks its header, tags and ids; the refs box is for cleaners. Returns its plaintext. */
export function openRecord(pack: Pack, { offset, length, type, members }: PackRecord, keys: Keys): Buffer {
  const { repository, encrypted } = keys;
  const read = (record: d.Cursor): Buffer => {
    const sealed = d.take(128)(record);
    const opened = openGcm(pack.key, nonceOf(BigInt(offset)), concat("header", repository), sealed);
    const header = d.decode(opened, HEADER);
    const { suite, frameCount, frameSize, counter, session, front } = header;
    must(header.type === type, "another type than in the directory");
    must((suite.name !== "none") === encrypted, "a suite that contradicts the config");
    must(frameCount === Math.max(1, Math.ceil(header.length / frameSize)), "another number of frames");
    d.skip(header.refsLength)(record);
    const envelope = pack.envelopes.get(session) ?? refuse("its session is not in the front");
    const sessionKey = pack.sessionKeys.get(session) ?? openEnvelope(keys, envelope);
    pack.sessionKeys.set(session, sessionKey);
    const frames = header.frames.map((word, frame) => {
      if (frame >= frameCount) must(word === 0, "a frame beyond the frame count");
      if (frame >= frameCount) return concat();
      const [compressed, isLast] = [word >>> 31, frame === frameCount - 1];
      const aad = concat(front, le32(frame), Buffer.from([Number(isLast), compressed]));
      const sealedFrame = d.take(word & 0x7fff_ffff)(record);
      const bytes = openFrame(suite, sessionKey, repository, { counter, frame, aad }, sealedFrame);
      const expected = isLast ? header.length - frame * frameSize : frameSize;
      const plaintext = compressed === 1 ? decompress(bytes, expected) : bytes;
      must(plaintext.length === expected, "a frame of another length than expected");
      return plaintext;
    });
    checkIds(type, header.id, concat(...frames), members, keys);
    return concat(...frames);
  };
  const bytes = readPart(pack, offset, length);
  return d.about(`${pack.name}, record at ${offset}`, () => d.decode(bytes, read));
}

/** What the pack has from there on, of so many bytes: a whole pack for each of its records would be a lot. */
function readPart(pack: Pick<Pack, "path" | "length">, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, Math.min(length, pack.length - offset)));
  const file = openSync(pack.path, "r");
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, offset));
  } finally {
    closeSync(file);
  }
}

function decompress(bytes: Buffer, length: number): Buffer {
  return d.about("zstd", () => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length) }));
}

function checkIds(type: number, id: Buffer, all: Buffer, members: PackRecord["members"], keys: Keys): void {
  const idOf = (what: number, bytes: Buffer): Buffer => hmac(keys.id, Buffer.from([what]), bytes);
  const isBundle = type === TYPES.bundle;
  const content = isBundle ? concat(...members.map((member) => member.id)) : all;
  must(idOf(type, content).equals(id), "differs from its id");
  let end = 0;
  for (const member of members) {
    const bytes = all.subarray(end, end + member.length);
    const own = isBundle ? idOf(TYPES.chunk, bytes) : id;
    must(own.equals(member.id), "the directory names another chunk");
    end += member.length;
  }
  must(end === all.length, "of another length than its chunks");
}
