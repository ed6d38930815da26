/**
 * Manifests of copies and what is beside them: docs/format.md sections 8 and 9. Then a repository in a folder: opens it,
 * finds chunks, walks content and tree of a copy, checks everything.
 *
 * @module
 */
import { join } from "node:path";
import { concat, Cursor, FormatError, listObjects, must, readObject, refuse, sha256 } from "./bytes.ts";
import {
  deriveKeys,
  hkdf,
  hmac,
  type Keys,
  openBox,
  openEnvelope,
  publicRoot,
  readConfig,
  readSlot,
} from "./keys.ts";
import {
  compareIndex,
  openRecord,
  type Pack,
  type PackRecord,
  type Place,
  readPack,
  readSegment,
  recordsOf,
  type Segment,
} from "./packs.ts";
import {
  compareKeys,
  type Entry,
  lengthOf,
  type Part,
  pathOf,
  readList,
  readNode,
  readPage,
  TYPES,
} from "./tree.ts";

// Section 8: manifests of copies

export type Copy = ReturnType<typeof readCopy>;

function varint(value: number): Buffer {
  return value < 128 ? Buffer.from([value]) : concat(Buffer.from([(value % 128) + 128]), varint(value >>> 7));
}

/** The group that retention rules count a copy to. */
export function groupOf(tableKey: Buffer, host: string, paths: readonly Buffer[]): Buffer {
  const blobs = [Buffer.from(host), ...paths].map((bytes) => concat(varint(bytes.length), bytes));
  return hmac(tableKey, "holdfast/1/group", ...blobs).subarray(0, 16);
}

function readTable(table: Cursor) {
  const kind = table.u8();
  table.must(kind === 1 || kind === 2, "unknown kind of copy");
  const [timeMs, group, root] = [table.u64Number(), table.take(16), { type: table.u8(), id: table.take(32) }];
  const [entries, bytes, bytesAdded] = [table.varint(), table.varint(), table.varint()];
  table.end();
  const isTree = root.type === TYPES.page || root.type === TYPES.node;
  table.must(kind === 1 ? isTree : root.type === TYPES.list, "a root of another type");
  return [group, { kind: kind === 1 ? "files" : "disk", timeMs, root, entries, bytes, bytesAdded }] as const;
}

function readDescription(read: Cursor) {
  const [host, name] = [read.text(), read.text()];
  const paths = read.many(read.varint(), () => read.blob());
  const tags = read.many(read.varint(), () => read.text());
  const [program, startedMs] = [read.text(), read.u64Number()];
  const [files, directories] = [read.varint(), read.varint()];
  const [others, warnings] = [read.varint(), read.varint()];
  read.end();
  return { host, name, paths, tags, program, startedMs, files, directories, others, warnings };
}

export function readCopy(copy: Cursor, keys: Keys) {
  const { subject } = copy;
  const envelope = copy.take(1248);
  const front = copy.front();
  const [tableBox, readBox] = [copy.take(copy.u32()), copy.take(copy.u32())];
  copy.end();
  const table = openBox(keys.table, concat("holdfast/1/copy/table", front), tableBox, subject);
  const readKey = hkdf(openEnvelope(keys, envelope, subject), keys.repository, "holdfast/1/copy", 32);
  const readContext = concat("holdfast/1/copy/read", front, sha256(table.bytes));
  const [group, described] = readTable(table);
  const description = readDescription(openBox(readKey, readContext, readBox, subject));
  table.must(group.equals(groupOf(keys.table, description.host, description.paths)), "another group");
  return { id: subject.slice(-64), ...described, ...description };
}

// Section 9: a restore needs nothing of these; they are read to see that they are as the document says

function openRest(object: Cursor, context: string, keys: Keys): Cursor {
  const front = object.front();
  const box = object.take(object.u32());
  object.end();
  return openBox(keys.table, concat(context, front), box, object.subject);
}

