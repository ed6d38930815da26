/**
 * Objects and the bytes in them: docs/format.md sections 1 and 2.
 *
 * This folder is a second reader of the repository format, written from the document alone. It shares no code with
 * the engine and imports nothing but Node.js, so that a difference between document and engine shows.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Bytes that break a rule of the format; the subject says which object, record or field. */
export class FormatError extends Error {
  constructor(subject: string, problem: string) {
    super(`${subject}: ${problem}`);
    this.name = "FormatError";
  }
}

/** Head, kinds (section 2). */
export const KINDS = {
  config: 1,
  slots: 2,
  packs: 3,
  index: 4,
  copies: 5,
  sessions: 6,
  condemned: 7,
} as const;
export type Directory = Exclude<keyof typeof KINDS, "config">;

/** Larger objects are refused before they are read. The document bounds packs; the other bounds are this reader's. */
const PACK_LENGTH_MAX = 64 * 1024 * 1024;
const OBJECT_LENGTH_MAX = 1024 * 1024 * 1024;

export const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

export function utf8(bytes: Uint8Array, subject: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FormatError(subject, "text is not UTF-8");
  }
}

/** Reads the numbers and blobs of section 1 from front to back and never beyond the end. */
export class Cursor {
  readonly subject: string;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer, subject: string) {
    this.#bytes = bytes;
    this.subject = subject;
  }

  get at(): number {
    return this.#at;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  refuse(problem: string): never {
    throw new FormatError(this.subject, `${problem} (before byte ${this.#at})`);
  }
  take(length: number): Buffer {
    if (length > this.left) this.refuse(`${length} bytes wanted, ${this.left} left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  u8 = (): number => this.take(1).readUInt8();
  u16 = (): number => this.take(2).readUInt16LE();
  u32 = (): number => this.take(4).readUInt32LE();
  u64 = (): bigint => this.take(8).readBigUInt64LE();
  i64 = (): bigint => this.take(8).readBigInt64LE();
  /** A u64 that a number can hold: counts and milliseconds. */
  u64Number(): number {
    const value = Number(this.u64());
    return Number.isSafeInteger(value) ? value : this.refuse("number too large");
  }
  varint(max: number = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    for (let place = 1, bytes = 1; ; place *= 128, bytes += 1) {
      const byte = this.u8();
      value += (byte & 127) * place;
      if (value > max) this.refuse(`number above ${max}`);
      if (byte === 0 && bytes > 1) this.refuse("varint not in its shortest form");
      if (byte < 128) return value;
      if (bytes === 8) this.refuse("varint too long");
    }
  }
  /** A count of things that take at least one byte each, so that it is bounded by what is left. */
  count = (): number => this.varint(this.left);
  blob = (max: number = this.left): Buffer => this.take(this.varint(max));
  text = (max?: number): string => utf8(this.blob(max), this.subject);
  /** Reserved bytes. */
  zero(length: number): void {
    if (this.take(length).some((byte) => byte !== 0)) this.refuse("a reserved byte is not 0");
  }
  end(): void {
    if (this.left > 0) this.refuse(`${this.left} bytes too many`);
  }
}

/** The head of 24 bytes (section 2). Returns the repository's id, which is compared with `repository` if that is known. */
export function readHead(cursor: Cursor, kind: number, repository?: Buffer): Buffer {
  if (cursor.take(4).toString("latin1") !== "HFST") cursor.refuse("no object of a repository");
  if (cursor.u8() !== kind) cursor.refuse("another kind of object");
  if (cursor.u8() !== 1) cursor.refuse("another version");
  cursor.zero(2);
  const id = cursor.take(16);
  if (repository !== undefined && !id.equals(repository)) cursor.refuse("belongs to another repository");
  return id;
}

/** The last 32 bytes of `config` and of session objects are the SHA-256 of what is before. Returns what is before. */
export function checkChecksum(bytes: Buffer, subject: string): Buffer {
  const before = bytes.subarray(0, Math.max(0, bytes.length - 32));
  if (!sha256(before).equals(bytes.subarray(before.length)))
    throw new FormatError(subject, "checksum differs");
  return before;
}

/** Names of the objects in a directory; names of any other form are no objects. */
export function listObjects(folder: string, directory: Directory): readonly string[] {
  const form = directory === "sessions" ? /^[0-9a-f]{32}\.\d{6}$/u : /^[0-9a-f]{64}$/u;
  const list = (path: string): string[] => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  };
  const root = join(folder, directory);
  const names = directory === "packs" ? list(root).flatMap((hex) => list(join(root, hex))) : list(root);
  return names.filter((name) => form.test(name)).toSorted();
}

export function objectPath(folder: string, directory: Directory, name: string): string {
  return join(folder, directory, directory === "packs" ? join(name.slice(0, 2), name) : name);
}

/** Reads a whole object and checks what can be checked without keys: length, name or checksum, head. */
export function readObject(folder: string, directory: Directory, name: string, repository: Buffer): Buffer {
  const path = objectPath(folder, directory, name);
  const subject = `${directory}/${name}`;
  const max = directory === "packs" ? PACK_LENGTH_MAX : OBJECT_LENGTH_MAX;
  if (statSync(path).size > max) throw new FormatError(subject, `longer than ${max} bytes`);
  const bytes = readFileSync(path);
  readHead(new Cursor(bytes, subject), KINDS[directory], repository);
  if (directory === "sessions") checkChecksum(bytes, subject);
  else if (sha256(bytes).toString("hex") !== name)
    throw new FormatError(subject, "SHA-256 differs from the name");
  return bytes;
}
