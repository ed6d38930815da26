/**
 * A committing box for small secrets and structures.
 *
 * Layout: salt (32 random bytes), commitment (32), AES-256-GCM ciphertext, tag (16). HKDF-SHA-256 of the key, with
 * the salt and with the info `holdfast/1/box`, u32 (little-endian) length of the context, context, gives the box key
 * (32) and the commitment (32). The nonce is twelve zero bytes, since a box key seals one box; the associated data
 * are the context.
 *
 * AES-GCM alone opens under several keys; the commitment makes a box open under one key and one context only.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, type DecipherGCM, timingSafeEqual } from "node:crypto";
import { AppError, damaged, type Randomness, systemRandomness } from "@holdfast/kernel";
import { deriveKey } from "./hkdf.ts";
import { secretBuffer } from "./secret.ts";

const KEY_BYTES = 32;
const SALT_BYTES = 32;
const COMMITMENT_BYTES = 32;
const HEADER_BYTES = SALT_BYTES + COMMITMENT_BYTES;
const TAG_BYTES = 16;
const NONCE = Buffer.alloc(12);
const LABEL = Buffer.from("holdfast/1/box", "ascii");

/** Bytes that a box adds to its plaintext. */
export const BOX_OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES;

/**
 * @param key 32 bytes.
 * @param context says what the box is and where it belongs; authenticated, not stored.
 */
export function sealBox(
  key: Uint8Array,
  context: Uint8Array,
  plaintext: Uint8Array,
  randomness: Randomness = systemRandomness,
): Buffer {
  const salt = randomness(Buffer.alloc(SALT_BYTES));
  const derived = deriveBox(key, salt, context);
  const cipher = createCipheriv("aes-256-gcm", derived.subarray(0, KEY_BYTES), NONCE, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(context);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  const commitment = derived.subarray(KEY_BYTES);
  const sealed = Buffer.concat([salt, commitment, ciphertext, cipher.getAuthTag()]);
  derived.fill(0);
  return sealed;
}

/**
 * Opens what {@link sealBox} made. For what is not secret in itself; {@link openSecretBox} is for keys.
 *
 * @param what names the box in errors.
 * @throws AppError `ERR_KEY_WRONG` when the box was not sealed with this key and context, or its first 64 bytes were
 * changed (the two look the same); `ERR_DAMAGED` when its ciphertext was changed or it is too short.
 */
export function openBox(key: Uint8Array, context: Uint8Array, sealed: Uint8Array, what: string): Buffer {
  return open(key, context, sealed, what, (decipher, ciphertext) => decipher.update(ciphertext));
}

/**
 * As {@link openBox}, for keys and other secrets: what the caller gets is the only copy in memory, and can be overwritten.
 *
 * @throws AppError as {@link openBox} does.
 */
export function openSecretBox(
  key: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
  what: string,
): Buffer {
  return open(key, context, sealed, what, updateSecret);
}

/**
 * Node decrypts into memory that is a block too long, copies the result and frees the first without overwriting it. Of a
 * piece this short nothing is left there: the allocator keeps two pointers of its own in what is free (glibc, malloc_chunk).
 */
const SECRET_PIECE_BYTES = 16;

function updateSecret(decipher: DecipherGCM, ciphertext: Uint8Array): Buffer {
  const secret = secretBuffer(ciphertext.length);
  for (let at = 0; at < ciphertext.length; at += SECRET_PIECE_BYTES) {
    const piece = decipher.update(ciphertext.subarray(at, at + SECRET_PIECE_BYTES));
    secret.set(piece, at);
    piece.fill(0);
  }
  return secret;
}

function open(
  key: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
  what: string,
  update: (decipher: DecipherGCM, ciphertext: Uint8Array) => Buffer,
): Buffer {
  if (sealed.length < BOX_OVERHEAD_BYTES) throw damaged(what, "it is too short");
  const derived = deriveBox(key, sealed.subarray(0, SALT_BYTES), context);
  try {
    if (!timingSafeEqual(derived.subarray(KEY_BYTES), sealed.subarray(SALT_BYTES, HEADER_BYTES))) {
      throw new AppError("ERR_KEY_WRONG", `${what} does not open with this key.`, {
        subject: what,
        remedy: "Check that the key belongs to it.",
      });
    }
    const body = sealed.subarray(HEADER_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", derived.subarray(0, KEY_BYTES), NONCE, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(context);
    decipher.setAuthTag(body.subarray(-TAG_BYTES));
    const plaintext = update(decipher, body.subarray(0, -TAG_BYTES));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0);
      throw damaged(what, "its authentication tag does not match");
    }
    return plaintext;
  } finally {
    derived.fill(0);
  }
}

function deriveBox(key: Uint8Array, salt: Uint8Array, context: Uint8Array): Buffer {
  assert(key.length === KEY_BYTES);
  const contextLength = Buffer.alloc(4);
  contextLength.writeUInt32LE(context.length, 0);
  const info = Buffer.concat([LABEL, contextLength, context]);
  return deriveKey(key, salt, info, KEY_BYTES + COMMITMENT_BYTES);
}
