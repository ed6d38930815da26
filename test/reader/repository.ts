/**
 * A repository in a folder: opens it, finds chunks, walks the tree of a copy, checks everything.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkSessionObject, type Copy, readCondemned, readCopy } from "./copies.ts";
import { compareIndex, readSegment, type Segment as IndexSegment } from "./index-segment.ts";
import {
  deriveKeys,
  type Keys,
  openSlot,
  publicRoot,
  readConfig,
  readLabel,
  readSlot,
  type Slot,
} from "./keys.ts";
import { type Directory, FormatError, listObjects, objectPath, readObject } from "./object.ts";
import { openRecord, type Pack, readPack, type RecordPlaces, recordsOf } from "./packs.ts";
import {
  compareKeys,
  type Entry,
  type NodeChild,
  readList,
  readNode,
  readPage,
  type Segment,
  TYPES,
} from "./tree.ts";

interface Found {
  readonly pack: Pack;
  readonly record: RecordPlaces;
  readonly index: number;
}

export interface Repository {
  readonly folder: string;
  readonly keys: Keys;
  readonly slots: readonly Slot[];
  readonly packs: ReadonlyMap<string, Pack>;
  readonly chunks: ReadonlyMap<string, readonly Found[]>;
  /** Packs that could not be read; what is in them is missing. */
  readonly problems: readonly string[];
}

function readAll<T>(
  folder: string,
  directory: Directory,
  repository: Buffer,
  read: (bytes: Buffer, name: string) => T,
): readonly T[] {
  return listObjects(folder, directory).map((name) =>
    read(readObject(folder, directory, name, repository), name),
  );
}

