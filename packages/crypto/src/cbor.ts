/**
 * The part of CBOR (RFC 8949) that WebAuthn uses: integers, byte and text strings, arrays, maps, booleans and null, all of
 * definite length. Everything else is refused, also what a canonical encoder would not write.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";

export type Cbor =
  | number
  | string
  | boolean
  | null
  | Buffer
  | readonly Cbor[]
  | ReadonlyMap<number | string, Cbor>;

const DEPTH_MAX = 8;
const ITEMS_MAX = 1000;

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/**
 * Decodes the item that the bytes begin with.
 *
 * @returns the item and how many bytes it has.
 * @throws AppError `ERR_INPUT`.
 */
export function decodeCbor(bytes: Uint8Array): { readonly value: Cbor; readonly length: number } {
  const cursor: Cursor = {
    bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    at: 0,
  };
  return { value: decodeItem(cursor, 0), length: cursor.at };
}

function decodeItem(cursor: Cursor, depth: number): Cbor {
  if (depth > DEPTH_MAX) throw invalid("is too deep");
  const head = take(cursor, 1).readUInt8();
  const major = head >> 5;
  const argument = readArgument(cursor, head & 31);
  switch (major) {
    case 0:
      return argument;
    case 1:
      return -1 - argument;
    case 2:
      return Buffer.from(take(cursor, argument));
    case 3:
      return readText(take(cursor, argument));
    case 4:
      return Array.from({ length: bounded(argument) }, () => decodeItem(cursor, depth + 1));
    case 5:
      return readMap(cursor, argument, depth);
    case 7:
      return readSimple(head & 31);
    default:
      throw invalid("has a tag");
  }
}

function readArgument(cursor: Cursor, information: number): number {
  if (information < 24) return information;
  if (information === 24) return atLeast(take(cursor, 1).readUInt8(), 24);
  if (information === 25) return atLeast(take(cursor, 2).readUInt16BE(), 0x100);
  if (information === 26) return atLeast(take(cursor, 4).readUInt32BE(), 0x1_0000);
  throw invalid("has a length of 64 bits, or none");
}

/** Section 4.2.1: the shortest form only. */
function atLeast(value: number, min: number): number {
  if (value < min) throw invalid("is not in its shortest form");
  return value;
}

function readText(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid("has text that is not UTF-8");
  }
}

function readMap(cursor: Cursor, count: number, depth: number): Cbor {
  const map = new Map<number | string, Cbor>();
  for (let index = 0; index < bounded(count); index += 1) {
    const key = decodeItem(cursor, depth + 1);
    if (typeof key !== "number" && typeof key !== "string") throw invalid("has a key of another type");
    if (map.has(key)) throw invalid("has a key twice");
    map.set(key, decodeItem(cursor, depth + 1));
  }
  return map;
}

function readSimple(value: number): boolean | null {
  if (value === 20 || value === 21) return value === 21;
  if (value === 22) return null;
  throw invalid("has a number or value that is not used here");
}

function bounded(count: number): number {
  if (count > ITEMS_MAX) throw invalid("has too many items");
  return count;
}

function take(cursor: Cursor, length: number): Buffer {
  const end = cursor.at + length;
  if (end > cursor.bytes.length) throw invalid("is cut off");
  const part = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return part;
}

function invalid(reason: string): AppError {
  return new AppError("ERR_INPUT", `What the authenticator sent ${reason}.`, {
    remedy: "Try again, or use another authenticator.",
  });
}
