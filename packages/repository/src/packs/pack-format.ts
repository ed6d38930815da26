/**
 * Front, directory and end of a pack (docs/format.md, sections 4 and 4.2).
 *
 * @module
 */
import { FRAME_BOX_OVERHEAD_BYTES, openNonce, sealNonce } from "@holdfast/crypto";
import { ByteReader, ByteWriter, damaged } from "@holdfast/kernel";
import { HEAD_BYTES, readHead, writeHead } from "../format/head.ts";
import type { PackKey } from "./pack-key.ts";
import { SEALED_HEADER_BYTES } from "./record-header.ts";

export const PACK_KINDS = { data: 1, metadata: 2, image: 3 } as const;

/** What writers aim at; large enough for object storages, small enough to repack. */
export const PACK_BYTES_AIM = 32 * 1024 * 1024;
export const PACK_BYTES_MAX = 64 * 1024 * 1024;
export const DIRECTORY_ENTRY_BYTES = 48;
export const DIRECTORY_ENTRIES_MAX = 65_536;
export const ENVELOPE_BYTES = 1248;
export const SALT_BYTES = 32;
export const SESSION_ID_BYTES = 16;
const FRONT_BYTES = HEAD_BYTES + 8 + SALT_BYTES;
/** Plaintext of the end: length of the sealed directory, and a mark. */
const END_BYTES = 8;
/** The sealed end, the last bytes of a pack. */
export const PACK_END_BYTES = END_BYTES + FRAME_BOX_OVERHEAD_BYTES;
const END_MARK = Buffer.from("HFPE", "latin1");
const ENVELOPES_MAX = 255;

export interface PackFront {
  readonly kind: number;
  readonly salt: Buffer;
  readonly envelopes: readonly Buffer[];
}

export function packFrontLength(envelopes: number): number {
  return FRONT_BYTES + envelopes * ENVELOPE_BYTES;
}

/** As many bytes as hold the front of a pack of any number of sessions. */
export const PACK_FRONT_BYTES_MAX = packFrontLength(ENVELOPES_MAX);

export function encodePackFront(repository: Buffer, front: PackFront): Buffer {
  const writer = writeHead(new ByteWriter(2048), "pack", repository)
    .u8(front.kind)
    .u8(front.envelopes.length)
    .u16(0)
    .u32(0)
    .raw(front.salt);
  for (const envelope of front.envelopes) writer.raw(envelope);
  return writer.finish();
}

/** @param bytes the start of a pack, at least its front. @throws AppError `ERR_DAMAGED`. */
export function decodePackFront(bytes: Buffer, pack: string, repository: Buffer): PackFront {
  const reader = new ByteReader(bytes, `The object ${pack}`);
  readHead(reader, "pack", repository);
  const kind = reader.u8();
  const count = reader.u8();
  if (reader.u16() !== 0 || reader.u32() !== 0) reader.fail("a reserved field is set");
  if (kind < PACK_KINDS.data || kind > PACK_KINDS.image || count === 0) reader.fail("its kind is not known");
  const salt = Buffer.from(reader.raw(SALT_BYTES));
  const envelopes = Array.from({ length: count }, () => Buffer.from(reader.raw(ENVELOPE_BYTES)));
  return { kind, salt, envelopes };
}

/** Seals the end of a pack into `out`: sealed, so that nobody sees where records end and how many there are. */
export function writePackEnd(key: PackKey, out: Buffer, sealedDirectoryLength: number): void {
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(sealedDirectoryLength, 0);
  END_MARK.copy(end, 4);
  sealNonce(key.key, key.endNonce, key.endAad, end, out);
}

/**
 * Length of the sealed directory that stands before the sealed end of a pack.
 *
 * @param sealed the last {@link PACK_END_BYTES} of the pack.
 * @throws AppError `ERR_DAMAGED`.
 */
export function openPackEnd(key: PackKey, sealed: Buffer, pack: string, packLength: number): number {
  const end = openNonce(key.key, key.endNonce, key.endAad, sealed, `The end of ${pack}`);
  if (end.length !== END_BYTES || !end.subarray(4).equals(END_MARK))
    throw damaged(pack, "its end is missing");
  const length = end.readUInt32LE(0);
  const tooLong = length > packLength - FRONT_BYTES - PACK_END_BYTES;
  const entries = (length - FRAME_BOX_OVERHEAD_BYTES) / DIRECTORY_ENTRY_BYTES;
  if (tooLong || !Number.isInteger(entries) || entries < 0 || entries > DIRECTORY_ENTRIES_MAX) {
    throw damaged(pack, "its directory has an impossible length");
  }
  return length;
}

/**
 * The entries of a directory, 48 bytes each, checked to lie inside the pack.
 *
 * @throws AppError `ERR_DAMAGED`.
 */
export function openDirectory(key: PackKey, sealed: Buffer, pack: string, packLength: number): Buffer {
  const what = `The directory of ${pack}`;
  const entries = openNonce(key.key, key.directoryNonce, key.directoryAad, sealed, what);
  for (let at = 0; at < entries.length; at += DIRECTORY_ENTRY_BYTES) {
    const offset = entries.readUInt32LE(at + 32);
    const length = entries.readUInt32LE(at + 36);
    if (offset + length > packLength || length < SEALED_HEADER_BYTES)
      throw damaged(what, "an entry lies outside");
  }
  return entries;
}
