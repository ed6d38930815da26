/**
 * Keys, sealed boxes, X-Wing, slots, config, suites, session envelopes: docs/format.md section 3.
 *
 * @module
 */
import * as crypto from "node:crypto";
import { concat, Cursor, must, refuse, sha256, u32, u64 } from "./bytes.ts";

export function hmac(key: Buffer, ...parts: readonly (Buffer | string)[]): Buffer {
  return crypto
    .createHmac("sha256", key)
    .update(concat(...parts))
    .digest();
}

/** RFC 5869. Written out, for Node.js allows `info` only 1024 bytes, and contexts can be longer (section 3.1). */
export function hkdf(key: Buffer, salt: Buffer, info: Buffer | string, length: number): Buffer {
  const extracted = hmac(salt, key);
  let [block, all] = [concat(), concat()];
  for (let round = 1; all.length < length; round += 1) {
    block = hmac(extracted, block, info, Buffer.from([round]));
    all = concat(all, block);
  }
  return all.subarray(0, length);
}

/** AES-GCM with its tag of 16 bytes at the end. */
export function openGcm(key: Buffer, nonce: Buffer, aad: Buffer, sealed: Buffer, subject: string): Buffer {
  must(sealed.length >= 16, `${subject}: shorter than its tag`);
  const name = key.length === 16 ? "aes-128-gcm" : key.length === 24 ? "aes-192-gcm" : "aes-256-gcm";
  const decipher = crypto.createDecipheriv(name, key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16));
  const plaintext = decipher.update(sealed.subarray(0, -16));
  try {
    decipher.final();
  } catch {
    refuse(`${subject}: damaged, the tag differs`);
  }
  return plaintext;
}

// The keys of the table in section 3

export type Keys = ReturnType<typeof deriveKeys>;

export const publicRoot = (repository: Buffer): Buffer =>
  sha256(concat("holdfast/1/unencrypted", repository));

/** Derives all keys and checks the config with them. */
export function deriveKeys(root: Buffer, config: ReturnType<typeof readConfig>) {
  const { repository, suite, publicKey, authenticated, mac } = config;
  const derive = (name: string): Buffer => hkdf(root, repository, `holdfast/1/${name}`, 32);
  const table = derive("table");
  const configKey = hkdf(table, repository, "holdfast/1/config", 32);
  must(crypto.timingSafeEqual(hmac(configKey, authenticated), mac), "config: the MAC differs");
  const privateKey = expandSeed(derive("kem"));
  must(privateKey.publicKey.equals(publicKey), "config: the public key differs");
  return { repository, id: derive("id"), table, privateKey, encrypted: suite.name !== "none" };
}

// Section 3.1: sealed box

/** Undefined means *wrong key*; a damaged box is an error. */
export function tryBox(key: Buffer, context: Buffer, box: Buffer, subject: string): Cursor | undefined {
  must(box.length >= 80, `${subject}: box too short`);
  const info = concat("holdfast/1/box", u32(context.length), context);
  const derived = hkdf(key, box.subarray(0, 32), info, 64);
  if (!crypto.timingSafeEqual(derived.subarray(32), box.subarray(32, 64))) return undefined;
  const plaintext = openGcm(derived.subarray(0, 32), Buffer.alloc(12), context, box.subarray(64), subject);
  return new Cursor(plaintext, `${subject}, box`);
}

export function openBox(key: Buffer, context: Buffer, box: Buffer, subject: string): Cursor {
  return tryBox(key, context, box, subject) ?? refuse(`${subject}: sealed with another key`);
}

// Section 3.2: X-Wing (draft-connolly-cfrg-xwing-kem, from version 06 on) and sealing to a public key

type PrivateKey = ReturnType<typeof expandSeed>;

export function expandSeed(seed: Buffer) {
  const expanded = crypto.createHash("shake256", { outputLength: 96 }).update(seed).digest();
  const [ml, x] = [expanded.subarray(0, 64), expanded.subarray(64)];
  const mlKem = crypto.createPrivateKey({ key: ml, format: "raw-seed", asymmetricKeyType: "ml-kem-768" });
  const x25519 = crypto.createPrivateKey({ key: x, format: "raw-private", asymmetricKeyType: "x25519" });
  const x25519Public = crypto.createPublicKey(x25519).export({ format: "raw-public" });
  const mlKemPublic = crypto.createPublicKey(mlKem).export({ format: "raw-public" });
  return { mlKem, x25519, x25519Public, publicKey: concat(mlKemPublic, x25519Public) };
}

export function combine(mlKem: Buffer, x25519: Buffer, ciphertext: Buffer, publicKey: Buffer): Buffer {
  return crypto.hash("sha3-256", concat(mlKem, x25519, ciphertext, publicKey, "\\.//^\\"), "buffer");
}

export function decapsulateXWing(key: PrivateKey, ciphertext: Buffer): Buffer {
  const toX25519 = ciphertext.subarray(1088);
  const asymmetricKeyType = "x25519";
  const publicKey = crypto.createPublicKey({ key: toX25519, format: "raw-public", asymmetricKeyType });
  const fromX25519 = crypto.diffieHellman({ privateKey: key.x25519, publicKey });
  const fromMlKem = crypto.decapsulate(key.mlKem, ciphertext.subarray(0, 1088));
  return combine(fromMlKem, fromX25519, toX25519, key.x25519Public);
}

export function openKemSeal(key: PrivateKey, context: Buffer, sealed: Buffer, subject: string): Cursor {
  must(sealed.length >= 1120, `${subject}: shorter than an X-Wing ciphertext`);
  const secret = decapsulateXWing(key, sealed.subarray(0, 1120));
  return openBox(secret, context, sealed.subarray(1120), subject);
}

