/**
 * Keys, sealed boxes, slots, config, suites and session envelopes: docs/format.md section 3.
 *
 * @module
 */
import { argon2Sync, createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { checkChecksum, Cursor, FormatError, KINDS, readHead, sha256, utf8 } from "./object.ts";
import { CIPHERTEXT_LENGTH, decapsulateXWing, expandSeed, type PrivateKey } from "./x-wing.ts";

export const ENVELOPE_LENGTH = 1248;
const BOX_OVERHEAD = 80;
const LABEL_LENGTH_MAX = 200;

export const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
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
export function hmac(key: Buffer, ...parts: readonly Buffer[]): Buffer {
  return createHmac("sha256", key).update(Buffer.concat(parts)).digest();
}
/** HKDF-SHA-256 (RFC 5869). Written out, for Node.js allows `info` only 1024 bytes and the context of a copy has more. */
export function hkdf(key: Buffer, salt: Buffer, info: Buffer | string, length: number): Buffer {
  const extracted = hmac(salt, key);
  const expanded: Buffer[] = [];
  for (let round = 1; (round - 1) * 32 < length; round += 1) {
    const before = expanded.at(-1) ?? Buffer.alloc(0);
    expanded.push(
      hmac(extracted, before, typeof info === "string" ? ascii(info) : info, Buffer.from([round])),
    );
  }
  return Buffer.concat(expanded).subarray(0, length);
}

/** AES-GCM with a tag of 16 bytes behind the ciphertext; the AES key's length decides which AES. */
export function openGcm(key: Buffer, nonce: Buffer, aad: Buffer, sealed: Buffer, subject: string): Buffer {
  if (sealed.length < 16) throw new FormatError(subject, "shorter than its tag");
  const name = key.length === 16 ? "aes-128-gcm" : key.length === 24 ? "aes-192-gcm" : "aes-256-gcm";
  const decipher = createDecipheriv(name, key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16));
  const plaintext = decipher.update(sealed.subarray(0, -16));
  try {
    return Buffer.concat([plaintext, decipher.final()]);
  } catch {
    throw new FormatError(subject, "damaged: the tag differs");
  }
}

/** Opens a sealed box (section 3.1). Undefined means *wrong key*; a damaged box is an error. */
export function tryBox(key: Buffer, context: Buffer, box: Buffer, subject: string): Buffer | undefined {
  if (box.length < BOX_OVERHEAD) throw new FormatError(subject, "box too short");
  const info = Buffer.concat([ascii("holdfast/1/box"), u32(context.length), context]);
  const derived = hkdf(key, box.subarray(0, 32), info, 64);
  if (!timingSafeEqual(derived.subarray(32), box.subarray(32, 64))) return undefined;
  return openGcm(derived.subarray(0, 32), Buffer.alloc(12), context, box.subarray(64), subject);
}

export function openBox(key: Buffer, context: Buffer, box: Buffer, subject: string): Buffer {
  const plaintext = tryBox(key, context, box, subject);
  if (plaintext === undefined) throw new FormatError(subject, "sealed with another key");
  return plaintext;
}

/** Opens what was sealed to a public key (section 3.2). */
export function openKemSeal(key: PrivateKey, context: Buffer, sealed: Buffer, subject: string): Buffer {
  const secret = decapsulateXWing(key, sealed.subarray(0, CIPHERTEXT_LENGTH));
  return openBox(secret, context, sealed.subarray(CIPHERTEXT_LENGTH), subject);
}

// Config (section 3.4)

export interface Config {
  readonly repository: Buffer;
  readonly suite: Suite;
  readonly createdMs: number;
  readonly chunkSizes: readonly [min: number, average: number, max: number];
  readonly publicKey: Buffer;
  readonly authenticated: Buffer;
  readonly mac: Buffer;
}

