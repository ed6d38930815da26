/**
 * Keys, sealed boxes, X-Wing, slots, config, suites, session envelopes: docs/format.md section 3.
 *
 * @module
 */
import * as crypto from "node:crypto";
import * as d from "./decode.ts";
import { concat, type Cursor, le32, le64, must, refuse, sha256 } from "./decode.ts";

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
export function openGcm(key: Buffer, nonce: Buffer, aad: Buffer, sealed: Buffer): Buffer {
  must(sealed.length >= 16, "shorter than its tag");
  const name = key.length === 16 ? "aes-128-gcm" : key.length === 24 ? "aes-192-gcm" : "aes-256-gcm";
  const decipher = crypto.createDecipheriv(name, key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16));
  const plaintext = decipher.update(sealed.subarray(0, -16));
  d.about("damaged", () => decipher.final());
  return plaintext;
}

// The keys of the table in section 3

export type Keys = ReturnType<typeof openKeys>;

export const publicRoot = (repository: Buffer): Buffer =>
  sha256(concat("holdfast/1/unencrypted", repository));

/** Opens a slot by a passphrase, or by the private seed of a kit. Derives all keys, and checks the config by them. */
export function openKeys(folder: string, secret?: Buffer) {
  const config = d.readObject(folder, "config", readConfig);
  const { repository, suite, publicKey, authenticated, mac } = config;
  const names = d.listObjects(folder, "slots");
  const slots = names.map((name) => d.readObject(folder, name, readSlot, repository));
  must((suite.name !== "none") === slots.length > 0, "slots: contradict the suite in the config");
  let found = slots.length > 0 ? undefined : publicRoot(repository);
  if (secret !== undefined) for (const open of slots) found ??= d.about("slots", () => open(secret));
  const root = found ?? refuse("slots: none opens with this passphrase or seed");
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
export function tryBox(key: Buffer, context: Buffer, box: Buffer): Buffer | undefined {
  must(box.length >= 80, "box too short");
  const derived = hkdf(key, box.subarray(0, 32), concat("holdfast/1/box", le32(context.length), context), 64);
  if (!crypto.timingSafeEqual(derived.subarray(32), box.subarray(32, 64))) return undefined;
  return openGcm(derived.subarray(0, 32), Buffer.alloc(12), context, box.subarray(64));
}

export function openBox(key: Buffer, context: Buffer, box: Buffer): Buffer {
  return tryBox(key, context, box) ?? refuse("sealed with another key");
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
  const [toMlKem, toX25519] = [ciphertext.subarray(0, 1088), ciphertext.subarray(1088)];
  const asymmetricKeyType = "x25519";
  const publicKey = crypto.createPublicKey({ key: toX25519, format: "raw-public", asymmetricKeyType });
  const agreed = crypto.diffieHellman({ privateKey: key.x25519, publicKey });
  return combine(crypto.decapsulate(key.mlKem, toMlKem), agreed, toX25519, key.x25519Public);
}

export function openKemSeal(key: PrivateKey, context: Buffer, sealed: Buffer): Buffer {
  must(sealed.length >= 1120, "shorter than an X-Wing ciphertext");
  return openBox(decapsulateXWing(key, sealed.subarray(0, 1120)), context, sealed.subarray(1120));
}

// Section 3.3: slots

const SLOT = d.struct({ kind: d.oneOf(["passphrase", "recovery"]), reserved: d.reserved(3), created: d.ms });
const PASSPHRASE = d.struct({
  salt: d.take(16),
  memory: d.within(d.u32, 2 ** 13, 2 ** 22),
  passes: d.within(d.u32, 1, 64),
  lanes: d.within(d.u32, 1, 64),
});
const BOXES = d.struct({ front: d.before, rootBox: d.sized(d.u16), labelBox: d.sized(d.u16) });

/** Returns what opens the root secret; undefined is a secret of another slot. */
function readSlot(slot: Cursor): (secret: Buffer) => Buffer | undefined {
  const { kind } = SLOT(slot);
  const argon2id = kind === "passphrase" ? PASSPHRASE(slot) : undefined;
  const kitHash = kind === "recovery" ? d.take(32)(slot) : concat();
  const { front, rootBox } = BOXES(slot);
  return (secret) => {
    if (argon2id !== undefined) return tryBox(stretch(secret, argon2id), front, rootBox);
    const kit = expandSeed(secret);
    const isFor = secret.length === 32 && sha256(kit.publicKey).equals(kitHash);
    return isFor ? openKemSeal(kit, front, rootBox) : undefined;
  };
}

function stretch(passphrase: Buffer, parameters: ReturnType<typeof PASSPHRASE>): Buffer {
  const { salt: nonce, memory, passes, lanes: parallelism } = parameters;
  const text = passphrase.toString("utf8");
  const isText = Buffer.from(text).equals(passphrase);
  const message = isText ? Buffer.from(text.normalize("NFC")) : passphrase;
  return crypto.argon2Sync("argon2id", { message, nonce, memory, passes, parallelism, tagLength: 32 });
}

// Section 3.4: config. When it was created, and the sizes of chunks, are for writers.

const readConfig = d.struct({
  repository: ({ bytes }) => bytes.subarray(8, 24),
  suite: d.map(d.u8, suiteOf),
  kem: d.oneOf(["X-Wing"]),
  reserved: d.reserved(2),
  forWriters: d.skip(8 + 3 * 4),
  publicKey: d.take(1216),
  authenticated: d.before,
  mac: d.take(32),
});

// Section 3.5: suites

const LENGTHS = [16, 24, 32];
const SUITES = [
  { name: "none", keyLength: 0 },
  ...LENGTHS.map((keyLength) => ({ name: `aes-${keyLength * 8}-gcm`, keyLength })),
  ...LENGTHS.map((keyLength) => ({ name: `aes-${keyLength * 8}-cbc-hmac-sha-256`, keyLength })),
];
export type Suite = (typeof SUITES)[number];

export function suiteOf(code: number): Suite {
  return SUITES[code] ?? refuse(`unknown suite ${code}`);
}

type FramePlace = Readonly<{ counter: bigint; frame: number; aad: Buffer }>;

/** Opens one frame of a record; its plaintext may still be compressed. */
export function openFrame(
  { name, keyLength }: Suite,
  sessionKey: Buffer,
  repository: Buffer,
  { counter, frame, aad }: FramePlace,
  sealed: Buffer,
): Buffer {
  const keys = hkdf(sessionKey, repository, `holdfast/1/frames/${name}`, keyLength + 32);
  const [aesKey, macKey] = [keys.subarray(0, keyLength), keys.subarray(keyLength)];
  const number = concat(le64(counter), le32(frame));
  if (name.endsWith("-gcm")) return openGcm(aesKey, number, aad, sealed);
  const isPlain = name === "none";
  const tagLength = isPlain ? 16 : 32;
  must(sealed.length >= tagLength + (isPlain ? 0 : 32), "frame too short");
  const [body, tag] = [sealed.subarray(0, -tagLength), sealed.subarray(-tagLength)];
  const length = isPlain ? concat() : le64(BigInt(body.length - 16));
  const expected = hmac(macKey, le32(aad.length), aad, number, body, length).subarray(0, tagLength);
  must(crypto.timingSafeEqual(expected, tag), "damaged, the tag differs");
  if (isPlain) return body;
  const decipher = crypto.createDecipheriv(`aes-${keyLength * 8}-cbc`, aesKey, body.subarray(0, 16));
  return d.about("cipher", () => concat(decipher.update(body.subarray(16)), decipher.final()));
}

// Section 3.6: session envelope

const ENVELOPE = d.struct({ session: d.take(16), sealed: d.take(1232) });

/** Returns the session key D. */
export function openEnvelope(keys: Keys, envelope: Buffer): Buffer {
  const { session, sealed } = d.decode(envelope, ENVELOPE);
  return openKemSeal(keys.privateKey, concat("holdfast/1/session", keys.repository, session), sealed);
}
