/** What the tests of the tree share: records in memory, arbitrary entries, trees of any shape. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { AppError, ByteReader } from "@holdfast/kernel";
import fc from "fast-check";
import { RECORD_TYPES } from "../src/packs/record-header.ts";
import type { Content, Segment } from "../src/tree/content.ts";
import { type Entry, fileBytesOf, type Xattr } from "../src/tree/entry.ts";
import { EntryBatchBuilder } from "../src/tree/entry-batch.ts";
import { type Child, encodeNode } from "../src/tree/node.ts";
import { encodePage, type Section } from "../src/tree/page.ts";
import type { ReadRecord, RecordSink } from "../src/tree/records.ts";
import type { TreeRoot } from "../src/tree/tree-descent.ts";
import { TreeWriter, type WrittenTree } from "../src/tree/tree-writer.ts";

export const SLOW = process.env["SLOW"] === "1";

export interface StoredRecord {
  readonly type: number;
  readonly plaintext: Buffer;
  readonly refs: Buffer;
}

export const idOf = (type: number, plaintext: Uint8Array): Buffer =>
  createHash("sha256")
    .update(Buffer.from([type]))
    .update(plaintext)
    .digest();

/** A sink that keeps everything, and a reader that counts. */
export class MemoryRecords implements RecordSink {
  readonly records = new Map<string, StoredRecord>();
  reads = 0;

  has(id: Buffer): boolean {
    return this.records.has(id.toString("hex"));
  }

  store(type: number, id: Buffer, plaintext: Uint8Array, refs: Buffer): void {
    assert(!this.has(id), "a record was stored twice");
    this.records.set(id.toString("hex"), { type, plaintext: Buffer.from(plaintext), refs });
  }

  /** Keeps a record under its own id, or under a given one. */
  put(type: number, plaintext: Uint8Array, id: Buffer = idOf(type, plaintext)): Buffer {
    this.records.set(id.toString("hex"), {
      type,
      plaintext: Buffer.from(plaintext),
      refs: Buffer.alloc(0),
    });
    return id;
  }

  readonly read: ReadRecord = async (type, id) => {
    this.reads += 1;
    const record = this.records.get(id.toString("hex"));
    if (record?.type !== type) throw new AppError("ERR_DAMAGED", "There is no such record.");
    return record.plaintext;
  };
}

export function reader(bytes: Uint8Array): ByteReader {
  return new ByteReader(bytes, "The sample");
}

export function isDamaged(error: unknown): boolean {
  return error instanceof AppError && error.code === "ERR_DAMAGED";
}

/** Bytes as they stand in a test: hex, with spaces and line breaks for reading. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/gu, ""), "hex");
}

const SAMPLE = {
  mode: 0o644,
  uid: 1000,
  gid: 100,
  user: "bob",
  group: "users",
  mtimeSeconds: 1_700_000_000n,
  mtimeNanoseconds: 5,
  xattrs: [],
  link: undefined,
  changedWhileRead: false,
} as const;

export function sampleFile(name: string | Buffer, text = "hello"): Entry {
  const bytes = Buffer.from(text);
  return {
    ...SAMPLE,
    kind: "file",
    name: Buffer.from(name),
    size: bytes.length,
    content: bytes.length === 0 ? { form: "empty" } : { form: "inline", bytes },
  };
}

/** A file of one chunk whose id is made from `seed`. */
export function chunkedFile(name: string | Buffer, seed: string, size = 100_000): Entry {
  const segments: Segment[] = [{ kind: "data", length: size, id: sampleId(seed) }];
  return { ...SAMPLE, kind: "file", name: Buffer.from(name), size, content: { form: "segments", segments } };
}

export function sampleDirectory(name: string | Buffer): Entry {
  return { ...SAMPLE, kind: "directory", name: Buffer.from(name), mode: 0o755 };
}

export function sampleId(seed: string): Buffer {
  return createHash("sha256").update(seed).digest();
}

const bytesOf = (options: { minLength?: number; maxLength: number }): fc.Arbitrary<Buffer> =>
  fc.uint8Array(options).map((bytes) => Buffer.from(bytes));

const anyId = bytesOf({ minLength: 32, maxLength: 32 });

/** Any name a file system may have: mostly short, some of the longest, few of them UTF-8. */
export const anyName: fc.Arbitrary<Buffer> = fc
  .oneof(
    { weight: 6, arbitrary: bytesOf({ minLength: 1, maxLength: 12 }) },
    { weight: 1, arbitrary: bytesOf({ minLength: 120, maxLength: 135 }) },
    { weight: 1, arbitrary: bytesOf({ minLength: 255, maxLength: 255 }) },
    { weight: 1, arbitrary: bytesOf({ minLength: 1024, maxLength: 1024 }) },
  )
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte))))
  .filter((bytes) => !bytes.equals(Buffer.from(".")) && !bytes.equals(Buffer.from("..")));

