/**
 * What records say: lists of a file's content (docs/format.md section 6), pages and nodes of the tree (section 7).
 * Everything here turns verified plaintext into data and refuses what the document does not allow.
 *
 * @module
 */
import { Cursor, FormatError } from "./object.ts";

export const TYPES = { chunk: 1, bundle: 2, list: 3, page: 4, node: 5 } as const;

export type Segment =
  | { readonly kind: "data"; readonly length: number; readonly id: Buffer }
  | { readonly kind: "hole" | "zeros"; readonly length: number };

export interface Child {
  readonly length: number;
  readonly id: Buffer;
}

export interface List {
  readonly depth: number;
  readonly segments: readonly Segment[];
  readonly children: readonly Child[];
}

function readMany<T>(cursor: Cursor, count: number, read: (cursor: Cursor) => T): readonly T[] {
  return Array.from({ length: count }, () => read(cursor));
}

const CHUNK_LENGTH_MAX = 8 * 1024 * 1024;
const SEGMENTS_IN_ENTRY_MAX = 4096;
const LIST_LENGTH_MAX = 65_536;
const LEVELS_MAX = 32;
const U32_MAX = 0xffff_ffff;

function readSegment(cursor: Cursor): Segment {
  const word = cursor.varint();
  const [length, kind] = [Math.floor(word / 4), word % 4];
  if (length === 0) cursor.refuse("segment of length 0");
  if (kind === 0 && length > CHUNK_LENGTH_MAX) cursor.refuse("segment longer than a chunk");
  if (kind === 0) return { kind: "data", length, id: cursor.take(32) };
  if (kind === 3) cursor.refuse("unknown kind of segment");
  return { kind: kind === 1 ? "hole" : "zeros", length };
}

export function readList(plaintext: Buffer, subject: string): List {
  const cursor = new Cursor(plaintext, subject);
  const depth = cursor.u8();
  const count = cursor.varint(LIST_LENGTH_MAX);
  if (count === 0 || depth > LEVELS_MAX) cursor.refuse("empty or too deep a list");
  const segments = depth === 0 ? readMany(cursor, count, readSegment) : [];
  const readChild = (): Child => ({ length: cursor.varint(), id: cursor.take(32) });
  const children = depth > 0 ? readMany(cursor, count, readChild) : [];
  if (children.some(({ length }) => length === 0)) cursor.refuse("a child of no bytes");
  cursor.end();
  return { depth, segments, children };
}

// Pages

const ENTRY_KINDS = [
  "file",
  "directory",
  "symbolic link",
  "FIFO",
  "socket",
  "character device",
  "block device",
] as const;

export type Content =
  | { readonly form: "inline"; readonly bytes: Buffer }
  | { readonly form: "segments"; readonly segments: readonly Segment[] }
  | { readonly form: "list"; readonly depth: number; readonly id: Buffer };

export interface Entry {
  /** Path of the directory that holds the entry; empty for the root. */
  readonly directory: Buffer;
  readonly name: Buffer;
  readonly kind: (typeof ENTRY_KINDS)[number];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
  readonly mtimeNs: bigint;
  readonly attributes: readonly (readonly [name: Buffer, value: Buffer])[];
  /** Equal in all names of one file. */
  readonly inode: string | undefined;
  readonly incomplete: boolean;
  /** Of files; 0 for everything else. */
  readonly size: number;
  readonly content: Content | undefined;
  readonly target: Buffer | undefined;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
}

function checkName(name: Buffer, cursor: Cursor): Buffer {
  const text = name.toString("latin1");
  const forbidden = text.includes("/") || text.includes("\0") || text === "." || text === "..";
  if (forbidden || name.length < 1 || name.length > 1024) cursor.refuse("forbidden name");
  return name;
}

function readPath(cursor: Cursor): Buffer {
  const path = cursor.blob(1024 * 1024);
  if (path.length > 0) {
    for (const part of path.toString("latin1").split("/")) checkName(Buffer.from(part, "latin1"), cursor);
  }
  return path;
}

