/**
 * Everything that can be wrong with a pack, found from its bytes alone.
 *
 * Levels build on each other: without keys only the checksum; with the table key the directory; with the read capability
 * every record.
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import { ByteReader, freeBytes, isAppError } from "@holdfast/kernel";
import { HASH_BYTES, readHead } from "../format/head.ts";
import { hashOfName } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import { DIRECTORY_ENTRY_BYTES, PACK_KINDS } from "../packs/pack-format.ts";
import { type OpenPack, openPackInMemory } from "../packs/read-directory.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import { type OpenRecord, openRecord, openRefs } from "../packs/record-opener.ts";
import type { RecordDecoder } from "../reading/record-decoder.ts";
import { DirectorySum } from "./directory-sum.ts";
import { refsOf } from "./refs-of.ts";

export interface PackCheck {
  readonly keys: Pick<KeySet, "repository" | "tableKey">;
  /** Given when every record is to be opened. */
  readonly decoder: RecordDecoder | undefined;
}

export interface PackFindings {
  /** What is wrong, as sentences; empty when nothing is. */
  readonly problems: readonly string[];
  /** Of the directory; undefined when it was not or cannot be opened. */
  readonly sum: DirectorySum | undefined;
}

const PROBLEMS_MAX = 3;

/** The checksum, and whether the pack belongs to this repository, if that is known. */
export function checkPackWithoutKeys(
  bytes: Buffer,
  name: string,
  repository: Buffer | undefined,
): readonly string[] {
  const problems: string[] = [];
  if (!sha256(bytes).equals(hashOfName(name) ?? Buffer.alloc(0))) {
    problems.push("Its content does not match its name.");
  }
  collect(problems, () => {
    readHead(new ByteReader(bytes, `The object ${name}`), "pack", repository);
  });
  return problems;
}

export function checkPack(bytes: Buffer, name: string, check: PackCheck): PackFindings {
  const problems = [...checkPackWithoutKeys(bytes, name, check.keys.repository)];
  let sum: DirectorySum | undefined;
  collect(problems, () => {
    const { open, directory } = openPackInMemory(bytes, check.keys, name);
    sum = new DirectorySum();
    sum.addDirectory(directory);
    if (check.decoder === undefined) return;
    check.decoder.keyring.add(open.front.envelopes, name);
    checkRecords({ bytes, name, open, directory, problems, decoder: check.decoder, keys: check.keys });
  });
  return { problems, sum };
}

interface PackInWork {
  readonly bytes: Buffer;
  readonly name: string;
  readonly open: OpenPack;
  readonly directory: Buffer;
  readonly problems: string[];
  readonly decoder: RecordDecoder;
  readonly keys: Pick<KeySet, "repository" | "tableKey">;
}

/** Neighbouring entries of the same place are one bundle. */
function checkRecords(pack: PackInWork): void {
  const { directory } = pack;
  let start = 0;
  while (start < directory.length) {
    const offset = directory.readUInt32LE(start + 32);
    let end = start + DIRECTORY_ENTRY_BYTES;
    while (end < directory.length && directory.readUInt32LE(end + 32) === offset)
      end += DIRECTORY_ENTRY_BYTES;
    const entries = directory.subarray(start, end);
    collect(pack.problems, () => {
      checkRecord(pack, entries);
    });
    start = end;
  }
}

/** @throws AppError `ERR_DAMAGED`. */
function checkRecord(pack: PackInWork, entries: Buffer): void {
  const offset = entries.readUInt32LE(32);
  const length = entries.readUInt32LE(36);
  const type = entries.readUInt8(47);
  const bytes = pack.bytes.subarray(offset, offset + length);
  const record = openRecord(pack.open.key, bytes, offset, pack.name);
  if (record.header.type !== type || !isAtHome(type, pack.open.front.kind)) {
    pack.problems.push(`${record.what} is of another type than the directory says.`);
    return;
  }
  if (type === RECORD_TYPES.bundle) checkBundle(pack, record, entries);
  else checkSingle(pack, record, entries);
}

function isAtHome(type: number, packKind: number): boolean {
  const isContent = type === RECORD_TYPES.chunk || type === RECORD_TYPES.bundle;
  return isContent === (packKind !== PACK_KINDS.metadata);
}

function checkBundle(pack: PackInWork, record: OpenRecord, entries: Buffer): void {
  const plaintext = pack.decoder.plaintext(record);
  const problem = bundleProblem(pack.decoder, record, plaintext, entries);
  freeBytes(plaintext);
  if (problem !== undefined) pack.problems.push(`${record.what} ${problem}.`);
}

function bundleProblem(
  decoder: RecordDecoder,
  record: OpenRecord,
  plaintext: Buffer,
  entries: Buffer,
): string | undefined {
  const ids: Buffer[] = [];
  let next = 0;
  for (let at = 0; at < entries.length; at += DIRECTORY_ENTRY_BYTES) {
    const id = entries.subarray(at, at + HASH_BYTES);
    const chunkOffset = entries.readUInt32LE(at + 40);
    const length = entries.readUIntLE(at + 44, 3);
    const chunk = plaintext.subarray(chunkOffset, chunkOffset + length);
    const isWhole = chunkOffset === next && chunk.length === length;
    if (!isWhole || !decoder.idOf(RECORD_TYPES.chunk, chunk).equals(id)) {
      return "holds a chunk that does not match its id";
    }
    ids.push(id);
    next += length;
  }
  const isComplete = next === plaintext.length && decoder.isBundleOf(record, Buffer.concat(ids));
  return isComplete ? undefined : "does not hold the chunks that the directory says";
}

function checkSingle(pack: PackInWork, record: OpenRecord, entries: Buffer): void {
  const { decoder, keys, problems } = pack;
  const type = entries.readUInt8(47);
  const id = entries.subarray(0, HASH_BYTES);
  const plaintext = decoder.wholeRecord(record, type, id);
  const isSingle = entries.length === DIRECTORY_ENTRY_BYTES && entries.readUInt32LE(40) === 0;
  if (!isSingle || entries.readUIntLE(44, 3) !== plaintext.length) {
    problems.push(`${record.what} has another length than the directory says.`);
  }
  const said = openRefs(record, keys.tableKey, keys.repository);
  const meant = type === RECORD_TYPES.chunk ? undefined : refsOf(type, plaintext, id);
  freeBytes(plaintext);
  if (!hasSameIds(said, meant))
    problems.push(`${record.what} says that it refers to other chunks than it does.`);
}

/** Each id once, in any order. */
function hasSameIds(said: Buffer, meant: ReadonlySet<string> | undefined): boolean {
  if (said.length !== (meant?.size ?? 0) * HASH_BYTES) return false;
  const found = new Set<string>();
  for (let at = 0; at < said.length; at += HASH_BYTES)
    found.add(said.toString("latin1", at, at + HASH_BYTES));
  return found.size === (meant?.size ?? 0) && [...found].every((id) => meant?.has(id) === true);
}

/** Keys are known to be right by now, so what does not open is damaged. */
const DAMAGE: ReadonlySet<string> = new Set(["ERR_DAMAGED", "ERR_KEY_WRONG", "ERR_FORMAT_VERSION"]);

/** Notes damage as a problem. */
export function collect(problems: string[], action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isAppError(error) || !DAMAGE.has(error.code)) throw error;
    if (problems.length < PROBLEMS_MAX) problems.push(error.message);
  }
}