export const anySegment: fc.Arbitrary<Segment> = fc.oneof(
  fc
    .record({ length: fc.integer({ min: 1, max: 8 * 1024 * 1024 }), id: anyId }, { noNullPrototype: true })
    .map((segment) => ({ kind: "data" as const, ...segment })),
  fc.record(
    { kind: fc.constantFrom("hole" as const, "zero" as const), length: fc.integer({ min: 1, max: 2 ** 45 }) },
    { noNullPrototype: true },
  ),
);

const anyContent: fc.Arbitrary<{ size: number; content: Content }> = fc.oneof(
  fc.constant({ size: 0, content: { form: "empty" as const } }),
  bytesOf({ minLength: 1, maxLength: 2048 }).map((bytes) => ({
    size: bytes.length,
    content: { form: "inline" as const, bytes },
  })),
  fc.array(anySegment, { minLength: 1, maxLength: 64 }).map((segments) => ({
    size: segments.reduce((sum, segment) => sum + segment.length, 0),
    content: { form: "segments" as const, segments },
  })),
  fc
    .record(
      {
        size: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        depth: fc.integer({ min: 0, max: 32 }),
        id: anyId,
      },
      { noNullPrototype: true },
    )
    .map(({ size, depth, id }) => ({ size, content: { form: "list" as const, depth, id } })),
);

const anyXattrs: fc.Arbitrary<readonly Xattr[]> = fc
  .uniqueArray(
    fc.record(
      {
        name: bytesOf({ minLength: 1, maxLength: 40 }).map((name) =>
          Buffer.from(name.map((byte) => (byte === 0 ? 1 : byte))),
        ),
        value: bytesOf({ maxLength: 300 }),
      },
      { noNullPrototype: true },
    ),
    { maxLength: 4, selector: ({ name }) => name.toString("latin1") },
  )
  .map((xattrs) => xattrs.toSorted((a, b) => a.name.compare(b.name)));

const anyText = fc.string({ unit: "grapheme", maxLength: 20 });
const anyNumber = fc.integer({ min: 0, max: 0xffff_ffff });
const anyU64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

const anyBase = fc.record(
  {
    name: anyName,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: anyNumber,
    gid: anyNumber,
    user: anyText,
    group: anyText,
    mtimeSeconds: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    mtimeNanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
    xattrs: anyXattrs,
    link: fc.option(fc.record({ device: anyU64, inode: anyU64 }, { noNullPrototype: true }), {
      nil: undefined,
    }),
    changedWhileRead: fc.boolean(),
  },
  { noNullPrototype: true },
);

export const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(anyBase, anyContent)
      .map(([base, file]) => ({ ...base, kind: "file" as const, ...file })),
  },
  anyBase.map((base) => ({ ...base, kind: "directory" as const })),
  fc.tuple(anyBase, bytesOf({ minLength: 1, maxLength: 300 })).map(([base, bytes]) => ({
    ...base,
    kind: "symlink" as const,
    target: Buffer.from(bytes.map((byte) => (byte === 0 ? 0x2f : byte))),
  })),
  fc
    .tuple(anyBase, fc.constantFrom("fifo" as const, "socket" as const))
    .map(([base, kind]) => ({ ...base, kind })),
  fc
    .tuple(anyBase, fc.constantFrom("char" as const, "block" as const), anyNumber, anyNumber)
    .map(([base, kind, major, minor]) => ({ ...base, kind, major, minor })),
);

/** Bytes that sort around `/` and around each other, so that order mistakes show. */
const trickyComponent = fc
  .array(fc.constantFrom(0x01, 0x20, 0x2d, 0x2e, 0x30, 0x61, 0xff), { minLength: 1, maxLength: 2 })
  .map((bytes) => Buffer.from(bytes))
  .filter((bytes) => ![".", ".."].includes(bytes.toString("latin1")));

/** A path with the entry it leads to, as the models of the tests keep it. */
export type Model = ReadonlyMap<string, Entry>;

/** Paths as latin1 text, so that a `Map` can hold them; parents are directories. */
export const anyModel: fc.Arbitrary<Model> = fc
  .array(
    fc.tuple(fc.array(trickyComponent, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 5 })),
    {
      maxLength: 40,
    },
  )
  .map((paths) => {
    const model = new Map<string, Entry>();
    for (const [components, seed] of paths) {
      const texts = components.map((component) => component.toString("latin1"));
      for (let depth = 1; depth < texts.length; depth += 1) {
        model.set(
          texts.slice(0, depth).join("/"),
          sampleDirectory(Buffer.from(texts[depth - 1] ?? "", "latin1")),
        );
      }
      const path = texts.join("/");
      const isParent = [...model.keys()].some((other) => other.startsWith(`${path}/`));
      const name = Buffer.from(texts.at(-1) ?? "", "latin1");
      if (!model.has(path)) model.set(path, isParent ? sampleDirectory(name) : fileOfSeed(name, seed));
    }
    return model;
  });

