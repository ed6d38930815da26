/**
 * A second reader of the repository format, written from docs/format.md alone. It shares no code with the engine and
 * imports nothing but Node.js, so that a difference between document and engine shows. To be read beside the document
 * and in its order: bytes.ts (sections 1, 2), keys.ts (3), packs.ts (4, 5), tree.ts (6, 7), repository.ts (8, 9, and
 * what puts them together), main.ts (a restore).
 *
 * @module
 */
import { hash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, sep } from "node:path";

/** Bytes that break a rule of the format; the message is "what: why". */
export class FormatError extends Error {}

export function refuse(problem: string): never {
  throw new FormatError(problem);
}

export function must(holds: boolean, problem: string): asserts holds {
  if (!holds) refuse(problem);
}

// Section 1: bytes are joined, numbers are little-endian

export function concat(...parts: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

export const sha256 = (bytes: Uint8Array): Buffer => hash("sha256", bytes, "buffer");

/** Reads from front to back and never beyond the end. */
export class Cursor {
  readonly bytes: Buffer;
  readonly subject: string;
  /** What was read as the id of another record, in hex (section 4.1, refs box). */
  readonly refs = new Set<string>();
  at = 0;

  constructor(bytes: Buffer, subject: string) {
    this.bytes = bytes;
    this.subject = subject;
  }

  refuse = (problem: string): never => refuse(`${this.subject}: ${problem} (before byte ${this.at})`);
  must(holds: boolean, problem: string): void {
    if (!holds) this.refuse(problem);
  }
  left = (): number => this.bytes.length - this.at;
  take(length: number): Buffer {
    this.must(length >= 0 && length <= this.left(), `${length} bytes wanted, ${this.left()} left`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  /** All bytes before this place. */
  front = (): Buffer => this.bytes.subarray(0, this.at);
  rest = (): Buffer => this.take(this.left());
  end = (): void => this.must(this.left() === 0, `${this.left()} bytes too many`);
  /** Reserved bytes. */
  zero = (length: number): void => this.must(!this.take(length).some(Boolean), "a reserved byte is not 0");
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
    for (let place = 1; ; place *= 128) {
      const byte = this.u8();
      value += (byte & 127) * place;
      this.must(value <= max, `number above ${max}`);
      this.must(byte > 0 || place === 1, "varint not in its shortest form");
      if (byte < 128) return value;
    }
  }
  blob = (max?: number): Buffer => this.take(this.varint(max));
  text = (max?: number): string => this.utf8(this.blob(max));
  utf8(bytes: Buffer): string {
    const text = bytes.toString("utf8");
    return Buffer.from(text).equals(bytes) ? text : this.refuse("text is not UTF-8");
  }
  /** So many things of at least one byte each: what is left bounds a count that lies. */
  many<T>(count: number, read: () => T): T[] {
    this.must(count <= this.left(), `${count} things wanted in ${this.left()} bytes`);
    return Array.from({ length: count }, read);
  }
  hex = (length = 32): string => this.take(length).toString("hex");
  ref(): Buffer {
    const id = this.take(32);
    this.refs.add(id.toString("hex"));
    return id;
  }
}

// Section 2: objects

/** The number in the head is the place in this list, counted from 1. */
const KINDS = ["config", "slots", "packs", "index", "copies", "sessions", "condemned", "waits"];
const HASHED = /^[0-9a-f]{64}$/u;
const FORMS: Readonly<Record<string, RegExp>> = {
  packs: /^([0-9a-f]{2})\/\1[0-9a-f]{62}$/u,
  sessions: /^[0-9a-f]{32}\.\d{6}$/u,
};

/** Names of the objects of a kind, such as `slots/<sha256>`; what is named otherwise is no object. */
export function listObjects(folder: string, kind: string): readonly string[] {
  const path = join(folder, kind);
  const names = existsSync(path) ? readdirSync(path, { recursive: true, encoding: "utf8" }) : [];
  const slashed = names.map((name) => name.replaceAll(sep, "/"));
  return slashed.filter((name) => (FORMS[kind] ?? HASHED).test(name)).map((name) => `${kind}/${name}`);
}

/** Reads an object and checks what can be checked without keys. The cursor stands behind the head. */
export function readObject(folder: string, name: string, repository?: Buffer): Cursor {
  const path = join(folder, name);
  const kind = name.split("/")[0] ?? name;
  // The document bounds packs; the other bound is this reader's.
  must(statSync(path).size <= (kind === "packs" ? 2 ** 26 : 2 ** 30), `${name}: too long`);
  let bytes = readFileSync(path);
  if (kind === "config" || kind === "sessions") {
    const checksum = bytes.subarray(-32);
    bytes = bytes.subarray(0, -32);
    must(sha256(bytes).equals(checksum), `${name}: checksum differs`);
  } else {
    must(name.endsWith(sha256(bytes).toString("hex")), `${name}: SHA-256 differs from the name`);
  }
  const cursor = new Cursor(bytes, name);
  cursor.must(cursor.take(4).equals(concat("HFST")), "no object of a repository");
  cursor.must(cursor.u8() === KINDS.indexOf(kind) + 1, "another kind of object");
  cursor.must(cursor.u8() === 1, "another version");
  cursor.zero(2);
  cursor.must(cursor.take(16).equals(repository ?? bytes.subarray(8, 24)), "of another repository");
  return cursor;
}
