/**
 * AES-256-GCM with a nonce that the caller guarantees to be unique under the key: record headers, directories and
 * index frames, whose place is their nonce (docs/format.md, sections 4 and 5).
 *
 * @module
 */
import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { damaged } from "@holdfast/kernel";

/** Bytes that a frame box adds to its plaintext. */
export const FRAME_BOX_OVERHEAD_BYTES = 16;

/** Writes ciphertext and tag to `out`; returns the length written. */
export function sealNonce(
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  out: Uint8Array,
): number {
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: FRAME_BOX_OVERHEAD_BYTES });
  cipher.setAAD(aad);
  out.set(cipher.update(plaintext), 0);
  cipher.final();
  out.set(cipher.getAuthTag(), plaintext.length);
  return plaintext.length + FRAME_BOX_OVERHEAD_BYTES;
}

/** @throws AppError `ERR_DAMAGED` naming `what` when a byte, the associated data or the nonce is not the sealed one. */
export function openNonce(
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
  what: string,
): Buffer {
  const length = sealed.length - FRAME_BOX_OVERHEAD_BYTES;
  if (length < 0) throw damaged(what, "it is too short");
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: FRAME_BOX_OVERHEAD_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(length));
  const plaintext = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw damaged(what, "its authentication tag does not match");
  }
  return plaintext;
}
