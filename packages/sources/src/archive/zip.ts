/**
 * Writes ZIP archives as streams (PKWARE APPNOTE 6.3.10), with the 64-bit fields where a size, a place or the count asks for
 * them (section 4.3.14 to 4.5.3).
 *
 * Large files are compressed as they come: their checksum and sizes follow them in a data descriptor (4.3.9). Names are UTF-8; what is not,
 * and what a program could take for a way out of its folder (backslash, colon, control characters), stands as `%XX`.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createDeflateRaw, deflateRawSync } from "node:zlib";
import type { Entry } from "@holdfast/repository";
import { type ArchiveEntry, type ArchiveOptions, exactly, leftOutReason } from "./archive-entry.ts";

const LOCAL_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const LOCATOR64_SIGNATURE = 0x07064b50;
const VERSION = 20;
const VERSION_64 = 45;
const MADE_BY_UNIX = 3 << 8;
const FLAG_DESCRIPTOR = 1 << 3;
const FLAG_UTF8 = 1 << 11;
const STORED = 0;
const DEFLATED = 8;
const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;
/** From here on a file gets 64-bit fields: compression may make it a little larger. */
const LARGE_BYTES = 0xff000000;
/** Up to here a file is compressed in one piece. */
const SMALL_BYTES = 256 * 1024;
const COMPRESSION_LEVEL = 3;
const EXTRA_64 = 0x0001;
const EXTRA_TIME = 0x5455;
const UNIX_TYPES = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const;
const DOS_DIRECTORY = 0x10;

interface Written {
  readonly crc: number;
  readonly size: number;
  readonly stored: number;
}

interface Member extends Written {
  readonly name: Buffer;
  readonly entry: Entry;
  readonly method: number;
  readonly flags: number;
  readonly offset: number;
}

export async function* zipBytes(
  entries: AsyncIterable<ArchiveEntry>,
  { onLeftOut }: ArchiveOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const central: Buffer[] = [];
  let offset = 0;
  for await (const archived of entries) {
    const { entry, path } = archived;
    const name = zipName(path, entry.kind === "directory");
    const reason =
      leftOutReason(entry) ?? (name.length > MAX_16 ? "Its path is too long for a ZIP." : undefined);
    if (reason !== undefined) {
      onLeftOut?.(path, reason);
      continue;
    }
    const start = offset;
    const member = yield* counted(writeMember(archived, name, start), (length) => {
      offset += length;
    });
    central.push(centralHeader(member));
  }
  const size = central.reduce((sum, { length }) => sum + length, 0);
  yield* central;
  yield endOf(central.length, size, offset);
}

async function* counted<R>(
  pieces: AsyncGenerator<Uint8Array, R, undefined>,
  count: (length: number) => void,
): AsyncGenerator<Uint8Array, R, undefined> {
  for (;;) {
    const { done, value } = await pieces.next();
    if (done === true) return value;
    count(value.length);
    yield value;
  }
}

async function* writeMember(
  { entry, content, path }: ArchiveEntry,
  name: Buffer,
  offset: number,
): AsyncGenerator<Uint8Array, Member, undefined> {
  if (entry.kind === "file" && entry.size > SMALL_BYTES) {
    const head = { name, entry, offset, method: DEFLATED, flags: FLAG_UTF8 | FLAG_DESCRIPTOR };
    const unknown = { crc: 0, size: 0, stored: 0 };
    yield localHeader({ ...head, ...unknown });
    const written = yield* deflated(exactly(content(), entry.size, path));
    yield descriptor(written, isLarge(entry));
    return { ...head, ...written };
  }
  const bytes = await smallContent(entry, content, path);
  const packed = bytes.length === 0 || entry.kind === "symlink" ? bytes : deflateRawSync(bytes);
  const method = packed === bytes ? STORED : DEFLATED;
  const written = { crc: crc32(bytes), size: bytes.length, stored: packed.length };
  const member = { name, entry, offset, method, flags: FLAG_UTF8, ...written };
  yield localHeader(member);
  if (packed.length > 0) yield packed;
  return member;
}

