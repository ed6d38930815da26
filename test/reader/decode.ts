/**
 * A second reader of the repository format, written from docs/format.md alone: what a stranger needs who restores. It
 * shares no code with the engine and imports nothing but Node.js, so that a difference between document and engine
 * shows. To be read beside the document and in its order: decode.ts (sections 1, 2), keys.ts (3), packs.ts (4), tree.ts
 * (6, 7), repository.ts (8, and what puts all together), main.ts (a restore). Chunks are found by the directories of
 * packs. What only writers and cleaners read, is written by the sample beside it and read by the engine (sample.test.ts).
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { hash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, sep } from "node:path";

/** Bytes that break a rule of the format. */
export class FormatError extends Error {}

export function refuse(problem: string): never {
  throw new FormatError(problem);
}

export function must(holds: boolean, problem: string): asserts holds {
  if (!holds) refuse(problem);
}

/** Says of what was refused, by this reader or by a library, where it is or what it means. */
export function about<T>(subject: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof TypeError || !(error instanceof Error)) throw error;
    throw new FormatError(`${subject}: ${error.message}`);
  }
}

// Section 1: bytes are joined, numbers are little-endian

export function concat(...parts: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)));
}

export const le64 = (value: bigint): Buffer => Buffer.from(new BigUint64Array([value]).buffer);
export const le32 = (value: number): Buffer => le64(BigInt(value)).subarray(0, 4);
export const sha256 = (bytes: Uint8Array): Buffer => hash("sha256", bytes, "buffer");

/** Bytes that are read from front to back. */
export interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/** How something is read. Structures are made of smaller ones, line by line as in the document. */
export type Decoder<T> = (cursor: Cursor) => T;

/** Reads all of the bytes: what is behind the end of a structure is refused. */
export function decode<T>(bytes: Buffer, decoder: Decoder<T>): T {
  const cursor = { bytes, at: 0 };
  const value = decoder(cursor);
  must(left(cursor) === 0, `${left(cursor)} bytes too many`);
  return value;
}

export const left = ({ bytes, at }: Cursor): number => bytes.length - at;
/** All bytes before this place. */
export const before: Decoder<Buffer> = ({ bytes, at }) => bytes.subarray(0, at);

export function take(length: number): Decoder<Buffer> {
  return (cursor) => {
    must(length >= 0 && length <= left(cursor), `${length} bytes wanted, ${left(cursor)} left`);
    cursor.at += length;
    return cursor.bytes.subarray(cursor.at - length, cursor.at);
  };
}

/** Reads something by what was read before it. */
export function after<A, B>(first: Decoder<A>, next: (value: A) => Decoder<B>): Decoder<B> {
  return (cursor) => next(first(cursor))(cursor);
}

export function map<A, B>(decoder: Decoder<A>, change: (value: A) => B): Decoder<B> {
  return (cursor) => change(decoder(cursor));
}

export function checked<T>(decoder: Decoder<T>, holds: (value: T) => boolean, problem: string): Decoder<T> {
  return (cursor) => {
    const value = decoder(cursor);
    must(holds(value), problem);
    return value;
  };
}

type Fields = Readonly<Record<string, Decoder<unknown>>>;
type Struct<F extends Fields> = { readonly [Name in keyof F]: ReturnType<F[Name]> };

/** Fields one behind the other; those without a value are left out. */
export function struct<F extends Fields>(fields: F): Decoder<Struct<F>> {
  return (cursor) => {
    const read = Object.entries(fields).map(([name, decoder]): unknown[] => [name, decoder(cursor)]);
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  };
}

/** So many things of at least one byte each: what is left bounds a count that lies. */
export function list<T>(count: Decoder<number>, item: Decoder<T>): Decoder<readonly T[]> {
  return (cursor) => {
    const length = count(cursor);
    must(length <= left(cursor), `${length} things wanted in ${left(cursor)} bytes`);
    return Array.from({ length }, () => item(cursor));
  };
}