/** Runs a step; what it throws becomes a line of the list. */
function attempt<T>(problems: string[], step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/**
 * Opens a repository with a passphrase (bytes), a recovery seed (32 bytes), or nothing if it is not encrypted. Packs
 * are read whole, once, so that their names are checked; the map of chunks comes from their directories.
 */
export function openRepository(folder: string, secret?: Buffer): Repository {
  const config = readConfig(readFileSync(join(folder, "config")));
  const { repository } = config;
  const slots = readAll(folder, "slots", repository, (bytes, name) =>
    readSlot(bytes, `slots/${name}`, repository),
  );
  const isEncrypted = config.suite.name !== "none";
  if (isEncrypted !== slots.length > 0) throw new FormatError("slots", "contradict the suite in the config");
  let root = isEncrypted ? undefined : publicRoot(repository);
  for (const slot of slots) root ??= secret === undefined ? undefined : openSlot(slot, secret);
  if (root === undefined) throw new FormatError("slots", "none opens with this passphrase or seed");
  const keys = deriveKeys(root, config);

  const problems: string[] = [];
  const packs = new Map<string, Pack>();
  const chunks = new Map<string, Found[]>();
  for (const name of listObjects(folder, "packs")) {
    const pack = attempt(problems, () => {
      const bytes = readObject(folder, "packs", name, repository);
      return readPack(bytes, name, objectPath(folder, "packs", name), keys);
    });
    if (pack === undefined) continue;
    packs.set(name, pack);
    for (const record of recordsOf(pack.places)) {
      record.forEach(({ id }, index) => {
        const hex = id.toString("hex");
        chunks.set(hex, [...(chunks.get(hex) ?? []), { pack, record, index }]);
      });
    }
  }
  return { folder, keys, slots, packs, chunks, problems };
}

export function listCopies({ folder, keys }: Repository): readonly Copy[] {
  return readAll(folder, "copies", keys.repository, (bytes, name) => readCopy(bytes, name, keys));
}

/** The last opened record: a page's small files are mostly in one bundle. */
const lastOpened = new WeakMap<Repository, { readonly record: RecordPlaces; readonly plaintext: Buffer }>();

/** Reads a chunk of content, or a list, page or node; every place of it is tried until one is good. */
export function readChunk(repository: Repository, id: Buffer, types: readonly number[]): Buffer {
  const subject = `chunk ${id.toString("hex")}`;
  const problems: string[] = [];
  for (const { pack, record, index } of repository.chunks.get(id.toString("hex")) ?? []) {
    const place = record[index];
    const plaintext = attempt(problems, () => {
      if (place === undefined || !types.includes(place.type))
        throw new FormatError(subject, "has another type");
      const known = lastOpened.get(repository);
      const opened = known?.record === record ? known.plaintext : openRecord(pack, record, repository.keys);
      lastOpened.set(repository, { record, plaintext: opened });
      return opened.subarray(place.chunkOffset, place.chunkOffset + place.length);
    });
    if (plaintext !== undefined) return plaintext;
  }
  throw new FormatError(subject, problems.length === 0 ? "missing" : problems.join("; "));
}

// Content (section 6)

export type Piece =
  | { readonly kind: "data"; readonly length: number; readonly bytes: Buffer }
  | { readonly kind: "hole" | "zeros"; readonly length: number };

function* piecesOf(repository: Repository, segments: readonly Segment[]): Generator<Piece, number> {
  let total = 0;
  for (const segment of segments) {
    if (segment.kind === "data") {
      const bytes = readChunk(repository, segment.id, [TYPES.chunk, TYPES.bundle]);
      if (bytes.length !== segment.length) throw new FormatError("segment", "its chunk has another length");
      yield { kind: "data", length: bytes.length, bytes };
    } else {
      yield segment;
    }
    total += segment.length;
  }
  return total;
}

export function* piecesOfList(repository: Repository, id: Buffer, depth?: number): Generator<Piece, number> {
  const subject = `list ${id.toString("hex")}`;
  const list = readList(readChunk(repository, id, [TYPES.list]), subject);
  if (depth !== undefined && list.depth !== depth) throw new FormatError(subject, "has another depth");
  let total = yield* piecesOf(repository, list.segments);
  for (const child of list.children) {
    const length = yield* piecesOfList(repository, child.id, list.depth - 1);
    if (length !== child.length) throw new FormatError(subject, "a child has another length");
    total += length;
  }
  return total;
}

/** The content of a file, from its beginning; fails at the end if the pieces are not as long as the file. */
export function* contentOf(repository: Repository, { content, size, name }: Entry): Generator<Piece, void> {
  if (content === undefined) return;
  let total = size;
  if (content.form === "inline") yield { kind: "data", length: size, bytes: content.bytes };
  if (content.form === "segments") total = yield* piecesOf(repository, content.segments);
  if (content.form === "list") total = yield* piecesOfList(repository, content.id, content.depth);
  if (total !== size) throw new FormatError(`file ${name.toString()}`, "its content has another length");
}

// The tree (section 7)

interface Totals {
  readonly entries: number;
  readonly fileBytes: number;
}

function* entriesOfPage(repository: Repository, id: Buffer, isRoot: boolean): Generator<Entry, Totals> {
  const subject = `page ${id.toString("hex")}`;
  const entries = readPage(readChunk(repository, id, [TYPES.page]), subject);
  if (entries.length === 0 && !isRoot) throw new FormatError(subject, "is empty");
  yield* entries;
  return { entries: entries.length, fileBytes: entries.reduce((sum, { size }) => sum + size, 0) };
}

function* entriesOfNode(repository: Repository, id: Buffer, level?: number): Generator<Entry, Totals> {
  const subject = `node ${id.toString("hex")}`;
  const node = readNode(readChunk(repository, id, [TYPES.node]), subject);
  if (level !== undefined && node.level !== level) throw new FormatError(subject, "has another level");
  let totals: Totals = { entries: 0, fileBytes: 0 };
  for (const child of node.children) {
    const below =
      node.level === 1
        ? entriesOfPage(repository, child.id, false)
        : entriesOfNode(repository, child.id, node.level - 1);
    const { entries, fileBytes } = yield* checkChild(below, child, subject);
    totals = { entries: totals.entries + entries, fileBytes: totals.fileBytes + fileBytes };
  }
  return totals;
}

/** What a node says about a child must be so: key of the first entry, number of entries, bytes. */
function* checkChild(
  below: Generator<Entry, Totals>,
  child: NodeChild,
  subject: string,
): Generator<Entry, Totals> {
  let step = below.next();
  if (step.done !== true && compareKeys(step.value, child) !== 0)
    throw new FormatError(subject, "a key differs");
  for (; step.done !== true; step = below.next()) yield step.value;
  const { entries, fileBytes } = step.value;
  if (entries !== child.entries || fileBytes !== child.fileBytes)
    throw new FormatError(subject, "a sum differs");
  return step.value;
}

export function pathOf({ directory, name }: Pick<Entry, "directory" | "name">): Buffer {
  return directory.length === 0 ? name : Buffer.concat([directory, Buffer.from("/"), name]);
}

/** All entries of a copy in their order; parents come before what is in them. */
export function* entriesOf(repository: Repository, copy: Copy): Generator<Entry, void> {
  const { type, id } = copy.root;
  const entries = type === TYPES.page ? entriesOfPage(repository, id, true) : entriesOfNode(repository, id);
  const directories = new Set([""]);
  let last: Entry | undefined;
  let step = entries.next();
  for (; step.done !== true; step = entries.next()) {
    const entry = step.value;
    const subject = `entry ${pathOf(entry).toString()}`;
    if (last !== undefined && compareKeys(last, entry) >= 0) throw new FormatError(subject, "out of order");
    if (!directories.has(entry.directory.toString("latin1")))
      throw new FormatError(subject, "its parent is missing");
    if (entry.kind === "directory") directories.add(pathOf(entry).toString("latin1"));
    last = entry;
    yield entry;
  }
  const { entries: count, fileBytes } = step.value;
  if (count !== copy.entries || fileBytes !== copy.bytes) {
    throw new FormatError(`copies/${copy.id}`, "its numbers of entries or bytes differ from the tree");
  }
}

// Check

function checkCopy(repository: Repository, copy: Copy): void {
  if (copy.kind === "disk") {
    for (const _ of piecesOfList(repository, copy.root.id));
    return;
  }
  const counts = { files: 0, directories: 0, others: 0 };
  for (const entry of entriesOf(repository, copy)) {
    counts[entry.kind === "file" ? "files" : entry.kind === "directory" ? "directories" : "others"] += 1;
    for (const _ of contentOf(repository, entry));
  }
  const { files, directories, others } = copy;
  if (counts.files !== files || counts.directories !== directories || counts.others !== others) {
    throw new FormatError(
      `copies/${copy.id}`,
      "its numbers of files, directories and others differ from the tree",
    );
  }
}

/** Reads every byte of the repository. Returns one line for every problem; none means that all is well. */
export function check(repository: Repository): readonly string[] {
  const { folder, keys, slots, packs } = repository;
  const problems = [...repository.problems];
  const each = (directory: Directory, read: (bytes: Buffer, name: string) => void): void => {
    for (const name of listObjects(folder, directory)) {
      attempt(problems, () => read(readObject(folder, directory, name, keys.repository), name));
    }
  };
  for (const slot of slots) attempt(problems, () => readLabel(slot, keys.table));
  for (const pack of packs.values()) {
    for (const record of recordsOf(pack.places)) attempt(problems, () => openRecord(pack, record, keys));
  }
  const segments = new Map<string, IndexSegment>();
  each("index", (bytes, name) => segments.set(name, readSegment(bytes, name, keys)));
  problems.push(...compareIndex(segments, packs));
  each("sessions", (bytes, name) => checkSessionObject(bytes, name, keys));
  each("condemned", (bytes, name) => readCondemned(bytes, name, keys));
  each("copies", (bytes, name) => checkCopy(repository, readCopy(bytes, name, keys)));
  return problems;
}
