/**
 * What records say: lists of a file's content (docs/format.md section 6), pages and nodes of the tree (section 7).
 *
 * @module
 */
import type { Cursor } from "./bytes.ts";

/** Section 4.1 */
export const TYPES = { chunk: 1, bundle: 2, list: 3, page: 4, node: 5 } as const;
const U32_MAX = 0xffff_ffff;

// Section 6: content

/** Some bytes of a file: in place, in a chunk, none at all, or as a list says. */
export type Part =
  | { readonly kind: "inline"; readonly length: number; readonly bytes: Buffer }
  | { readonly kind: "data"; readonly length: number; readonly id: Buffer }
  | { readonly kind: "hole" | "zeros"; readonly length: number }
  | { readonly kind: "list"; readonly length: number; readonly id: Buffer; readonly depth: number };

export const lengthOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.length, 0);

function readSegment(cursor: Cursor): Part {
  const word = cursor.varint();
  const [length, kind] = [Math.floor(word / 4), word % 4];
  cursor.must(length > 0 && kind < 3, "segment of length 0 or of an unknown kind");
  if (kind > 0) return { kind: kind === 1 ? "hole" : "zeros", length };
  cursor.must(length <= 2 ** 23, "segment longer than a chunk");
  return { kind: "data", length, id: cursor.ref() };
}

function readReference(cursor: Cursor, length: number, depth: number): Part {
  cursor.must(length > 0 && depth <= 32, "a list of no bytes, or too deep");
  return { kind: "list", length, depth, id: cursor.ref() };
}

export function readList(cursor: Cursor) {
  const [depth, count] = [cursor.u8(), cursor.varint(65_536)];
  cursor.must(count > 0 && depth <= 32, "empty or too deep a list");
  const readChild = (): Part => readReference(cursor, cursor.varint(), depth - 1);
  const parts = cursor.many(count, depth === 0 ? () => readSegment(cursor) : readChild);
  cursor.end();
  return { depth, parts };
}

// Section 7: entries in pages

const KINDS = [
  "file",
  "directory",
  "symbolic link",
  "FIFO",
  "socket",
  "character device",
  "block device",
] as const;

export type Entry = ReturnType<typeof readEntry>;
/** What entries are sorted by. */
export type Key = Pick<Entry, "directory" | "name">;

function readName(cursor: Cursor): Buffer {
  const name = cursor.blob(1024);
  checkName(name.toString("latin1"), cursor);
  return name;
}

function checkName(name: string, cursor: Cursor): void {
  const isForbidden = /^\.{0,2}$|[/\0]/u.test(name) || name.length > 1024;
  cursor.must(!isForbidden, "forbidden name");
}

function readPath(cursor: Cursor): Buffer {
  const path = cursor.blob(2 ** 20);
  if (path.length > 0) for (const name of path.toString("latin1").split("/")) checkName(name, cursor);
  return path;
}

/** A separator sorts below every other byte, for components are compared. */
export function comparePaths(a: Buffer, b: Buffer): number {
  const byComponents = (path: Buffer): Buffer => Buffer.from(path.map((byte) => (byte === 0x2f ? 0 : byte)));
  return Buffer.compare(byComponents(a), byComponents(b));
}

export function compareKeys(a: Key, b: Key): number {
  return comparePaths(a.directory, b.directory) || Buffer.compare(a.name, b.name);
}

export function pathOf({ directory, name }: Key): Buffer {
  return directory.length === 0 ? name : Buffer.concat([directory, Buffer.from("/"), name]);
}

function isAscending<T>(things: readonly T[], compare: (a: T, b: T) => number): boolean {
  return things.every((thing, index) => index === 0 || compare(things[index - 1] ?? thing, thing) < 0);
}

function readAttributes(cursor: Cursor): readonly (readonly [name: Buffer, value: Buffer])[] {
  const read = () => [cursor.blob(1024), cursor.blob(2 ** 20)] as const;
  const attributes = cursor.many(cursor.varint(4096), read);
  cursor.must(attributes.length > 0, "the flag of attributes without any");
  cursor.must(!attributes.some(([name]) => name.length === 0 || name.includes(0)), "forbidden attribute");
  cursor.must(
    isAscending(attributes, ([a], [b]) => Buffer.compare(a, b)),
    "attributes out of order",
  );
  return attributes;
}

