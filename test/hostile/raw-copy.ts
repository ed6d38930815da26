/**
 * Copies whose records are given as bytes, written by somebody who has every key: what no honest writer would write.
 *
 * @module
 */
import { ByteWriter } from "@holdfast/kernel";
import { groupOf, MetadataPacks, RECORD_TYPES, type Repository, WriteSession } from "@holdfast/repository";

export interface RawRecord {
  /** As in `RECORD_TYPES`. */
  readonly type: number;
  readonly plaintext: Buffer;
  /** Under another id than the right one. */
  readonly id?: Buffer;
}

/** What the manifest says of the tree. */
export interface RawRoot {
  readonly type: number;
  readonly id: Buffer;
  readonly entries: number;
  readonly bytes: number;
}

export interface RawCopy {
  readonly records: readonly RawRecord[];
  /** Default: the last record. */
  readonly root?: RawRoot;
  readonly kind?: "files" | "disk";
}

/** @param make gets the function that gives records their ids; returns what is to be written. */
export async function writeRawCopy(
  repository: Repository,
  make: (idOf: (type: number, plaintext: Buffer) => Buffer) => RawCopy,
): Promise<string> {
  const session = await WriteSession.begin(repository, { compressionLevel: 3 });
  const { repository: id, tableKey } = repository.keys;
  let counter = 0;
  const packs = new MetadataPacks({
    owner: { repository: id, tableKey },
    envelope: session.key.envelope,
    sealer: session.newSealer(() => counter++),
    store: (pack) => session.storePack(pack),
  });
  const { records, root, kind = "files" } = make((type, plaintext) => session.idOf(type, plaintext));
  let last: RawRoot = { type: RECORD_TYPES.page, id: Buffer.alloc(32), entries: 0, bytes: 0 };
  for (const { type, plaintext, id: given } of records) {
    last = { ...last, type, id: given ?? session.idOf(type, plaintext) };
    packs.append(type, last.id, plaintext, Buffer.alloc(0));
  }
  await packs.finish();
  const paths = [Buffer.from("/srv")];
  const timeMs = Date.now();
  const table = { kind, timeMs, group: groupOf(tableKey, "host", paths), root: root ?? last, bytesAdded: 0 };
  const counts = { files: 0, directories: 0, others: 0, warnings: 0 };
  const program = "hostile";
  return session.commit(table, {
    host: "host",
    name: "",
    paths,
    tags: [],
    program,
    startedMs: timeMs,
    ...counts,
  });
}

// Entries, byte by byte: nothing of the engine checks them on the way out.

export interface RawEntry {
  readonly kind: number;
  readonly name: string | Buffer;
  readonly mode?: number;
  readonly xattrs?: readonly (readonly [name: Buffer, value: Buffer])[];
  readonly link?: readonly [device: bigint, inode: bigint];
  /** What follows by kind. */
  readonly rest?: Buffer;
}

export const KIND = { file: 1, directory: 2, symlink: 3, fifo: 4, socket: 5, char: 6, block: 7 } as const;

export function rawEntry({ kind, name, mode = 0o644, xattrs = [], link, rest }: RawEntry): Buffer {
  const writer = new ByteWriter()
    .u8(kind)
    .blob(Buffer.from(name))
    .varint(mode)
    .varint(0)
    .varint(0)
    .text("")
    .text("")
    .i64(1_700_000_000n)
    .u32(0)
    .u8((xattrs.length > 0 ? 1 : 0) | (link === undefined ? 0 : 2));
  if (xattrs.length > 0) {
    writer.varint(xattrs.length);
    for (const [xattr, value] of xattrs) writer.blob(xattr).blob(value);
  }
  if (link !== undefined) writer.u64(link[0]).u64(link[1]);
  return writer.raw(rest ?? Buffer.alloc(0)).finish();
}

export function inlineFile(name: string | Buffer, content: string, more: Partial<RawEntry> = {}): Buffer {
  const bytes = Buffer.from(content);
  const rest = new ByteWriter().varint(bytes.length).u8(1).blob(bytes).finish();
  return rawEntry({ kind: KIND.file, name, rest, ...more });
}

/** A file of segments; each is a number of bytes of a hole (1) or of zeros that take space (2). */
export function sparseFile(
  name: string,
  segments: readonly (readonly [kind: 1 | 2, length: number])[],
): Buffer {
  const size = segments.reduce((sum, [, length]) => sum + length, 0);
  const writer = new ByteWriter().varint(size).u8(2).varint(segments.length);
  for (const [kind, length] of segments) writer.varint(length * 4 + kind);
  return rawEntry({ kind: KIND.file, name, rest: writer.finish() });
}

export function listedFile(name: string, size: number, depth: number, id: Buffer): Buffer {
  const rest = new ByteWriter().varint(size).u8(3).u8(depth).raw(id).finish();
  return rawEntry({ kind: KIND.file, name, rest });
}

export function symlink(name: string | Buffer, target: string, more: Partial<RawEntry> = {}): Buffer {
  return rawEntry({ kind: KIND.symlink, name, rest: new ByteWriter().text(target).finish(), ...more });
}

export function directory(name: string | Buffer): Buffer {
  return rawEntry({ kind: KIND.directory, name, mode: 0o755 });
}

export function device(name: string, kind: 6 | 7, major: number, minor: number): Buffer {
  return rawEntry({ kind, name, rest: new ByteWriter().varint(major).varint(minor).finish() });
}

export type RawSection = readonly [directory: string | Buffer, entries: readonly Buffer[]];

export function rawPage(...sections: readonly RawSection[]): RawRecord {
  const writer = new ByteWriter().varint(sections.length);
  for (const [path, entries] of sections) {
    writer.blob(Buffer.from(path)).varint(entries.length);
    for (const entry of entries) writer.raw(entry);
  }
  return { type: RECORD_TYPES.page, plaintext: writer.finish() };
}

export interface RawChild {
  readonly path?: string;
  readonly name: string;
  readonly entries: number;
  readonly bytes: number;
  readonly id: Buffer;
}

export function rawNode(level: number, children: readonly RawChild[]): RawRecord {
  const writer = new ByteWriter().u8(level).varint(children.length);
  for (const { path = "", name, entries, bytes, id } of children) {
    writer.text(path).text(name).varint(entries).varint(bytes).raw(id);
  }
  return { type: RECORD_TYPES.node, plaintext: writer.finish() };
}

/** A list of one child, many times. */
export function rawList(depth: number, count: number, childBytes: number, child?: Buffer): RawRecord {
  const writer = new ByteWriter().u8(depth).varint(count);
  for (let index = 0; index < count; index += 1) {
    if (child === undefined) writer.varint(childBytes * 4 + 1);
    else writer.varint(childBytes).raw(child);
  }
  return { type: RECORD_TYPES.list, plaintext: writer.finish() };
}
