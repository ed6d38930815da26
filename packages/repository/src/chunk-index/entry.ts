/**
 * Rows of the chunk index: entries, packs and what they say together (docs/format.md, sections 4.2 and 5).
 *
 * @module
 */
import { DIRECTORY_ENTRY_BYTES, PACK_BYTES_MAX, PACK_KINDS } from "../packs/pack-format.ts";

export const ID_BYTES = 32;
/** Id, u32 pack number, and the last 16 bytes of a directory entry. */
export const INDEX_ENTRY_BYTES = 52;
/** SHA-256, u32 length of the object, u8 kind, three zero bytes. */
export const PACK_ROW_BYTES = 40;
/** Largest plaintext of a record (section 4.1): a chunk lies within. */
const RECORD_PLAINTEXT_BYTES_MAX = 8 * 1024 * 1024;
const RECORD_TYPE_MAX = 5;

/** Where a chunk is. Numbers were checked to lie inside the pack and the record. */
export interface ChunkPlace {
  /** SHA-256 of the pack, 32 bytes. */
  readonly pack: Buffer;
  /** Bytes of the pack object. */
  readonly packLength: number;
  /** 1 data, 2 metadata, 3 image. */
  readonly packKind: number;
  /** Of the record in the pack. */
  readonly offset: number;
  /** Of the record, sealed header and refs included. */
  readonly length: number;
  /** Of the chunk in the record's plaintext. */
  readonly chunkOffset: number;
  readonly chunkLength: number;
  /** Type of the record. */
  readonly type: number;
}

/** A pack as the index names it. */
export interface IndexedPack {
  readonly sha256: Uint8Array;
  /** Bytes of the object. */
  readonly length: number;
  /** 1 data, 2 metadata, 3 image. */
  readonly kind: number;
}

export function writePackRow(out: Buffer, at: number, pack: IndexedPack): void {
  out.set(pack.sha256, at);
  out.writeUInt32LE(pack.length, at + ID_BYTES);
  out.writeUInt32LE(pack.kind, at + ID_BYTES + 4);
}

/** Writes an index entry for the directory entry at `from`. */
export function writeIndexEntry(
  out: Buffer,
  at: number,
  directory: Uint8Array,
  from: number,
  packNumber: number,
): void {
  out.set(directory.subarray(from, from + ID_BYTES), at);
  out.writeUInt32LE(packNumber, at + ID_BYTES);
  out.set(directory.subarray(from + ID_BYTES, from + DIRECTORY_ENTRY_BYTES), at + ID_BYTES + 4);
}

export function packNumberAt(entries: Buffer, at: number): number {
  return entries.readUInt32LE(at + ID_BYTES);
}

/** Combines the entry at `at` with the row of its pack; undefined when they make no sense. */
export function decodePlace(
  entries: Buffer,
  at: number,
  packs: Buffer,
  packAt: number,
): ChunkPlace | undefined {
  const packed = entries.readUInt32LE(at + ID_BYTES + 16);
  const place: ChunkPlace = {
    pack: Buffer.from(packs.subarray(packAt, packAt + ID_BYTES)),
    packLength: packs.readUInt32LE(packAt + ID_BYTES),
    packKind: packs.readUInt32LE(packAt + ID_BYTES + 4),
    offset: entries.readUInt32LE(at + ID_BYTES + 4),
    length: entries.readUInt32LE(at + ID_BYTES + 8),
    chunkOffset: entries.readUInt32LE(at + ID_BYTES + 12),
    chunkLength: packed % 0x100_0000,
    type: packed >>> 24,
  };
  return isSound(place) ? place : undefined;
}

/** A kind above 3 means another kind, or reserved bytes that are not zero. */
function isSound(place: ChunkPlace): boolean {
  return (
    place.packKind >= PACK_KINDS.data &&
    place.packKind <= PACK_KINDS.image &&
    place.packLength <= PACK_BYTES_MAX &&
    place.length > 0 &&
    place.offset + place.length <= place.packLength &&
    place.chunkOffset + place.chunkLength <= RECORD_PLAINTEXT_BYTES_MAX &&
    place.type > 0 &&
    place.type <= RECORD_TYPE_MAX
  );
}
