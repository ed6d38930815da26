/**
 * Sealing to a public key: an X-Wing ciphertext (1120 bytes), then a committing box under its shared secret.
 *
 * @module
 */
import { damaged, type Randomness } from "@holdfast/kernel";
import { BOX_OVERHEAD_BYTES, openSecretBox, sealBox } from "./sealed-box.ts";
import { decapsulate, encapsulate, KEM_CIPHERTEXT_BYTES } from "./x-wing.ts";

/** Bytes that sealing to a public key adds to the plaintext. */
export const KEM_BOX_OVERHEAD_BYTES = KEM_CIPHERTEXT_BYTES + BOX_OVERHEAD_BYTES;

/**
 * @param context says what the box is and where it belongs; authenticated, not stored.
 * @param randomness for the box's salt; the KEM always draws from the system.
 * @throws AppError `ERR_KEY_FORMAT` when the public key is not a valid one.
 */
export function sealToPublicKey(
  publicKey: Uint8Array,
  context: Uint8Array,
  plaintext: Uint8Array,
  randomness?: Randomness,
): Buffer {
  const { sharedSecret, ciphertext } = encapsulate(publicKey);
  const box = sealBox(sharedSecret, context, plaintext, randomness);
  sharedSecret.fill(0);
  return Buffer.concat([ciphertext, box]);
}

/**
 * Opens what {@link sealToPublicKey} made.
 *
 * A changed KEM ciphertext looks like a wrong key, because ML-KEM answers it with another secret. A caller who has
 * checked the object's SHA-256 before knows that `ERR_KEY_WRONG` means the key.
 *
 * @param seed the private key, 32 bytes.
 * @param what names the box in errors.
 * @throws AppError `ERR_KEY_WRONG` when it was sealed to another key or with another context, or its first 1184 bytes
 * were changed; `ERR_DAMAGED` when the bytes after them were changed or it is too short.
 */
export function openWithPrivateKey(
  seed: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
  what: string,
): Buffer {
  if (sealed.length < KEM_BOX_OVERHEAD_BYTES) throw damaged(what, "it is too short");
  const sharedSecret = decapsulate(seed, sealed.subarray(0, KEM_CIPHERTEXT_BYTES), what);
  try {
    return openSecretBox(sharedSecret, context, sealed.subarray(KEM_CIPHERTEXT_BYTES), what);
  } finally {
    sharedSecret.fill(0);
  }
}