export function readConfig(bytes: Buffer): Config {
  const before = checkChecksum(bytes, "config");
  const cursor = new Cursor(before, "config");
  const repository = readHead(cursor, KINDS.config);
  const suite = suiteOf(cursor.u8(), "config");
  if (cursor.u8() !== 1) cursor.refuse("unknown KEM");
  cursor.zero(2);
  const createdMs = cursor.u64Number();
  const chunkSizes = [cursor.u32(), cursor.u32(), cursor.u32()] as const;
  const publicKey = cursor.take(1216);
  const authenticated = before.subarray(0, cursor.at);
  const mac = cursor.take(32);
  cursor.end();
  return { repository, suite, createdMs, chunkSizes, publicKey, authenticated, mac };
}

// The root secret and what is derived from it (section 3)

export interface Keys {
  readonly repository: Buffer;
  readonly id: Buffer;
  readonly table: Buffer;
  readonly privateKey: PrivateKey;
  readonly encrypted: boolean;
}

/** Derives all keys and checks the config with them: its MAC, and that its public key is the one grown from the root secret. */
export function deriveKeys(root: Buffer, config: Config): Keys {
  const { repository } = config;
  const derive = (name: string): Buffer => hkdf(root, repository, `holdfast/1/${name}`, 32);
  const table = derive("table");
  const configKey = hkdf(table, repository, "holdfast/1/config", 32);
  if (!timingSafeEqual(hmac(configKey, config.authenticated), config.mac)) {
    throw new FormatError("config", "the MAC differs");
  }
  const privateKey = expandSeed(derive("kem"));
  if (!privateKey.publicKey.equals(config.publicKey))
    throw new FormatError("config", "the public key differs");
  return { repository, id: derive("id"), table, privateKey, encrypted: config.suite.name !== "none" };
}

export function publicRoot(repository: Buffer): Buffer {
  return sha256(Buffer.concat([ascii("holdfast/1/unencrypted"), repository]));
}

// Slots (section 3.3)

export interface Slot {
  readonly subject: string;
  readonly front: Buffer;
  readonly opener:
    | { readonly kind: "passphrase"; readonly derive: (passphrase: Buffer) => Buffer }
    | { readonly kind: "recovery"; readonly publicKeyHash: Buffer };
  readonly rootBox: Buffer;
  readonly labelBox: Buffer;
}

function readPassphraseOpener(cursor: Cursor): Slot["opener"] {
  const [nonce, memory, passes, parallelism] = [cursor.take(16), cursor.u32(), cursor.u32(), cursor.u32()];
  const fits = (value: number, min: number, max: number): boolean => value >= min && value <= max;
  if (!fits(memory, 8 * 1024, 4 * 1024 * 1024) || !fits(passes, 1, 64) || !fits(parallelism, 1, 64)) {
    cursor.refuse("Argon2id parameters out of bounds");
  }
  const derive = (message: Buffer): Buffer =>
    argon2Sync("argon2id", { message, nonce, memory, passes, parallelism, tagLength: 32 });
  return { kind: "passphrase", derive };
}

export function readSlot(bytes: Buffer, subject: string, repository: Buffer): Slot {
  const cursor = new Cursor(bytes, subject);
  readHead(cursor, KINDS.slots, repository);
  const kind = cursor.u8();
  cursor.zero(3);
  cursor.u64Number();
  if (kind !== 1 && kind !== 2) cursor.refuse("unknown kind of slot");
  const opener: Slot["opener"] =
    kind === 1 ? readPassphraseOpener(cursor) : { kind: "recovery", publicKeyHash: cursor.take(32) };
  const front = bytes.subarray(0, cursor.at);
  const rootBox = cursor.take(cursor.u16());
  const labelBox = cursor.take(cursor.u16());
  cursor.end();
  return { subject, front, opener, rootBox, labelBox };
}

function normalisePassphrase(bytes: Buffer): Buffer {
  try {
    return Buffer.from(utf8(bytes, "passphrase").normalize("NFC"), "utf8");
  } catch {
    return bytes;
  }
}

/**
 * Tries a secret on a slot: on a passphrase slot as a passphrase, on a recovery slot as the seed of the kit's X-Wing
 * key pair. Returns undefined if the slot is not for this secret.
 */
