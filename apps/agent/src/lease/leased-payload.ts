/**
 * What a lease holds, read without making strings of its keys: those cannot be overwritten.
 *
 * The payload is JSON. The keys are taken out of its bytes first, decoded into memory that threads share and that is wiped
 * at the end of the run; the rest is parsed as usual.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { leasePayload } from "@holdfast/protocol";
import type { KeySet } from "@holdfast/repository";
import { decodeStorageCredentials, type StorageCredentials } from "@holdfast/storage";

export interface LeasedPayload {
  /** In shared memory; the holder wipes them. Absent when the task needs none. */
  readonly keys: KeySet | undefined;
  /** By id of the storage. Strings, since the drivers' libraries want them so. */
  readonly credentials: ReadonlyMap<string, StorageCredentials>;
}

const SECRET_NAMES = ["tableKey", "idKey", "chunkerKey", "privateSeed"] as const;
type SecretName = (typeof SECRET_NAMES)[number];
const KEY_BYTES = 32;
const PUBLIC_KEY_BYTES = 1216;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN: ReadonlySet<number> = new Set([0x7b, 0x5b]);
const CLOSE: ReadonlySet<number> = new Set([0x7d, 0x5d]);
const COMMA = 0x2c;

/**
 * @param bytes overwritten.
 * @throws AppError `ERR_PROTOCOL`, which repeats nothing of them.
 */
export function readLeasedPayload(bytes: Buffer): LeasedPayload {
  const keys = new Map<SecretName, Buffer>();
  let rest: Buffer | undefined;
  try {
    rest = takeKeys(bytes, keys);
    const parsed = leasePayload.safeParse(JSON.parse(rest.toString("utf8")));
    if (!parsed.success) throw new Error("the payload does not keep its schema");
    const { storages, repository } = parsed.data;
    const credentials = new Map(
      Object.entries(storages).map(([id, texts]) => [
        id,
        decodeStorageCredentials(JSON.stringify(texts), id),
      ]),
    );
    return { keys: keySetOf(repository, keys), credentials };
  } catch {
    for (const key of keys.values()) key.fill(0);
    // No cause: parsers quote what they read.
    throw new AppError("ERR_PROTOCOL", "The lease holds something that this agent cannot use.", {
      remedy: "Use an agent and a service of the same version.",
    });
  } finally {
    rest?.fill(0);
    bytes.fill(0);
  }
}

function keySetOf(
  leased: { readonly repository: string; readonly publicKey?: string | undefined } | undefined,
  keys: ReadonlyMap<SecretName, Buffer>,
): KeySet | undefined {
  if (leased === undefined) return undefined;
  const tableKey = keys.get("tableKey");
  if (tableKey === undefined) throw new Error("there is no table key");
  const publicKey = leased.publicKey === undefined ? undefined : Buffer.from(leased.publicKey, "base64");
  if (publicKey !== undefined && publicKey.length !== PUBLIC_KEY_BYTES)
    throw new Error("a public key is too short");
  const [idKey, chunkerKey, privateSeed] = [
    keys.get("idKey"),
    keys.get("chunkerKey"),
    keys.get("privateSeed"),
  ];
  return {
    repository: Buffer.from(leased.repository, "hex"),
    tableKey,
    ...(idKey === undefined ? {} : { idKey }),
    ...(chunkerKey === undefined ? {} : { chunkerKey }),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(privateSeed === undefined ? {} : { privateSeed }),
  };
}

/**
 * Moves `repository.KEY` of each secret name into `keys`.
 *
 * @returns the JSON with empty texts in their places.
 */
function takeKeys(bytes: Buffer, keys: Map<SecretName, Buffer>): Buffer {
  const rest = Buffer.from(new ArrayBuffer(bytes.length));
  let length = 0;
  /** Names of the objects around, outermost first; the outermost one has none. */
  const path: string[] = [];
  let name = "";
  let token = "";
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte !== QUOTE) {
      if (byte === COLON) name = token;
      if (byte === COMMA) name = "";
      if (OPEN.has(byte)) path.push(name);
      if (CLOSE.has(byte)) path.pop();
      rest[length] = byte;
      length += 1;
      continue;
    }
    const end = endOfText(bytes, at + 1);
    const content = bytes.subarray(at + 1, end);
    const secret = path.length === 2 && path[1] === "repository" ? secretName(name) : undefined;
    if (secret === undefined) {
      // Values outside of the repository are read again below, by the parser: only names matter here.
      token = content.length <= 16 ? content.toString("latin1") : "";
      length += bytes.copy(rest, length, at, end + 1);
    } else {
      if (keys.has(secret)) throw new Error("a key comes twice");
      keys.set(secret, decodeKey(content));
      length += rest.write('""', length, "latin1");
    }
    at = end;
  }
  return rest.subarray(0, length);
}

function secretName(name: string): SecretName | undefined {
  return SECRET_NAMES.find((secret) => secret === name);
}

function endOfText(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at += 1) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at;
  }
  throw new Error("a text does not end");
}

const BASE64_LENGTH = 44;
const PADDING = 0x3d;
const DIGITS = digitTable();

function digitTable(): Uint8Array {
  const table = new Uint8Array(256).fill(0xff);
  const alphabet = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "latin1");
  for (const [digit, byte] of alphabet.entries()) table[byte] = digit;
  return table;
}

/** RFC 4648, section 4, of exactly 32 bytes, into memory that threads share. */
function decodeKey(text: Buffer): Buffer {
  if (text.length !== BASE64_LENGTH || text[BASE64_LENGTH - 1] !== PADDING)
    throw new Error("a key is no base 64");
  const key = Buffer.from(new SharedArrayBuffer(KEY_BYTES));
  let bits = 0;
  let bitCount = 0;
  let length = 0;
  for (const byte of text.subarray(0, BASE64_LENGTH - 1)) {
    const digit = DIGITS[byte] ?? 0xff;
    if (digit === 0xff) throw new Error("a key is no base 64");
    bits = ((bits << 6) | digit) & 0xffff;
    bitCount += 6;
    if (bitCount < 8) continue;
    bitCount -= 8;
    key[length] = (bits >> bitCount) & 0xff;
    length += 1;
  }
  return key;
}
