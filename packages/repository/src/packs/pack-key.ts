/**
 * The key of one pack: seals record headers and the directory (docs/format.md, section 4).
 *
 * @module
 */
import { createSecretKey, type KeyObject } from "node:crypto";
import { deriveKey } from "@holdfast/crypto";

export interface PackKey {
  readonly key: KeyObject;
  readonly headerAad: Buffer;
  readonly directoryAad: Buffer;
  /** Nonce of the record at this offset; overwritten by the next call. */
  nonce(offset: number): Buffer;
  readonly directoryNonce: Buffer;
  readonly endAad: Buffer;
  readonly endNonce: Buffer;
}

export function packKeyOf(tableKey: Uint8Array, repository: Buffer, salt: Uint8Array): PackKey {
  const info = Buffer.concat([Buffer.from("holdfast/1/pack", "latin1"), repository]);
  const bytes = deriveKey(tableKey, salt, info, 32);
  const key = createSecretKey(bytes);
  bytes.fill(0);
  const nonce = Buffer.alloc(12);
  const directoryNonce = Buffer.alloc(12);
  directoryNonce.fill(0xff, 0, 8);
  const endNonce = Buffer.from(directoryNonce);
  endNonce[0] = 0xfe;
  return {
    key,
    headerAad: Buffer.concat([Buffer.from("header", "latin1"), repository]),
    directoryAad: Buffer.concat([Buffer.from("directory", "latin1"), repository]),
    directoryNonce,
    endAad: Buffer.concat([Buffer.from("end", "latin1"), repository]),
    endNonce,
    nonce(offset) {
      nonce.writeUInt32LE(offset, 0);
      return nonce;
    },
  };
}