export function openSlot(slot: Slot, secret: Buffer): Buffer | undefined {
  const { opener, front, rootBox, subject } = slot;
  let root: Buffer | undefined;
  if (opener.kind === "passphrase") {
    root = tryBox(opener.derive(normalisePassphrase(secret)), front, rootBox, subject);
  } else if (secret.length === 32) {
    const kit = expandSeed(secret);
    if (!sha256(kit.publicKey).equals(opener.publicKeyHash)) return undefined;
    root = openKemSeal(kit, front, rootBox, subject);
  }
  if (root !== undefined && root.length !== 32)
    throw new FormatError(subject, "the root secret has a wrong length");
  return root;
}

export function readLabel(slot: Slot, tableKey: Buffer): string {
  const context = Buffer.concat([ascii("holdfast/1/label"), slot.front]);
  const label = openBox(tableKey, context, slot.labelBox, slot.subject);
  if (label.length > LABEL_LENGTH_MAX) throw new FormatError(slot.subject, "label too long");
  return utf8(label, slot.subject);
}

// Suites (section 3.5) and session envelopes (section 3.6)

export interface Suite {
  readonly name: string;
  readonly keyLength: number;
}

export function suiteOf(number: number, subject: string): Suite {
  if (number === 0) return { name: "none", keyLength: 0 };
  const keyLength = [16, 24, 32][(number - 1) % 3];
  if (number > 6 || keyLength === undefined) throw new FormatError(subject, `unknown suite ${number}`);
  return { name: `aes-${keyLength * 8}-${number <= 3 ? "gcm" : "cbc-hmac-sha-256"}`, keyLength };
}

/** Opens a session envelope; returns the session key D. */
export function openEnvelope(keys: Keys, envelope: Buffer, subject: string): Buffer {
  const session = envelope.subarray(0, 16);
  const context = Buffer.concat([ascii("holdfast/1/session"), keys.repository, session]);
  const sessionKey = openKemSeal(keys.privateKey, context, envelope.subarray(16), subject);
  if (sessionKey.length !== 32) throw new FormatError(subject, "the session key has a wrong length");
  return sessionKey;
}

export interface FramePlace {
  readonly counter: bigint;
  readonly frame: number;
  readonly aad: Buffer;
}

/** Opens one frame of a record; returns its plaintext, which may still be compressed. */
export function openFrame(
  suite: Suite,
  sessionKey: Buffer,
  repository: Buffer,
  { counter, frame, aad }: FramePlace,
  sealed: Buffer,
  subject: string,
): Buffer {
  const derived = hkdf(sessionKey, repository, `holdfast/1/frames/${suite.name}`, suite.keyLength + 32);
  const [aesKey, macKey] = [derived.subarray(0, suite.keyLength), derived.subarray(suite.keyLength)];
  const number = Buffer.concat([u64(counter), u32(frame)]);
  if (suite.name.endsWith("-gcm")) return openGcm(aesKey, number, aad, sealed, subject);
  const tagLength = suite.name === "none" ? 16 : 32;
  if (sealed.length < tagLength) throw new FormatError(subject, "shorter than its tag");
  const body = sealed.subarray(0, -tagLength);
  const authenticated = [u32(aad.length), aad, number, body];
  if (suite.name !== "none") authenticated.push(u64(BigInt(Math.max(0, body.length - 16))));
  if (!timingSafeEqual(hmac(macKey, ...authenticated).subarray(0, tagLength), sealed.subarray(-tagLength))) {
    throw new FormatError(subject, "damaged: the tag differs");
  }
  if (suite.name === "none") return body;
  if (body.length < 32 || body.length % 16 !== 0) throw new FormatError(subject, "no whole cipher blocks");
  const cipher = `aes-${suite.keyLength * 8}-cbc`;
  const decipher = createDecipheriv(cipher, aesKey, body.subarray(0, 16));
  return Buffer.concat([decipher.update(body.subarray(16)), decipher.final()]);
}