export const OTHER_OBJECTS: Readonly<Record<string, (object: Cursor, keys: Keys) => void>> = {
  sessions: (object, keys) => {
    object.must(object.subject.includes(`/${object.hex(16)}.`), "named after another session");
    object.must([1, 2].includes(object.u8()), "unknown role");
    object.zero(7);
    object.take(8 + 8);
    const box = openRest(object, "holdfast/1/session-object", keys);
    for (const read of [box.text, box.text, () => box.varint(), box.text, box.end]) read();
  },
  condemned: (object, keys) => {
    const box = openRest(object, "holdfast/1/condemned", keys);
    box.u64Number();
    box.take(32 * box.u32());
    box.end();
  },
  waits: (object, keys) => {
    const box = openRest(object, "holdfast/1/wait", keys);
    box.u64Number();
    box.take(32);
    box.must(box.u8() <= 1, "neither done nor not");
    box.take(16 * box.u32());
    box.end();
  },
};

// A repository in a folder

export type Repository = ReturnType<typeof openRepository>;

/** Runs a step; what breaks a rule becomes a line of the list. */
function attempt<T>(problems: string[], step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

/** The secret is a passphrase, or the seed of a recovery kit; nothing if the repository is not encrypted. */
export function openRepository(folder: string, secret?: Buffer) {
  const config = readConfig(readObject(folder, "config"));
  const { repository, suite } = config;
  const names = listObjects(folder, "slots");
  const slots = names.map((name) => readSlot(readObject(folder, name, repository)));
  must((suite.name !== "none") === slots.length > 0, "slots: contradict the suite in the config");
  let root = slots.length > 0 ? undefined : publicRoot(repository);
  if (secret !== undefined) for (const slot of slots) root ??= slot.open(secret);
  const keys = deriveKeys(root ?? refuse("slots: none opens with this passphrase or seed"), config);
  /** What is in a pack that cannot be read is missing. */
  const problems: string[] = [];
  const packs = new Map<string, Pack>();
  const chunks = new Map<
    string,
    { readonly pack: Pack; readonly record: PackRecord; readonly place: Place }[]
  >();
  for (const name of listObjects(folder, "packs")) {
    const open = (): Pack => readPack(readObject(folder, name, repository), join(folder, name), keys);
    const pack = attempt(problems, open);
    if (pack === undefined) continue;
    packs.set(pack.name, pack);
    for (const record of recordsOf(pack.places)) {
      for (const place of record.members) {
        const id = place.id.toString("hex");
        chunks.set(id, [...(chunks.get(id) ?? []), { pack, record, place }]);
      }
    }
  }
  return { folder, keys, slots, packs, chunks, problems };
}

export function listCopies({ folder, keys }: Repository): readonly Copy[] {
  const names = listObjects(folder, "copies");
  return names.map((name) => readCopy(readObject(folder, name, keys.repository), keys));
}

/** The last opened record: the small files of a page are mostly in one bundle. */
let last: { readonly record?: PackRecord; readonly plaintext: Buffer } = { plaintext: Buffer.alloc(0) };

/** Reads a chunk, list, page or node; every place of it is tried until one is good. */
export function readChunk({ chunks, keys }: Repository, id: Buffer, types: readonly number[]): Buffer {
  const subject = `chunk ${id.toString("hex")}`;
  const problems: string[] = [];
  for (const { pack, record, place } of chunks.get(id.toString("hex")) ?? []) {
    const plaintext = attempt(problems, () => {
      must(types.includes(place.type), `${subject}: of another type`);
      if (last.record !== record) last = { record, plaintext: openRecord(pack, record, keys) };
      return last.plaintext.subarray(place.chunkOffset, place.chunkOffset + place.length);
    });
    if (plaintext !== undefined) return plaintext;
  }
  return refuse(`${subject}: ${problems.join("; ") || "missing"}`);
}

export function cursorOf(repository: Repository, id: Buffer, type: number): Cursor {
  return new Cursor(readChunk(repository, id, [type]), `record ${id.toString("hex")}`);
}

/** Section 6: content from its beginning, in which no lists are left and chunks have their bytes. */
export function* piecesOf(
  repository: Repository,
  parts: readonly Part[],
): Generator<Exclude<Part, { kind: "data" | "list" }>, void> {
  for (const part of parts) {
    if (part.kind === "data") {
      const bytes = readChunk(repository, part.id, [TYPES.chunk, TYPES.bundle]);
      must(bytes.length === part.length, "segment: its chunk has another length");
      yield { kind: "inline", length: bytes.length, bytes };
    } else if (part.kind === "list") {
      const cursor = cursorOf(repository, part.id, TYPES.list);
      const list = readList(cursor);
      cursor.must(list.depth === part.depth, "of another depth");
      cursor.must(lengthOf(list.parts) === part.length, "of another length");
      yield* piecesOf(repository, list.parts);
    } else {
      yield part;
    }
  }
}

/** Section 7: the entries below a node, or in a page if the level is 0. */
function entriesBelow(repository: Repository, id: Buffer, level: number): readonly Entry[] {
  if (level === 0) return readPage(cursorOf(repository, id, TYPES.page));
  const cursor = cursorOf(repository, id, TYPES.node);
  const node = readNode(cursor);
  cursor.must(node.level === level, "of another level");
  return node.children.flatMap((child) => {
    const entries = entriesBelow(repository, child.id, level - 1);
    cursor.must(entries[0] !== undefined && compareKeys(entries[0], child) === 0, "a key differs");
    cursor.must(entries.length === child.entries && bytesIn(entries) === child.fileBytes, "a sum differs");
    return entries;
  });
}

function bytesIn(entries: readonly Entry[]): number {
  const sum = entries.reduce((before, { size }) => before + size, 0);
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}

/** All entries of a copy in their order; parents come before what is in them. */
export function entriesOf(repository: Repository, { id, root, ...copy }: Copy): readonly Entry[] {
  const isPage = root.type === TYPES.page;
  const level = isPage ? 0 : readNode(cursorOf(repository, root.id, TYPES.node)).level;
  const entries = entriesBelow(repository, root.id, level);
  const directories = new Set([""]);
  for (const [index, entry] of entries.entries()) {
    const [before, path] = [entries[index - 1], pathOf(entry).toString("latin1")];
    must(before === undefined || compareKeys(before, entry) < 0, `entry ${path}: out of order`);
    must(directories.has(entry.directory.toString("latin1")), `entry ${path}: its parent is missing`);
    if (entry.kind === "directory") directories.add(path);
  }
  const isSame = entries.length === copy.entries && bytesIn(entries) === copy.bytes;
  must(isSame, `copies/${id}: its numbers of entries or bytes differ from the tree`);
  return entries;
}

function checkCopy(repository: Repository, copy: Copy): void {
  const { id, root, files, directories, others } = copy;
  if (copy.kind === "disk") {
    const { parts } = readList(cursorOf(repository, root.id, TYPES.list));
    for (const piece of piecesOf(repository, parts)) void piece;
    return;
  }
  const counts = { files: 0, directories: 0, others: 0 };
  for (const { kind, content } of entriesOf(repository, copy)) {
    counts[kind === "file" ? "files" : kind === "directory" ? "directories" : "others"] += 1;
    for (const piece of piecesOf(repository, content)) void piece;
  }
  const isSame = counts.files === files && counts.directories === directories && counts.others === others;
  must(isSame, `copies/${id}: its numbers of files, directories and others differ from the tree`);
}

/** Reads every byte of the repository. Returns one line for every problem; none means that all is well. */
export function check(repository: Repository): readonly string[] {
  const { folder, keys, slots, packs } = repository;
  const problems = [...repository.problems];
  const each = (kind: string, read: (object: Cursor) => void): void => {
    for (const name of listObjects(folder, kind))
      attempt(problems, () => read(readObject(folder, name, keys.repository)));
  };
  for (const slot of slots) attempt(problems, () => slot.checkLabel(keys.table));
  for (const pack of packs.values()) {
    for (const record of recordsOf(pack.places)) attempt(problems, () => openRecord(pack, record, keys));
  }
  const segments: Segment[] = [];
  each("index", (object) => segments.push(readSegment(object, keys)));
  problems.push(...compareIndex(segments, packs));
  for (const [kind, read] of Object.entries(OTHER_OBJECTS)) each(kind, (object) => read(object, keys));
  each("copies", (object) => checkCopy(repository, readCopy(object, keys)));
  return problems;
}
