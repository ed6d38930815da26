/**
 * The manifest of a copy (docs/format.md, section 8). A copy exists from the moment this object does.
 *
 * @module
 */
import { deriveKey, hmacSha256, sealBox, sha256 } from "@holdfast/crypto";
import { ByteReader, ByteWriter, damaged } from "@holdfast/kernel";
import { HASH_BYTES, HEAD_BYTES, readHead, writeHead } from "../format/head.ts";
import { openOwnBox } from "../format/own-box.ts";
import { ENVELOPE_BYTES } from "../packs/pack-format.ts";
import type { SessionKeyring } from "../packs/session-keys.ts";

export const COPY_KINDS = { files: 1, disk: 2 } as const;
export type CopyKind = keyof typeof COPY_KINDS;

export interface TreeRoot {
  /** Record type: page or node. */
  readonly type: number;
  readonly id: Buffer;
  readonly entries: number;
  /** Sum of the sizes of all files. */
  readonly bytes: number;
}

/** What the table key shows of a copy: enough to keep, forget, clean up and replicate it. */
export interface CopyTable {
  readonly kind: CopyKind;
  readonly timeMs: number;
  readonly group: Buffer;
  readonly root: TreeRoot;
  readonly bytesAdded: number;
}

/** What only the read capability shows. */
export interface CopyDetails {
  readonly host: string;
  readonly name: string;
  /** As asked for, raw bytes. */
  readonly paths: readonly Buffer[];
  readonly tags: readonly string[];
  readonly program: string;
  readonly startedMs: number;
  readonly files: number;
  readonly directories: number;
  readonly others: number;
  readonly warnings: number;
}

/** A manifest whose boxes are still closed. */
export interface SealedManifest {
  readonly id: string;
  readonly front: Buffer;
  readonly envelope: Buffer;
  readonly tableBox: Buffer;
  readonly readBox: Buffer;
}

const GROUP_BYTES = 16;
const FRONT_BYTES = HEAD_BYTES + ENVELOPE_BYTES;
const TABLE_BOX_BYTES_MAX = 4096;
const READ_BOX_BYTES_MAX = 16 * 1024 * 1024;
const TEXT_BYTES_MAX = 4096;
const PATH_BYTES_MAX = 1024 * 1024;
const LIST_MAX = 65_536;

export interface ManifestKeys {
  readonly repository: Buffer;
  readonly tableKey: Buffer;
  readonly sessionKey: Buffer;
  readonly envelope: Buffer;
}

export function encodeManifest(keys: ManifestKeys, table: CopyTable, details: CopyDetails): Buffer {
  const front = Buffer.concat([writeHead(new ByteWriter(), "copy", keys.repository).finish(), keys.envelope]);
  const tableBytes = encodeTable(table);
  const tableBox = sealBox(keys.tableKey, context("table", front), tableBytes);
  const readBox = sealBox(readKeyOf(keys), readContext(front, tableBytes), encodeDetails(details));
  return new ByteWriter(8192)
    .raw(front)
    .u32(tableBox.length)
    .raw(tableBox)
    .u32(readBox.length)
    .raw(readBox)
    .finish();
}

/** @throws AppError `ERR_DAMAGED`. The caller has checked the bytes against the name. */
export function decodeManifest(bytes: Buffer, id: string, repository: Buffer): SealedManifest {
  const reader = new ByteReader(bytes, `The copy ${id}`);
  readHead(reader, "copy", repository);
  const envelope = reader.raw(ENVELOPE_BYTES);
  const tableBox = reader.raw(boundedLength(reader, TABLE_BOX_BYTES_MAX));
  const readBox = reader.raw(boundedLength(reader, READ_BOX_BYTES_MAX));
  reader.end();
  return { id, front: bytes.subarray(0, FRONT_BYTES), envelope, tableBox, readBox };
}

function boundedLength(reader: ByteReader, max: number): number {
  const length = reader.u32();
  return length <= max ? length : reader.fail("a length exceeds its limit");
}

/** @throws AppError `ERR_DAMAGED`. */
export function openTable(manifest: SealedManifest, tableKey: Buffer): CopyTable {
  return decodeTable(openTableBytes(manifest, tableKey), manifest.id);
}

function openTableBytes(manifest: SealedManifest, tableKey: Buffer): Buffer {
  return openOwnBox(tableKey, context("table", manifest.front), manifest.tableBox, `The copy ${manifest.id}`);
}

