/**
 * Writes tar archives as streams: POSIX.1-2017 pax, extended headers only where the ustar header cannot hold a value; compressed
 * with Zstandard (RFC 8878).
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createZstdCompress } from "node:zlib";
import type { Entry } from "@holdfast/repository";
import { type ArchiveEntry, type ArchiveOptions, exactly, leftOutReason } from "./archive-entry.ts";

const BLOCK = 512;
const NAME_BYTES = 100;
const OWNER_BYTES = 31;
/** Of the octal fields of 8 and 12 bytes. */
const ID_MAX = 0o7777777;
const NUMBER_MAX = 0o77777777777;
const TYPES = { file: "0", symlink: "2", directory: "5", extended: "x" } as const;
const SLASH = Buffer.from("/");

export async function* tarBytes(
  entries: AsyncIterable<ArchiveEntry>,
  options: ArchiveOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const compress = createZstdCompress();
  const feeding = pipeline(Readable.from(blocks(entries, options), { objectMode: false }), compress);
  // It fails with what the loop below fails with.
  feeding.catch(() => undefined);
  for await (const piece of compress) {
    if (!(piece instanceof Uint8Array)) throw new TypeError("compression gives bytes");
    yield piece;
  }
  await feeding;
}

async function* blocks(
  entries: AsyncIterable<ArchiveEntry>,
  { onLeftOut }: ArchiveOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { path, entry, content } of entries) {
    const reason = leftOutReason(entry);
    if (reason !== undefined) {
      onLeftOut?.(path, reason);
      continue;
    }
    yield headerOf(path, entry);
    if (entry.kind !== "file" || entry.size === 0) continue;
    yield* exactly(content(), entry.size, path);
    yield Buffer.alloc(padding(entry.size));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function headerOf(path: Buffer, entry: Entry): Buffer {
  const name = entry.kind === "directory" ? Buffer.concat([path, SLASH]) : path;
  const target = entry.kind === "symlink" ? entry.target : Buffer.alloc(0);
  const records = recordsOf(name, target, entry);
  const header = ustar({
    name,
    target,
    entry,
    size: entry.kind === "file" ? entry.size : 0,
    type: typeOf(entry),
  });
  if (records.length === 0) return header;
  const type = TYPES.extended;
  const front = ustar({
    name: Buffer.from("pax"),
    target: Buffer.alloc(0),
    entry,
    size: records.length,
    type,
  });
  return Buffer.concat([front, records, Buffer.alloc(padding(records.length)), header]);
}

function typeOf({ kind }: Entry): string {
  return kind === "directory" || kind === "symlink" ? TYPES[kind] : TYPES.file;
}

/** What the ustar header cannot say. */
function recordsOf(name: Buffer, target: Buffer, entry: Entry): Buffer {
  const records: Buffer[] = [];
  const add = (key: string, value: Buffer | string): void => {
    records.push(record(key, Buffer.from(value)));
  };
  const [isLongName, isLongTarget] = [name.length > NAME_BYTES, target.length > NAME_BYTES];
  // Then names are bytes, not text.
  if ((isLongName && !isUtf8(name)) || (isLongTarget && !isUtf8(target))) add("hdrcharset", "BINARY");
  if (isLongName) add("path", name);
  if (isLongTarget) add("linkpath", target);
  return Buffer.concat([...records, ...numbersOf(entry)]);
}

function numbersOf(entry: Entry): Buffer[] {
  const records: Buffer[] = [];
  const add = (key: string, value: string): void => {
    records.push(record(key, Buffer.from(value)));
  };
  if (entry.kind === "file" && entry.size > NUMBER_MAX) add("size", String(entry.size));
  if (entry.uid > ID_MAX) add("uid", String(entry.uid));
  if (entry.gid > ID_MAX) add("gid", String(entry.gid));
  if (Buffer.byteLength(entry.user) > OWNER_BYTES) add("uname", entry.user);
  if (Buffer.byteLength(entry.group) > OWNER_BYTES) add("gname", entry.group);
  const { mtimeSeconds: seconds, mtimeNanoseconds: nanoseconds } = entry;
  const isPlain = seconds >= 0n && seconds <= BigInt(NUMBER_MAX);
  if (nanoseconds > 0 || !isPlain) add("mtime", timeText(seconds, nanoseconds));
  return records;
}

/** Decimal seconds; the fraction always adds, also before 1970. */
function timeText(seconds: bigint, nanoseconds: number): string {
  const total = seconds * 1_000_000_000n + BigInt(nanoseconds);
  const magnitude = total < 0n ? -total : total;
  const fraction = String(magnitude % 1_000_000_000n).padStart(9, "0");
  return `${total < 0n ? "-" : ""}${String(magnitude / 1_000_000_000n)}.${fraction}`;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let { length } = rest;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

interface Header {
  readonly name: Buffer;
  readonly target: Buffer;
  readonly entry: Entry;
  readonly size: number;
  readonly type: string;
}

function ustar({ name, target, entry, size, type }: Header): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    header.write(value.toString(8).padStart(width - 1, "0"), at, "latin1");
  };
  name.copy(header, 0, 0, NAME_BYTES);
  octal(entry.mode & 0o7777, 100, 8);
  octal(Math.min(entry.uid, ID_MAX), 108, 8);
  octal(Math.min(entry.gid, ID_MAX), 116, 8);
  octal(Math.min(size, NUMBER_MAX), 124, 12);
  const seconds = entry.mtimeSeconds < 0n ? 0n : entry.mtimeSeconds;
  octal(Math.min(Number(seconds), NUMBER_MAX), 136, 12);
  header.write("        ", 148, "latin1");
  header.write(type, 156, "latin1");
  target.copy(header, 157, 0, NAME_BYTES);
  header.write("ustar\u000000", 257, "latin1");
  if (Buffer.byteLength(entry.user) <= OWNER_BYTES) header.write(entry.user, 265, "utf8");
  if (Buffer.byteLength(entry.group) <= OWNER_BYTES) header.write(entry.group, 297, "utf8");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
  return header;
}