/** The 32 bytes of a key, and nothing behind them. */
function wholeKey(opened: Cursor): Buffer {
  const key = opened.take(32);
  opened.end();
  return key;
}

// Section 3.3: slots

export function readSlot(slot: Cursor) {
  const kind = slot.u8();
  slot.zero(3);
  slot.u64Number();
  slot.must(kind === 1 || kind === 2, "unknown kind of slot");
  const keyOf = kind === 1 ? readArgon2id(slot) : undefined;
  const kitHash = kind === 2 ? slot.take(32) : undefined;
  const [front, { subject }] = [slot.front(), slot];
  const [rootBox, labelBox] = [slot.take(slot.u16()), slot.take(slot.u16())];
  slot.end();
  /** Tries a passphrase, or the private seed of a recovery kit; undefined if the slot is not for it. */
  const open = (secret: Buffer): Buffer | undefined => {
    if (keyOf !== undefined) {
      const opened = tryBox(keyOf(secret), front, rootBox, subject);
      return opened && wholeKey(opened);
    }
    const kit = expandSeed(secret);
    const isFor = secret.length === 32 && sha256(kit.publicKey).equals(kitHash ?? concat());
    return isFor ? wholeKey(openKemSeal(kit, front, rootBox, subject)) : undefined;
  };
  const checkLabel = (tableKey: Buffer): void => {
    const label = openBox(tableKey, concat("holdfast/1/label", front), labelBox, subject);
    label.must(label.left() <= 200, "label too long");
    label.utf8(label.rest());
  };
  return { open, checkLabel };
}

function readArgon2id(slot: Cursor): (passphrase: Buffer) => Buffer {
  const [nonce, memory, passes, parallelism] = [slot.take(16), slot.u32(), slot.u32(), slot.u32()];
  slot.must(memory >= 2 ** 13 && memory <= 2 ** 22, "Argon2id memory out of bounds");
  slot.must(passes >= 1 && passes <= 64 && parallelism >= 1 && parallelism <= 64, "passes or lanes");
  return (passphrase) => {
    const text = passphrase.toString("utf8");
    const isText = Buffer.from(text).equals(passphrase);
    const message = isText ? Buffer.from(text.normalize("NFC")) : passphrase;
    return crypto.argon2Sync("argon2id", { message, nonce, memory, passes, parallelism, tagLength: 32 });
  };
}

// Section 3.4: config

export function readConfig(config: Cursor) {
  const suite = suiteOf(config.u8(), config.subject);
  config.must(config.u8() === 1, "unknown KEM");
  config.zero(2);
  // When it was created, and the sizes of chunks: a reader needs neither.
  config.take(8 + 3 * 4);
  const publicKey = config.take(1216);
  const [authenticated, mac] = [config.front(), config.take(32)];
  config.end();
  return { repository: config.bytes.subarray(8, 24), suite, publicKey, authenticated, mac };
}

// Section 3.5: suites

const LENGTHS = [16, 24, 32];
const SUITES = [
  { name: "none", keyLength: 0 },
  ...LENGTHS.map((keyLength) => ({ name: `aes-${keyLength * 8}-gcm`, keyLength })),
  ...LENGTHS.map((keyLength) => ({ name: `aes-${keyLength * 8}-cbc-hmac-sha-256`, keyLength })),
];
export type Suite = (typeof SUITES)[number];

export function suiteOf(number: number, subject: string): Suite {
  return SUITES[number] ?? refuse(`${subject}: unknown suite ${number}`);
}

/** Opens one frame of a record; its plaintext may still be compressed. */
export function openFrame(
  { name, keyLength }: Suite,
  sessionKey: Buffer,
  repository: Buffer,
  { counter, frame, aad }: { readonly counter: bigint; readonly frame: number; readonly aad: Buffer },
  sealed: Buffer,
  subject: string,
): Buffer {
  const keys = hkdf(sessionKey, repository, `holdfast/1/frames/${name}`, keyLength + 32);
  const [aesKey, macKey] = [keys.subarray(0, keyLength), keys.subarray(keyLength)];
  const number = concat(u64(counter), u32(frame));
  if (name.endsWith("-gcm")) return openGcm(aesKey, number, aad, sealed, subject);
  const isPlain = name === "none";
  const tagLength = isPlain ? 16 : 32;
  must(sealed.length >= tagLength + (isPlain ? 0 : 32), `${subject}: too short`);
  const [body, tag] = [sealed.subarray(0, -tagLength), sealed.subarray(-tagLength)];
  const length = isPlain ? concat() : u64(BigInt(body.length - 16));
  const expected = hmac(macKey, u32(aad.length), aad, number, body, length).subarray(0, tagLength);
  must(crypto.timingSafeEqual(expected, tag), `${subject}: damaged, the tag differs`);
  if (isPlain) return body;
  must(body.length % 16 === 0, `${subject}: no whole cipher blocks`);
  const decipher = crypto.createDecipheriv(`aes-${keyLength * 8}-cbc`, aesKey, body.subarray(0, 16));
  return concat(decipher.update(body.subarray(16)), decipher.final());
}

// Section 3.6: session envelope

/** Returns the session key D. */
export function openEnvelope(keys: Keys, envelope: Buffer, subject: string): Buffer {
  const context = concat("holdfast/1/session", keys.repository, envelope.subarray(0, 16));
  return wholeKey(openKemSeal(keys.privateKey, context, envelope.subarray(16), subject));
}