function fileOfSeed(name: Buffer, seed: number): Entry {
  return seed < 3 ? sampleFile(name, "x".repeat(seed)) : chunkedFile(name, String(seed));
}

export function splitPath(path: string): { directory: string; name: string } {
  const slash = path.lastIndexOf("/");
  return { directory: slash === -1 ? "" : path.slice(0, slash), name: path.slice(slash + 1) };
}

/** The order of the format, written down in the plainest way: by components, then by name. */
export function comparePaths(a: string, b: string): number {
  const [left, right] = [splitPath(a), splitPath(b)];
  const order = compareComponents(componentsOf(left.directory), componentsOf(right.directory));
  return order === 0 ? compareText(left.name, right.name) : order;
}

function componentsOf(directory: string): readonly string[] {
  return directory === "" ? [] : directory.split("/");
}

function compareComponents(a: readonly string[], b: readonly string[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (right === undefined) return 1;
    if (left !== right) return compareText(left, right);
  }
  return a.length - b.length;
}

function compareText(a: string, b: string): number {
  return Buffer.from(a, "latin1").compare(Buffer.from(b, "latin1"));
}

export function sectionsOfModel(model: Model): readonly Section[] {
  const sections: { directory: Buffer; entries: Entry[] }[] = [];
  for (const path of [...model.keys()].toSorted(comparePaths)) {
    const entry = model.get(path);
    assert(entry !== undefined);
    const directory = Buffer.from(splitPath(path).directory, "latin1");
    const last = sections.at(-1);
    if (last?.directory.equals(directory) === true) last.entries.push(entry);
    else sections.push({ directory, entries: [entry] });
  }
  return sections;
}

/** A tree of tiny pages and nodes: readers must take every shape, not only the one that the writer makes. */
export function assembleTree(
  records: MemoryRecords,
  sections: readonly Section[],
  perPage: number,
  perNode: number,
): TreeRoot {
  let children = pagesOf(sections, perPage).map((page) => childOf(records, page));
  if (children.length === 0)
    return { type: RECORD_TYPES.page, id: records.put(RECORD_TYPES.page, encodePage([])) };
  let level = 0;
  while (children.length > 1) {
    level += 1;
    const nodes = Array.from({ length: Math.ceil(children.length / perNode) }, (_, index) =>
      children.slice(index * perNode, (index + 1) * perNode),
    );
    children = nodes.map((below) => nodeChild(records, level, below));
  }
  const [root] = children;
  assert(root !== undefined);
  return { type: level === 0 ? RECORD_TYPES.page : RECORD_TYPES.node, id: root.id };
}

function pagesOf(sections: readonly Section[], perPage: number): readonly (readonly Section[])[] {
  const flat = sections.flatMap(({ directory, entries }) => entries.map((entry) => ({ directory, entry })));
  const pages: Section[][] = [];
  for (const [index, { directory, entry }] of flat.entries()) {
    if (index % perPage === 0) pages.push([]);
    const page = pages.at(-1);
    const last = page?.at(-1);
    if (last?.directory.equals(directory) === true)
      page?.splice(-1, 1, { directory, entries: [...last.entries, entry] });
    else page?.push({ directory, entries: [entry] });
  }
  return pages;
}

export function childOf(records: MemoryRecords, page: readonly Section[]): Child {
  const [section] = page;
  const entries = page.flatMap((each) => each.entries);
  const [entry] = entries;
  assert(section !== undefined && entry !== undefined);
  return {
    first: { directory: section.directory, name: entry.name },
    entries: entries.length,
    fileBytes: entries.reduce((sum, each) => sum + fileBytesOf(each), 0),
    id: records.put(RECORD_TYPES.page, encodePage(page)),
  };
}

export function nodeChild(records: MemoryRecords, level: number, children: readonly Child[]): Child {
  const [first] = children;
  assert(first !== undefined);
  return {
    first: first.first,
    entries: children.reduce((sum, child) => sum + child.entries, 0),
    fileBytes: children.reduce((sum, child) => sum + child.fileBytes, 0),
    id: records.put(RECORD_TYPES.node, encodeNode({ level, children })),
  };
}

/** A tree as the writer makes it, from batches of at most `batchSize` entries. */
export function writeTree(sink: RecordSink, sections: Iterable<Section>, batchSize = 1000): WrittenTree {
  const writer = new TreeWriter(sink, idOf);
  const batch = new EntryBatchBuilder();
  for (const { directory, entries } of sections) {
    for (const entry of entries) {
      batch.add(entry);
      if (batch.count >= batchSize) writer.append(directory, batch.finish());
    }
    writer.append(directory, batch.finish());
  }
  return writer.finish();
}
