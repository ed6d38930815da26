/**
 * Entries as bytes (docs/format.md, section 7). Encoding runs once for every file of every copy; it writes straight
 * into the writer and makes no objects.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ByteReader, ByteWriter } from "@holdfast/kernel";
import { decodeContent, encodeContent } from "./content.ts";
import { type Entry, ENTRY_LIMITS, type EntryKind, type HardLink, type Xattr } from "./entry.ts";
import { isName, NAME_BYTES_MAX } from "./paths.ts";

/** An encoded entry; a page begins below 512 KiB and stays below the 8 MiB of a record with any one more. */
export const ENTRY_BYTES_MAX = 6 * 1024 * 1024;

const KIND_CODES: Readonly<Record<EntryKind, number>> = {
  file: 1,
  directory: 2,
  symlink: 3,
  fifo: 4,
  socket: 5,
  char: 6,
  block: 7,
};

const MODE_MAX = 0o7777;
const NUMBER_MAX = 0xffff_ffff;
const NANOSECONDS = 1_000_000_000;

const FLAG_XATTRS = 1;
const FLAG_LINK = 2;
const FLAG_CHANGED = 4;
const FLAGS = FLAG_XATTRS | FLAG_LINK | FLAG_CHANGED;

const NO_XATTRS: readonly Xattr[] = [];

/** Appends `entry`, which must keep within {@link ENTRY_LIMITS}. */
export function encodeEntry(writer: ByteWriter, entry: Entry): void {
  const start = writer.length;
  if (!isName(entry.name)) assert.fail("an entry has an impossible name");
  writer.u8(KIND_CODES[entry.kind]).blob(entry.name);
  writer.varint(entry.mode).varint(entry.uid).varint(entry.gid).text(entry.user).text(entry.group);
  writer.i64(entry.mtimeSeconds).u32(entry.mtimeNanoseconds);
  const hasXattrs = entry.xattrs.length > 0;
  writer.u8(
    (hasXattrs ? FLAG_XATTRS : 0) |
      (entry.link === undefined ? 0 : FLAG_LINK) |
      (entry.changedWhileRead ? FLAG_CHANGED : 0),
  );
  if (hasXattrs) encodeXattrs(writer, entry.xattrs);
  if (entry.link !== undefined) writer.u64(entry.link.device).u64(entry.link.inode);
  encodeSpecifics(writer, entry);
  if (writer.length - start > ENTRY_BYTES_MAX) assert.fail("an entry is too large for a page");
}

function encodeSpecifics(writer: ByteWriter, entry: Entry): void {
  switch (entry.kind) {
    case "file":
      writer.varint(entry.size);
      encodeContent(writer, entry.content, entry.size);
      return;
    case "symlink":
      assert(isTarget(entry.target));
      writer.blob(entry.target);
      return;
    case "char":
    case "block":
      writer.varint(entry.major).varint(entry.minor);
      return;
    case "directory":
    case "fifo":
    case "socket":
      return;
  }
}

function encodeXattrs(writer: ByteWriter, xattrs: readonly Xattr[]): void {
  assert(xattrs.length <= ENTRY_LIMITS.xattrs);
  writer.varint(xattrs.length);
  let last: Buffer | undefined;
  for (const { name, value } of xattrs) {
    assert(isXattrName(name) && value.length <= ENTRY_LIMITS.xattrValueBytes);
    assert(last === undefined || last.compare(name) < 0);
    writer.blob(name).blob(value);
    last = name;
  }
}

/**
 * Reads one entry. Its buffers are views of the reader's bytes.
 *
 * @throws AppError `ERR_DAMAGED`
 */
export function decodeEntry(reader: ByteReader): Entry {
  const code = reader.u8();
  const name = reader.blob(NAME_BYTES_MAX);
  if (!isName(name)) reader.fail("an entry has a name that no file can have");
  const mode = reader.varint(MODE_MAX);
  const uid = reader.varint(NUMBER_MAX);
  const gid = reader.varint(NUMBER_MAX);
  const user = reader.text(ENTRY_LIMITS.ownerBytes);
  const group = reader.text(ENTRY_LIMITS.ownerBytes);
  const mtimeSeconds = reader.i64();
  const mtimeNanoseconds = reader.u32();
  if (mtimeNanoseconds >= NANOSECONDS) reader.fail("a time has too many nanoseconds");
  const flags = reader.u8();
  if ((flags & ~FLAGS) !== 0) reader.fail("a reserved flag is set");
  const xattrs = (flags & FLAG_XATTRS) === 0 ? NO_XATTRS : decodeXattrs(reader);
  const link = (flags & FLAG_LINK) === 0 ? undefined : decodeLink(reader);
  const changedWhileRead = (flags & FLAG_CHANGED) !== 0;
  const base = {
    name,
    mode,
    uid,
    gid,
    user,
    group,
    mtimeSeconds,
    mtimeNanoseconds,
    xattrs,
    link,
    changedWhileRead,
  };
  return decodeSpecifics(reader, code, base);
}

type Base = Omit<Extract<Entry, { kind: "directory" }>, "kind">;

function decodeSpecifics(reader: ByteReader, code: number, base: Base): Entry {
  switch (code) {
    case KIND_CODES.file: {
      const size = reader.varint();
      return { ...base, kind: "file", size, content: decodeContent(reader, size) };
    }
    case KIND_CODES.directory:
      return { ...base, kind: "directory" };
    case KIND_CODES.symlink: {
      const target = reader.blob(ENTRY_LIMITS.targetBytes);
      if (!isTarget(target)) reader.fail("a symbolic link has an impossible target");
      return { ...base, kind: "symlink", target };
    }
    case KIND_CODES.fifo:
      return { ...base, kind: "fifo" };
    case KIND_CODES.socket:
      return { ...base, kind: "socket" };
    case KIND_CODES.char:
      return { ...base, kind: "char", major: reader.varint(NUMBER_MAX), minor: reader.varint(NUMBER_MAX) };
    case KIND_CODES.block:
      return { ...base, kind: "block", major: reader.varint(NUMBER_MAX), minor: reader.varint(NUMBER_MAX) };
    default:
      return reader.fail("an entry has an unknown kind");
  }
}

function decodeXattrs(reader: ByteReader): Xattr[] {
  const count = reader.varint(ENTRY_LIMITS.xattrs);
  if (count === 0) reader.fail("a list of attributes is empty");
  const xattrs: Xattr[] = [];
  let last: Buffer | undefined;
  for (let index = 0; index < count; index += 1) {
    const name = reader.blob(ENTRY_LIMITS.xattrNameBytes);
    if (!isXattrName(name)) reader.fail("an attribute has an impossible name");
    if (last !== undefined && last.compare(name) >= 0) reader.fail("attributes are not in order");
    last = name;
    xattrs.push({ name, value: reader.blob(ENTRY_LIMITS.xattrValueBytes) });
  }
  return xattrs;
}

function decodeLink(reader: ByteReader): HardLink {
  return { device: reader.u64(), inode: reader.u64() };
}

/** A zero byte would cut the name short when it is given to the system. */
function isXattrName(name: Buffer): boolean {
  return name.length > 0 && name.length <= ENTRY_LIMITS.xattrNameBytes && !name.includes(0);
}

function isTarget(target: Buffer): boolean {
  return target.length > 0 && target.length <= ENTRY_LIMITS.targetBytes && !target.includes(0);
}