const uint = (length: number): Decoder<number> => map(take(length), (bytes) => bytes.readUIntLE(0, length));
export const [u8, u16, u24, u32] = [uint(1), uint(2), uint(3), uint(4)];
export const u64: Decoder<bigint> = map(take(8), (bytes) => bytes.readBigUInt64LE());
export const i64: Decoder<bigint> = map(take(8), (bytes) => bytes.readBigInt64LE());
export const within = (decoder: Decoder<number>, min: number, max: number): Decoder<number> =>
  checked(decoder, (value) => value >= min && value <= max, `not within ${min} and ${max}`);
/** Milliseconds since 1970. */
export const ms: Decoder<number> = within(map(u64, Number), 0, Number.MAX_SAFE_INTEGER);
/** The name of a number from 1 on. */
export const oneOf = <T>(names: readonly T[]): Decoder<T> =>
  map(u8, (number) => names[number - 1] ?? refuse("unknown kind"));
/** Bytes that are the same everywhere. */
export const constant = (wanted: string): Decoder<void> =>
  map(take(wanted.length), (bytes) => must(bytes.equals(concat(wanted)), "not the bytes that stand here"));
export const reserved = (length: number): Decoder<void> => constant("\0".repeat(length));
/** What this reader does not need. */
export const skip = (length: number): Decoder<void> => map(take(length), () => undefined);

export function varint(max: number = Number.MAX_SAFE_INTEGER): Decoder<number> {
  return (cursor) => {
    let value = 0;
    for (let place = 1; ; place *= 128) {
      const byte = u8(cursor);
      value += (byte & 127) * place;
      must(value <= max, `number above ${max}`);
      must(byte > 0 || place === 1, "varint not in its shortest form");
      if (byte < 128) return value;
    }
  };
}

/** Bytes behind their length. */
export const sized = (length: Decoder<number>): Decoder<Buffer> => after(length, take);
export const blob = (max?: number): Decoder<Buffer> => sized(varint(max));
export const text = (max?: number): Decoder<string> =>
  map(checked(blob(max), isUtf8, "text is not UTF-8"), (bytes) => bytes.toString());

// Section 2: objects

/** Names of the objects of a kind, such as `slots/<sha256>`; what is named otherwise is no object. */
export function listObjects(folder: string, kind: "slots" | "packs" | "copies"): readonly string[] {
  const path = join(folder, kind);
  const names = existsSync(path) ? readdirSync(path, { recursive: true, encoding: "utf8" }) : [];
  const form = kind === "packs" ? /^([0-9a-f]{2})\/\1[0-9a-f]{62}$/u : /^[0-9a-f]{64}$/u;
  const slashed = names.map((name) => name.replaceAll(sep, "/"));
  return slashed.filter((name) => form.test(name)).map((name) => `${kind}/${name}`);
}

const HEAD = struct({
  magic: constant("HFST"),
  kind: oneOf(["config", "slots", "packs", "index", "copies"]),
  version: constant("\x01"),
  reserved: reserved(2),
  repository: take(16),
});

/** Reads an object and checks what can be checked without keys. The decoder begins behind the head. */
export function readObject<T>(folder: string, name: string, decoder: Decoder<T>, repository?: Buffer): T {
  return about(name, () => {
    const path = join(folder, name);
    // The bound of a pack, and this reader's own for the rest.
    must(statSync(path).size <= 2 ** 26, "too long");
    const whole = readFileSync(path);
    const isConfig = name === "config";
    const bytes = isConfig ? whole.subarray(0, -32) : whole;
    const sum = sha256(bytes);
    must(isConfig ? sum.equals(whole.subarray(-32)) : name.endsWith(sum.toString("hex")), "SHA-256 differs");
    return decode(bytes, (cursor) => {
      const head = HEAD(cursor);
      must(head.kind === name.split("/")[0], "another kind of object");
      must(head.repository.equals(repository ?? head.repository), "of another repository");
      return decoder(cursor);
    });
  });
}
