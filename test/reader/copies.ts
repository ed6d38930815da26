/**
 * Manifests of copies (docs/format.md section 8), session and condemned objects (section 9).
 *
 * @module
 */
import { Cursor, KINDS, readHead, sha256 } from "./object.ts";
import { ascii, ENVELOPE_LENGTH, hkdf, hmac, type Keys, openBox, openEnvelope } from "./keys.ts";
import { TYPES } from "./tree.ts";

export interface Copy {
  readonly id: string;
  readonly kind: "files" | "disk";
  readonly timeMs: number;
  readonly root: { readonly type: number; readonly id: Buffer };
  readonly entries: number;
  readonly bytes: number;
  readonly bytesAdded: number;
  readonly host: string;
  readonly name: string;
  readonly paths: readonly Buffer[];
  readonly tags: readonly string[];
  readonly program: string;
  readonly startedMs: number;
  readonly files: number;
  readonly directories: number;
  readonly others: number;
  readonly warnings: number;
}

function varintBytes(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
}

const blobBytes = (bytes: Buffer): Buffer => Buffer.concat([varintBytes(bytes.length), bytes]);

/** The group that retention rules count a copy to. */
export function groupOf(tableKey: Buffer, host: string, paths: readonly Buffer[]): Buffer {
  const parts = [ascii("holdfast/1/group"), blobBytes(Buffer.from(host, "utf8")), ...paths.map(blobBytes)];
  return hmac(tableKey, ...parts).subarray(0, 16);
}

function readTable(plaintext: Buffer, subject: string) {
  const cursor = new Cursor(plaintext, subject);
  const kind = cursor.u8();
  if (kind !== 1 && kind !== 2) cursor.refuse("unknown kind of copy");
  const [timeMs, group] = [cursor.u64Number(), cursor.take(16)];
  const root = { type: cursor.u8(), id: cursor.take(32) };
  const [entries, bytes, bytesAdded] = [cursor.varint(), cursor.varint(), cursor.varint()];
  cursor.end();
  if (kind === 1 && root.type !== TYPES.page && root.type !== TYPES.node)
    cursor.refuse("the root is no tree");
  return {
    group,
    described: { kind: kind === 1 ? "files" : "disk", timeMs, root, entries, bytes, bytesAdded },
  } as const;
}

function readDescription(plaintext: Buffer, subject: string) {
  const cursor = new Cursor(plaintext, subject);
  const [host, name] = [cursor.text(), cursor.text()];
  const paths = Array.from({ length: cursor.count() }, () => cursor.blob());
  const tags = Array.from({ length: cursor.count() }, () => cursor.text());
  const [program, startedMs] = [cursor.text(), cursor.u64Number()];
  const [files, directories] = [cursor.varint(), cursor.varint()];
  const [others, warnings] = [cursor.varint(), cursor.varint()];
  cursor.end();
  return { host, name, paths, tags, program, startedMs, files, directories, others, warnings };
}

/** Reads a manifest whose name was checked. */
export function readCopy(bytes: Buffer, id: string, keys: Keys): Copy {
  const subject = `copies/${id}`;
  const cursor = new Cursor(bytes, subject);
  readHead(cursor, KINDS.copies, keys.repository);
  const envelope = cursor.take(ENVELOPE_LENGTH);
  const front = bytes.subarray(0, cursor.at);
  const tableBox = cursor.take(cursor.u32());
  const readBox = cursor.take(cursor.u32());
  cursor.end();
  const tableContext = Buffer.concat([ascii("holdfast/1/copy/table"), front]);
  const table = openBox(keys.table, tableContext, tableBox, `${subject}, table box`);
  const readKey = hkdf(openEnvelope(keys, envelope, subject), keys.repository, "holdfast/1/copy", 32);
  const readContext = Buffer.concat([ascii("holdfast/1/copy/read"), front, sha256(table)]);
  const { group, described } = readTable(table, `${subject}, table box`);
  const description = readDescription(
    openBox(readKey, readContext, readBox, `${subject}, read box`),
    subject,
  );
  if (!group.equals(groupOf(keys.table, description.host, description.paths))) cursor.refuse("another group");
  return { id, ...described, ...description };
}

/** Reads a session object whose checksum was checked; there is nothing in it that a restore needs. */
export function checkSessionObject(bytes: Buffer, name: string, keys: Keys): void {
  const cursor = new Cursor(bytes.subarray(0, -32), `sessions/${name}`);
  readHead(cursor, KINDS.sessions, keys.repository);
  if (cursor.take(16).toString("hex") !== name.slice(0, 32)) cursor.refuse("named after another session");
  if (![1, 2].includes(cursor.u8())) cursor.refuse("unknown role");
  cursor.zero(7);
  if (cursor.u64Number() > cursor.u64Number()) cursor.refuse("a beat before the start");
  const front = bytes.subarray(0, cursor.at);
  const box = cursor.take(cursor.u32());
  cursor.end();
  const context = Buffer.concat([ascii("holdfast/1/session-object"), front]);
  const inner = new Cursor(openBox(keys.table, context, box, cursor.subject), `${cursor.subject}, box`);
  inner.text();
  inner.text();
  inner.varint();
  inner.text();
  inner.end();
}

/** Reads a condemned object whose name was checked; returns the names of the packs about to be deleted. */
export function readCondemned(bytes: Buffer, name: string, keys: Keys): readonly string[] {
  const cursor = new Cursor(bytes, `condemned/${name}`);
  readHead(cursor, KINDS.condemned, keys.repository);
  const context = Buffer.concat([ascii("holdfast/1/condemned"), bytes.subarray(0, cursor.at)]);
  const box = cursor.take(cursor.u32());
  cursor.end();
  const inner = new Cursor(openBox(keys.table, context, box, cursor.subject), `${cursor.subject}, box`);
  inner.u64Number();
  const names = Array.from({ length: inner.u32() }, () => inner.take(32).toString("hex"));
  inner.end();
  return names;
}
