/**
 * What records say: lists of a file's content (docs/format.md section 6), pages and nodes of the tree (section 7).
 *
 * @module
 */
import * as d from "./decode.ts";
import { concat, must, refuse } from "./decode.ts";

const U32_MAX = 0xffff_ffff;
const ref = d.take(32);

// Section 6: content

/** Some bytes of a file: in place, in a chunk, none at all, or as a list says. */
export type Part =
  | { readonly kind: "inline"; readonly length: number; readonly bytes: Buffer }
  | { readonly kind: "data"; readonly length: number; readonly id: Buffer }
  | { readonly kind: "hole" | "zeros"; readonly length: number }
  | { readonly kind: "list"; readonly length: number; readonly id: Buffer; readonly depth: number };

export const lengthOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.length, 0);

const segment = d.after(d.varint(), (word): d.Decoder<Part> => {
  const [length, kind] = [Math.floor(word / 4), word % 4];
  must(length > 0 && kind < 3, "segment of length 0 or of an unknown kind");
  if (kind > 0) return () => ({ kind: kind === 1 ? "hole" : "zeros", length });
  must(length <= 2 ** 23, "segment longer than a chunk");
  return d.map(ref, (id) => ({ kind: "data", length, id }));
});

function child(length: number, depth: number): d.Decoder<Part> {
  must(length > 0 && depth <= 32, "a list of no bytes, or too deep");
  return d.map(ref, (id) => ({ kind: "list", length, depth, id }));
}

export const readList = d.after(d.within(d.u8, 0, 32), (depth) => {
  const lower = d.after(d.varint(), (length) => child(length, depth - 1));
  const parts = d.list(d.within(d.varint(), 1, 65_536), depth === 0 ? segment : lower);
  return d.struct({ depth: () => depth, parts });
});

// Section 7: entries in pages

/** What entries are sorted by. */
export type Key = Pick<Entry, "directory" | "name">;
export type Entry = ReturnType<ReturnType<typeof entryIn>>;

function isName(name: string): boolean {
  return !/^\.{0,2}$|[/\0]/u.test(name) && name.length <= 1024;
}

function isPath(path: string): boolean {
  return path === "" || path.split("/").every(isName);
}

const name = d.checked(d.blob(1024), (bytes) => isName(bytes.toString("latin1")), "forbidden name");
const path = d.checked(d.blob(2 ** 20), (bytes) => isPath(bytes.toString("latin1")), "forbidden path");
const isText = (bytes: Buffer): boolean => bytes.length > 0 && !bytes.includes(0);
const attributeName = d.checked(d.blob(1024), isText, "forbidden name of an attribute");
const attribute = d.struct({ name: attributeName, value: d.blob(2 ** 20) });
const target = d.checked(d.blob(2 ** 16), isText, "forbidden target");

/** A separator sorts below every other byte, for components are compared. */
export function comparePaths(a: Buffer, b: Buffer): number {
  const byComponents = (bytes: Buffer): Uint8Array => bytes.map((byte) => (byte === 0x2f ? 0 : byte));
  return Buffer.compare(byComponents(a), byComponents(b));
}

export function compareKeys(a: Key, b: Key): number {
  return comparePaths(a.directory, b.directory) || Buffer.compare(a.name, b.name);
}

export function pathOf({ directory, name: own }: Key): Buffer {
  return directory.length === 0 ? own : concat(directory, "/", own);
}

export function isAscending<T>(things: readonly T[], compare: (a: T, b: T) => number): boolean {
  return things.every((thing, at) => at === 0 || compare(things[at - 1] ?? thing, thing) < 0);
}

/** By form. */
const CONTENTS: readonly ((size: number) => d.Decoder<readonly Part[]>)[] = [
  () => () => [],
  () => d.map(d.blob(), (bytes) => [{ kind: "inline", length: bytes.length, bytes }]),
  () => d.list(d.varint(4096), segment),
  (size) =>
    d.map(
      d.after(d.u8, (depth) => child(size, depth)),
      (part) => [part],
    ),
];

const file = d.after(d.struct({ size: d.varint(), form: d.within(d.u8, 0, 3) }), ({ size, form }) => {
  must((form === 0) === (size === 0), "form 0 stands for size 0 and nothing else");
  const content = d.checked(
    CONTENTS[form]?.(size) ?? refuse("unknown form"),
    (parts) => lengthOf(parts) === size,
    "content of another length than the file",
  );
  return d.struct({ size: () => size, content });
});

const STAT = d.struct({
  kind: d.oneOf(["file", "directory", "symbolic link", "FIFO", "socket", "character device", "block device"]),
  name,
  mode: d.varint(0o7777),
  uid: d.varint(U32_MAX),
  gid: d.varint(U32_MAX),
  user: d.text(256),
  group: d.text(256),
  seconds: d.i64,
  nanoseconds: d.within(d.u32, 0, 999_999_999),
  flags: d.within(d.u8, 0, 7),
});

const number = d.varint(U32_MAX);
const device = d.map(d.struct({ major: number, minor: number }), ({ major, minor }) => `${major}:${minor}`);
const inode = d.map(d.struct({ device: d.u64, inode: d.u64 }), (pair) => `${pair.device}:${pair.inode}`);
const attributes = d.checked(
  d.list(d.within(d.varint(), 1, 4096), attribute),
  (all) => isAscending(all, (a, b) => Buffer.compare(a.name, b.name)),
  "attributes out of order",
);

const entryIn = (directory: Buffer) => (cursor: d.Cursor) => {
  const { seconds, nanoseconds, flags, ...stat } = STAT(cursor);
  return {
    ...stat,
    directory,
    mtimeNs: seconds * 1_000_000_000n + BigInt(nanoseconds),
    incomplete: (flags & 4) !== 0,
    attributes: flags & 1 ? attributes(cursor) : [],
    inode: flags & 2 ? inode(cursor) : undefined,
    ...(stat.kind === "file" ? file(cursor) : { size: 0, content: [] }),
    target: stat.kind === "symbolic link" ? target(cursor) : undefined,
    device: stat.kind.endsWith("device") ? device(cursor) : undefined,
  };
};

const section = d.after(path, (directory) =>
  d.struct({
    directory: () => directory,
    entries: d.list(d.within(d.varint(), 1, 65_536), entryIn(directory)),
  }),
);

export const readPage = d.map(d.list(d.varint(), section), (sections): readonly Entry[] => {
  const entries = sections.flatMap((each) => each.entries);
  const areSorted = isAscending(sections, (a, b) => comparePaths(a.directory, b.directory));
  must(areSorted && isAscending(entries, compareKeys), "out of order");
  const isSegment = ({ kind }: Part): boolean => kind !== "inline" && kind !== "list";
  const parts = entries.flatMap((entry) => [...entry.attributes, ...entry.content.filter(isSegment)]);
  must(entries.length <= 65_536 && parts.length <= 262_144, "too many entries, segments and attributes");
  return entries;
});

// Section 7.2: nodes

const CHILD = d.struct({
  directory: path,
  name,
  entries: d.within(d.varint(), 1, Number.MAX_SAFE_INTEGER),
  fileBytes: d.varint(),
  id: ref,
});
const NODE = d.struct({
  level: d.within(d.u8, 1, 32),
  children: d.list(d.within(d.varint(), 1, 65_536), CHILD),
});

export const readNode = d.checked(NODE, (node) => isAscending(node.children, compareKeys), "out of order");