/** The order of section 7 for directory paths: components are compared, for a separator sorts below every other byte. */
export function comparePaths(a: Buffer, b: Buffer): number {
  const byComponents = (path: Buffer): Buffer => Buffer.from(path.map((byte) => (byte === 0x2f ? 0 : byte)));
  return Buffer.compare(byComponents(a), byComponents(b));
}

export function compareKeys(
  a: Pick<Entry, "directory" | "name">,
  b: Pick<Entry, "directory" | "name">,
): number {
  return comparePaths(a.directory, b.directory) || Buffer.compare(a.name, b.name);
}

function readAttributes(cursor: Cursor): Entry["attributes"] {
  const attributes = readMany(
    cursor,
    cursor.varint(4096),
    () => [cursor.blob(1024), cursor.blob(1024 * 1024)] as const,
  );
  if (attributes.length === 0) cursor.refuse("the flag of attributes without any");
  if (attributes.some(([name]) => name.length === 0 || name.includes(0)))
    cursor.refuse("forbidden attribute");
  attributes.forEach(([name], index) => {
    const before = attributes[index - 1]?.[0];
    if (before !== undefined && Buffer.compare(before, name) >= 0) cursor.refuse("attributes out of order");
  });
  return attributes;
}

function readSegments(cursor: Cursor, size: number): Content {
  const segments = readMany(cursor, cursor.varint(SEGMENTS_IN_ENTRY_MAX), readSegment);
  if (segments.reduce((sum, { length }) => sum + length, 0) !== size) {
    cursor.refuse("segments have another length than the file");
  }
  return { form: "segments", segments };
}

function readListReference(cursor: Cursor): Content {
  const depth = cursor.u8();
  if (depth > LEVELS_MAX) cursor.refuse("too deep a list");
  return { form: "list", depth, id: cursor.take(32) };
}

function readContent(cursor: Cursor, size: number): Content {
  const form = cursor.u8();
  if ((form === 0) !== (size === 0)) cursor.refuse("form 0 stands for size 0 and nothing else");
  if (form === 0) return { form: "segments", segments: [] };
  if (form === 1) {
    const bytes = cursor.blob();
    if (bytes.length !== size) cursor.refuse("inline content has another size than the file");
    return { form: "inline", bytes };
  }
  if (form === 2) return readSegments(cursor, size);
  if (form === 3) return readListReference(cursor);
  return cursor.refuse("unknown form of content");
}

function readTarget(cursor: Cursor): Buffer {
  const target = cursor.blob(64 * 1024);
  return target.length > 0 && !target.includes(0) ? target : cursor.refuse("forbidden target");
}

function readEntry(cursor: Cursor, directory: Buffer): Entry {
  const kind = ENTRY_KINDS[cursor.u8() - 1] ?? cursor.refuse("unknown kind of entry");
  const name = checkName(cursor.blob(), cursor);
  const [mode, uid, gid] = [cursor.varint(0o7777), cursor.varint(U32_MAX), cursor.varint(U32_MAX)];
  const [user, group] = [cursor.text(256), cursor.text(256)];
  const [seconds, nanoseconds] = [cursor.i64(), cursor.u32()];
  if (nanoseconds > 999_999_999) cursor.refuse("nanoseconds beyond a second");
  const flags = cursor.u8();
  if (flags > 7) cursor.refuse("unknown flag");
  const attributes = (flags & 1) !== 0 ? readAttributes(cursor) : [];
  const inode = (flags & 2) !== 0 ? `${cursor.u64()}:${cursor.u64()}` : undefined;
  const size = kind === "file" ? cursor.varint() : 0;
  const content = kind === "file" ? readContent(cursor, size) : undefined;
  const target = kind === "symbolic link" ? readTarget(cursor) : undefined;
  const isDevice = kind === "character device" || kind === "block device";
  const device = isDevice ? { major: cursor.varint(U32_MAX), minor: cursor.varint(U32_MAX) } : undefined;
  const mtimeNs = seconds * 1_000_000_000n + BigInt(nanoseconds);
  const described = { directory, name, kind, mode, uid, gid, user, group, mtimeNs, attributes };
  return { ...described, inode, incomplete: (flags & 4) !== 0, size, content, target, device };
}

