/**
 * Manifests of copies: docs/format.md section 8. Then a repository in a folder: opens it, finds chunks, walks content and
 * tree of a copy.
 *
 * @module
 */
import * as d from "./decode.ts";
import { concat, FormatError, must, refuse, sha256 } from "./decode.ts";
import { hkdf, type Keys, openBox, openEnvelope, openKeys } from "./keys.ts";
import { openRecord, type PackRecord, readPack, recordsOf, TYPES } from "./packs.ts";
import * as tree from "./tree.ts";
import type { Entry } from "./tree.ts";

// Section 8: manifests of copies

export type Copy = ReturnType<typeof readCopy>;

const MANIFEST = d.struct({
  envelope: d.take(1248),
  front: d.before,
  tableBox: d.sized(d.u32),
  readBox: d.sized(d.u32),
});
const TABLE = d.struct({
  kind: d.oneOf(["files", "disk"]),
  timeMs: d.ms,
  group: d.skip(16),
  root: d.struct({ type: d.u8, id: d.take(32) }),
  entries: d.varint(),
  bytes: d.varint(),
  bytesAdded: d.varint(),
});
const DESCRIPTION = d.struct({
  host: d.text(),
  name: d.text(),
  paths: d.list(d.varint(), d.blob()),
  tags: d.list(d.varint(), d.text()),
  program: d.text(),
  startedMs: d.ms,
  files: d.varint(),
  directories: d.varint(),
  others: d.varint(),
  warnings: d.varint(),
});

function readCopy(folder: string, name: string, keys: Keys) {
  const { envelope, front, tableBox, readBox } = d.readObject(folder, name, MANIFEST, keys.repository);
  return d.about(name, () => {
    const table = openBox(keys.table, concat("holdfast/1/copy/table", front), tableBox);
    const key = hkdf(openEnvelope(keys, envelope), keys.repository, "holdfast/1/copy", 32);
    const read = openBox(key, concat("holdfast/1/copy/read", front, sha256(table)), readBox);
    const copy = { id: name.slice(-64), ...d.decode(table, TABLE), ...d.decode(read, DESCRIPTION) };
    const roots: readonly number[] = copy.kind === "files" ? [TYPES.page, TYPES.node] : [TYPES.list];
    must(roots.includes(copy.root.type), "a root of another type");
    return copy;
  });
}

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
  const keys = openKeys(folder, secret);
  // What is in a pack that cannot be read is missing.
  const problems: string[] = [];
  const packs = d
    .listObjects(folder, "packs")
    .flatMap((name) => attempt(problems, () => readPack(folder, name, keys)) ?? []);
  const places = packs.flatMap((pack) =>
    recordsOf(pack).flatMap((record) => record.members.map((place) => ({ pack, record, place }))),
  );
  const chunks = Map.groupBy(places, ({ place }) => place.id.toString("hex"));
  return { folder, keys, packs, chunks, problems };
}

export function listCopies({ folder, keys }: Repository): readonly Copy[] {
  return d.listObjects(folder, "copies").map((name) => readCopy(folder, name, keys));
}

/** The last opened record: the small files of a page are mostly in one bundle. */
let last: { readonly record?: PackRecord; readonly plaintext: Buffer } = { plaintext: concat() };

/** Reads a chunk, list, page or node; every place of it is tried until one is good. */
export function readChunk({ chunks, keys }: Repository, id: Buffer, types: readonly number[]): Buffer {
  const problems: string[] = [];
  for (const { pack, record, place } of chunks.get(id.toString("hex")) ?? []) {
    const plaintext = attempt(problems, () => {
      must(types.includes(place.type), "of another type");
      if (last.record !== record) last = { record, plaintext: openRecord(pack, record, keys) };
      return last.plaintext.subarray(place.chunkOffset, place.chunkOffset + place.length);
    });
    if (plaintext !== undefined) return plaintext;
  }
  return refuse(`chunk ${id.toString("hex")}: ${problems.join("; ") || "missing"}`);
}

/** Reads a list, page or node. */
export function readRecord<T>(repository: Repository, id: Buffer, type: number, decoder: d.Decoder<T>): T {
  const bytes = readChunk(repository, id, [type]);
  return d.about(`record ${id.toString("hex")}`, () => d.decode(bytes, decoder));
}

const ZEROS = Buffer.alloc(2 ** 20);

/** Section 6: the bytes of some content, from its beginning. */
export function* piecesOf(
  repository: Repository,
  parts: readonly tree.Part[],
): Generator<{ readonly bytes: Buffer; readonly isHole: boolean }, void> {
  for (const part of parts) {
    if (part.kind === "inline") {
      yield { bytes: part.bytes, isHole: false };
    } else if (part.kind === "data") {
      const bytes = readChunk(repository, part.id, [TYPES.chunk, TYPES.bundle]);
      must(bytes.length === part.length, "segment: its chunk has another length");
      yield { bytes, isHole: false };
    } else if (part.kind === "list") {
      const list = readRecord(repository, part.id, TYPES.list, tree.readList);
      const isSame = list.depth === part.depth && tree.lengthOf(list.parts) === part.length;
      must(isSame, "list: of another depth or length");
      yield* piecesOf(repository, list.parts);
    } else {
      for (let { length } = part; length > 0; length -= ZEROS.length)
        yield { bytes: ZEROS.subarray(0, length), isHole: part.kind === "hole" };
    }
  }
}

/** Section 7: the entries in a page, or below a node. */
function entriesBelow(repository: Repository, id: Buffer, type: number, level?: number): readonly Entry[] {
  if (type === TYPES.page) return readRecord(repository, id, TYPES.page, tree.readPage);
  const node = readRecord(repository, id, TYPES.node, tree.readNode);
  must(node.level === (level ?? node.level), "node: of another level");
  return node.children.flatMap((child) => {
    const lower = node.level === 1 ? TYPES.page : TYPES.node;
    const entries = entriesBelow(repository, child.id, lower, node.level - 1);
    must(entries[0] !== undefined && tree.compareKeys(entries[0], child) === 0, "node: a key differs");
    must(entries.length === child.entries && bytesIn(entries) === child.fileBytes, "node: a sum differs");
    return entries;
  });
}

function bytesIn(entries: readonly Entry[]): number {
  const sum = entries.reduce((before, { size }) => before + size, 0);
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}

/** All entries of a copy in their order; parents come before what is in them. */
export function entriesOf(repository: Repository, { id, root, ...copy }: Copy): readonly Entry[] {
  const entries = entriesBelow(repository, root.id, root.type);
  must(tree.isAscending(entries, tree.compareKeys), `copies/${id}: entries out of order`);
  const isSame = entries.length === copy.entries && bytesIn(entries) === copy.bytes;
  must(isSame, `copies/${id}: its numbers of entries or bytes differ from the tree`);
  const directories = new Set([""]);
  for (const entry of entries) {
    const path = tree.pathOf(entry).toString("latin1");
    must(directories.has(entry.directory.toString("latin1")), `${path}: its parent is missing`);
    if (entry.kind === "directory") directories.add(path);
  }
  return entries;
}