async function smallContent(entry: Entry, content: ArchiveEntry["content"], path: Buffer): Promise<Buffer> {
  if (entry.kind === "symlink") return Buffer.from(entry.target);
  if (entry.kind !== "file" || entry.size === 0) return Buffer.alloc(0);
  const pieces: Uint8Array[] = [];
  for await (const piece of exactly(content(), entry.size, path)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* deflated(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, Written, undefined> {
  let [crc, size, stored] = [0, 0, 0];
  const measured = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of content) {
      crc = crc32(piece, crc);
      size += piece.length;
      yield piece;
    }
  };
  const deflate = createDeflateRaw({ level: COMPRESSION_LEVEL });
  const feeding = pipeline(Readable.from(measured(), { objectMode: false }), deflate);
  // It fails with what the loop below fails with.
  feeding.catch(() => undefined);
  for await (const piece of deflate) {
    if (!(piece instanceof Uint8Array)) throw new TypeError("compression gives bytes");
    stored += piece.length;
    yield piece;
  }
  await feeding;
  return { crc, size, stored };
}

function isLarge(entry: Entry): boolean {
  return entry.kind === "file" && entry.size >= LARGE_BYTES;
}

function localHeader({ name, entry, method, flags, crc, size, stored }: Member): Buffer {
  const large = isLarge(entry);
  // The sizes follow in the descriptor; the field is there to say that they have 64 bits.
  const extra = Buffer.concat([...(large ? [extraField(EXTRA_64, [0n, 0n])] : []), timeField(entry)]);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(LOCAL_SIGNATURE, 0);
  header.writeUInt16LE(large ? VERSION_64 : VERSION, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(dosTime(entry), 10);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(large ? MAX_32 : stored, 18);
  header.writeUInt32LE(large ? MAX_32 : size, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, name, extra]);
}

function descriptor({ crc, size, stored }: Written, large: boolean): Buffer {
  const bytes = Buffer.alloc(large ? 24 : 16);
  bytes.writeUInt32LE(DESCRIPTOR_SIGNATURE, 0);
  bytes.writeUInt32LE(crc, 4);
  if (large) {
    bytes.writeBigUInt64LE(BigInt(stored), 8);
    bytes.writeBigUInt64LE(BigInt(size), 16);
  } else {
    bytes.writeUInt32LE(stored, 8);
    bytes.writeUInt32LE(size, 12);
  }
  return bytes;
}

function centralHeader({ name, entry, method, flags, crc, size, stored, offset }: Member): Buffer {
  // In this order, each only if its own field is full (4.5.3).
  const beyond = [size, stored, offset].filter((value) => value >= MAX_32).map(BigInt);
  const extra = Buffer.concat([
    ...(beyond.length > 0 ? [extraField(EXTRA_64, beyond)] : []),
    timeField(entry),
  ]);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(CENTRAL_SIGNATURE, 0);
  header.writeUInt16LE(MADE_BY_UNIX | VERSION_64, 4);
  header.writeUInt16LE(beyond.length > 0 || isLarge(entry) ? VERSION_64 : VERSION, 6);
  header.writeUInt16LE(flags, 8);
  header.writeUInt16LE(method, 10);
  header.writeUInt32LE(dosTime(entry), 12);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(Math.min(stored, MAX_32), 20);
  header.writeUInt32LE(Math.min(size, MAX_32), 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(attributesOf(entry), 38);
  header.writeUInt32LE(Math.min(offset, MAX_32), 42);
  return Buffer.concat([header, name, extra]);
}

/** Without set-id bits: whoever unpacks it gives no rights away. */
function attributesOf({ kind, mode }: Entry): number {
  const type = kind === "directory" || kind === "symlink" ? UNIX_TYPES[kind] : UNIX_TYPES.file;
  return (((type | (mode & 0o777)) << 16) | (kind === "directory" ? DOS_DIRECTORY : 0)) >>> 0;
}

function endOf(count: number, size: number, offset: number): Buffer {
  const isLong = count >= MAX_16 || size >= MAX_32 || offset >= MAX_32;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(END_SIGNATURE, 0);
  end.writeUInt16LE(Math.min(count, MAX_16), 8);
  end.writeUInt16LE(Math.min(count, MAX_16), 10);
  end.writeUInt32LE(Math.min(size, MAX_32), 12);
  end.writeUInt32LE(Math.min(offset, MAX_32), 16);
  return isLong ? Buffer.concat([endOf64(count, size, offset), end]) : end;
}

function endOf64(count: number, size: number, offset: number): Buffer {
  const end = Buffer.alloc(56);
  end.writeUInt32LE(END64_SIGNATURE, 0);
  end.writeBigUInt64LE(BigInt(end.length - 12), 4);
  end.writeUInt16LE(MADE_BY_UNIX | VERSION_64, 12);
  end.writeUInt16LE(VERSION_64, 14);
  end.writeBigUInt64LE(BigInt(count), 24);
  end.writeBigUInt64LE(BigInt(count), 32);
  end.writeBigUInt64LE(BigInt(size), 40);
  end.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(LOCATOR64_SIGNATURE, 0);
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([end, locator]);
}

function extraField(id: number, values: readonly bigint[]): Buffer {
  const field = Buffer.alloc(4 + values.length * 8);
  field.writeUInt16LE(id, 0);
  field.writeUInt16LE(values.length * 8, 2);
  for (const [index, value] of values.entries()) field.writeBigUInt64LE(value, 4 + index * 8);
  return field;
}

/** Info-ZIP's extended timestamp: seconds since 1970; nothing for a time that it cannot hold. */
function timeField({ mtimeSeconds }: Entry): Buffer {
  if (mtimeSeconds < -0x80000000n || mtimeSeconds > 0x7fffffffn) return Buffer.alloc(0);
  const field = Buffer.alloc(9);
  field.writeUInt16LE(EXTRA_TIME, 0);
  field.writeUInt16LE(5, 2);
  field[4] = 1;
  field.writeInt32LE(Number(mtimeSeconds), 5);
  return field;
}

const DOS_FIRST = Date.UTC(1980, 0, 1);
const DOS_LAST = Date.UTC(2107, 11, 31);

/** Two seconds fine, from 1980 to 2107, here in UTC: programs that know the extended timestamp do not look at it. */
function dosTime({ mtimeSeconds }: Entry): number {
  const date = new Date(Math.min(Math.max(Number(mtimeSeconds) * 1000, DOS_FIRST), DOS_LAST));
  const day = ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate();
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1);
  return ((day << 16) | time) >>> 0;
}

const UNSAFE = /[\\:\p{Cc}]/gu;

function zipName(path: Buffer, isFolder: boolean): Buffer {
  const text = isUtf8(path) ? path.toString("utf8").replaceAll(UNSAFE, escaped) : escapedBytes(path);
  return Buffer.from(isFolder ? `${text}/` : text, "utf8");
}

function escaped(character: string): string {
  return [...Buffer.from(character, "utf8")].map(percent).join("");
}

function escapedBytes(path: Buffer): string {
  return [...path]
    .map((byte) => (byte >= 0x80 ? percent(byte) : String.fromCharCode(byte).replace(UNSAFE, escaped)))
    .join("");
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}