/** By form. */
const CONTENTS: readonly ((cursor: Cursor, size: number) => readonly Part[])[] = [
  () => [],
  (cursor) => [cursor.blob()].map((bytes) => ({ kind: "inline", length: bytes.length, bytes })),
  (cursor) => cursor.many(cursor.varint(4096), () => readSegment(cursor)),
  (cursor, size) => [readReference(cursor, size, cursor.u8())],
];

function readContent(cursor: Cursor, size: number): readonly Part[] {
  const form = cursor.u8();
  const parts = (CONTENTS[form] ?? cursor.refuse("unknown form of content"))(cursor, size);
  cursor.must((form === 0) === (size === 0), "form 0 stands for size 0 and nothing else");
  cursor.must(lengthOf(parts) === size, "content of another length than the file");
  return parts;
}

function readTarget(cursor: Cursor): Buffer {
  const target = cursor.blob(2 ** 16);
  cursor.must(target.length > 0 && !target.includes(0), "forbidden target");
  return target;
}

function readEntry(cursor: Cursor, directory: Buffer) {
  const kind = KINDS[cursor.u8() - 1] ?? cursor.refuse("unknown kind of entry");
  const name = readName(cursor);
  const [mode, uid, gid] = [cursor.varint(0o7777), cursor.varint(U32_MAX), cursor.varint(U32_MAX)];
  const [user, group] = [cursor.text(256), cursor.text(256)];
  const [seconds, nanoseconds, flags] = [cursor.i64(), cursor.u32(), cursor.u8()];
  cursor.must(nanoseconds < 1e9 && flags <= 7, "nanoseconds beyond a second, or an unknown flag");
  const attributes = (flags & 1) !== 0 ? readAttributes(cursor) : [];
  const inode = (flags & 2) !== 0 ? `${cursor.u64()}:${cursor.u64()}` : undefined;
  const size = kind === "file" ? cursor.varint() : 0;
  const content = kind === "file" ? readContent(cursor, size) : [];
  const target = kind === "symbolic link" ? readTarget(cursor) : undefined;
  const isDevice = kind.endsWith("device");
  const device = isDevice ? `${cursor.varint(U32_MAX)}:${cursor.varint(U32_MAX)}` : undefined;
  const mtimeNs = seconds * 1_000_000_000n + BigInt(nanoseconds);
  const described = { directory, name, kind, mode, uid, gid, user, group, mtimeNs, attributes };
  return { ...described, inode, incomplete: (flags & 4) !== 0, size, content, target, device };
}

export function readPage(cursor: Cursor): readonly Entry[] {
  const sections = cursor.many(cursor.varint(), () => {
    const [directory, count] = [readPath(cursor), cursor.varint(65_536)];
    cursor.must(count > 0, "a section without entries");
    return { directory, entries: cursor.many(count, () => readEntry(cursor, directory)) };
  });
  cursor.end();
  const areSorted = isAscending(sections, (a, b) => comparePaths(a.directory, b.directory));
  const entries = sections.flatMap((section) => section.entries);
  cursor.must(areSorted && isAscending(entries, compareKeys), "sections or entries out of order");
  const isSegment = ({ kind }: Part): boolean => kind !== "inline" && kind !== "list";
  const partsOf = (entry: Entry): number => entry.attributes.length + entry.content.filter(isSegment).length;
  const parts = entries.reduce((sum, entry) => sum + partsOf(entry), 0);
  cursor.must(entries.length <= 65_536 && parts <= 262_144, "too many entries, segments and attributes");
  return entries;
}

// Section 7.2: nodes

export function readNode(cursor: Cursor) {
  const [level, count] = [cursor.u8(), cursor.varint(65_536)];
  cursor.must(level > 0 && level <= 32 && count > 0, "forbidden level, or no children");
  const children = cursor.many(count, () => {
    const key = { directory: readPath(cursor), name: readName(cursor) };
    const [entries, fileBytes] = [cursor.varint(), cursor.varint()];
    cursor.must(entries > 0, "a child without entries");
    return { ...key, entries, fileBytes, id: cursor.ref() };
  });
  cursor.end();
  cursor.must(isAscending(children, compareKeys), "children out of order");
  return { level, children };
}