/** @throws AppError `ERR_DAMAGED`. */
export function openDetails(
  manifest: SealedManifest,
  tableKey: Buffer,
  repository: Buffer,
  keyring: SessionKeyring,
): CopyDetails {
  const what = `The copy ${manifest.id}`;
  keyring.add([manifest.envelope], `the copy ${manifest.id}`);
  const sessionKey = keyring.sessionKey(manifest.envelope.subarray(0, 16));
  if (sessionKey === undefined) throw damaged(what, "it has no session key");
  const key = readKeyOf({ repository, sessionKey });
  const tableBytes = openTableBytes(manifest, tableKey);
  const bytes = openOwnBox(key, readContext(manifest.front, tableBytes), manifest.readBox, what);
  return decodeDetails(bytes, what);
}

/** Copies of one group are what retention rules count together: same host, same paths. */
export function groupOf(tableKey: Buffer, host: string, paths: readonly Buffer[]): Buffer {
  const writer = new ByteWriter().raw(Buffer.from("holdfast/1/group", "latin1")).text(host);
  for (const path of paths) writer.blob(path);
  return hmacSha256(tableKey, writer.finish()).subarray(0, GROUP_BYTES);
}

function encodeTable(table: CopyTable): Buffer {
  return new ByteWriter()
    .u8(COPY_KINDS[table.kind])
    .u64(BigInt(table.timeMs))
    .raw(table.group)
    .u8(table.root.type)
    .raw(table.root.id)
    .varint(table.root.entries)
    .varint(table.root.bytes)
    .varint(table.bytesAdded)
    .finish();
}

function decodeTable(bytes: Buffer, id: string): CopyTable {
  const reader = new ByteReader(bytes, `The copy ${id}`);
  const code = reader.u8();
  if (code !== COPY_KINDS.files && code !== COPY_KINDS.disk) reader.fail("its kind is not known");
  const kind: CopyKind = code === COPY_KINDS.disk ? "disk" : "files";
  const timeMs = Number(reader.u64());
  const group = Buffer.from(reader.raw(GROUP_BYTES));
  const type = reader.u8();
  const rootId = Buffer.from(reader.raw(HASH_BYTES));
  const root = { type, id: rootId, entries: reader.varint(), bytes: reader.varint() };
  const bytesAdded = reader.varint();
  reader.end();
  return { kind, timeMs, group, root, bytesAdded };
}

function encodeDetails(details: CopyDetails): Buffer {
  const writer = new ByteWriter().text(details.host).text(details.name).varint(details.paths.length);
  for (const path of details.paths) writer.blob(path);
  writer.varint(details.tags.length);
  for (const tag of details.tags) writer.text(tag);
  return writer
    .text(details.program)
    .u64(BigInt(details.startedMs))
    .varint(details.files)
    .varint(details.directories)
    .varint(details.others)
    .varint(details.warnings)
    .finish();
}

function decodeDetails(bytes: Buffer, what: string): CopyDetails {
  const reader = new ByteReader(bytes, what);
  const host = reader.text(TEXT_BYTES_MAX);
  const name = reader.text(TEXT_BYTES_MAX);
  const paths = Array.from({ length: reader.varint(LIST_MAX) }, () =>
    Buffer.from(reader.blob(PATH_BYTES_MAX)),
  );
  const tags = Array.from({ length: reader.varint(LIST_MAX) }, () => reader.text(TEXT_BYTES_MAX));
  const program = reader.text(TEXT_BYTES_MAX);
  const startedMs = Number(reader.u64());
  const files = reader.varint();
  const directories = reader.varint();
  const others = reader.varint();
  const warnings = reader.varint();
  reader.end();
  return { host, name, paths, tags, program, startedMs, files, directories, others, warnings };
}

function readKeyOf(keys: { readonly repository: Buffer; readonly sessionKey: Buffer }): Buffer {
  return deriveKey(keys.sessionKey, keys.repository, "holdfast/1/copy", 32);
}

function context(box: "table" | "read", front: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`holdfast/1/copy/${box}`, "latin1"), front]);
}

function readContext(front: Buffer, tableBytes: Buffer): Buffer {
  return Buffer.concat([context("read", front), sha256(tableBytes)]);
}