const PARTS_IN_PAGE_MAX = 262_144;

function partsOf({ attributes, content }: Entry): number {
  return attributes.length + (content?.form === "segments" ? content.segments.length : 0);
}

export function readPage(plaintext: Buffer, subject: string): readonly Entry[] {
  const cursor = new Cursor(plaintext, subject);
  const entries: Entry[] = [];
  let last: Buffer | undefined;
  for (let sections = cursor.count(); sections > 0; sections -= 1) {
    const directory = readPath(cursor);
    if (last !== undefined && comparePaths(last, directory) >= 0) cursor.refuse("sections out of order");
    last = directory;
    const count = cursor.count();
    if (count === 0 || entries.length + count > 65_536) cursor.refuse("no entries in a section, or too many");
    for (let left = count; left > 0; left -= 1) entries.push(readEntry(cursor, directory));
  }
  cursor.end();
  if (entries.some((entry, index) => index > 0 && compareKeys(entries[index - 1] ?? entry, entry) >= 0)) {
    cursor.refuse("entries out of order");
  }
  if (entries.reduce((sum, entry) => sum + partsOf(entry), 0) > PARTS_IN_PAGE_MAX) {
    cursor.refuse("too many segments and attributes");
  }
  return entries;
}

// Nodes

export interface NodeChild {
  /** Key of the first entry below. */
  readonly directory: Buffer;
  readonly name: Buffer;
  readonly entries: number;
  readonly fileBytes: number;
  readonly id: Buffer;
}

export interface Node {
  readonly level: number;
  readonly children: readonly NodeChild[];
}

const CHILDREN_MAX = 65_536;

export function readNode(plaintext: Buffer, subject: string): Node {
  const cursor = new Cursor(plaintext, subject);
  const level = cursor.u8();
  const count = cursor.varint(CHILDREN_MAX);
  if (level === 0 || level > LEVELS_MAX || count === 0) cursor.refuse("forbidden level, or no children");
  const children = readMany(cursor, count, () => {
    const [directory, name] = [readPath(cursor), checkName(cursor.blob(), cursor)];
    return { directory, name, entries: cursor.varint(), fileBytes: cursor.varint(), id: cursor.take(32) };
  });
  cursor.end();
  children.forEach((child, index) => {
    if (child.entries === 0) cursor.refuse("a child without entries");
    if (index > 0 && compareKeys(children[index - 1] ?? child, child) >= 0)
      cursor.refuse("children out of order");
  });
  return { level, children };
}

// References (section 4.1, refs box)

function idsOfSegments(segments: readonly Segment[]): readonly Buffer[] {
  return segments.flatMap((segment) => (segment.kind === "data" ? [segment.id] : []));
}

function idsOfEntry({ content }: Entry): readonly Buffer[] {
  if (content?.form === "list") return [content.id];
  return content?.form === "segments" ? idsOfSegments(content.segments) : [];
}

/** The ids that a record's plaintext refers to, in hex. */
export function referencesOf(type: number, plaintext: Buffer, subject: string): ReadonlySet<string> {
  const hex = (ids: readonly Buffer[]): ReadonlySet<string> => new Set(ids.map((id) => id.toString("hex")));
  if (type === TYPES.page) return hex(readPage(plaintext, subject).flatMap(idsOfEntry));
  if (type === TYPES.node) return hex(readNode(plaintext, subject).children.map(({ id }) => id));
  if (type !== TYPES.list) throw new FormatError(subject, "chunks and bundles refer to nothing");
  const { segments, children } = readList(plaintext, subject);
  return hex([...idsOfSegments(segments), ...children.map(({ id }) => id)]);
}
