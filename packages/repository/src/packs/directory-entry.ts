/**
 * Directory entries: 48 bytes each (docs/format.md, section 4.2).
 *
 * @module
 */
import assert from "node:assert/strict";
import { DIRECTORY_ENTRY_BYTES } from "./pack-format.ts";

const LENGTH_MAX = 0xff_ffff;

/** Writes one entry without the record's place, which the pack builder fills in. */
export function writeDirectoryEntry(
  out: Buffer,
  at: number,
  entry: {
    readonly id: Uint8Array;
    readonly type: number;
    readonly chunkOffset: number;
    readonly length: number;
  },
): void {
  assert(entry.length <= LENGTH_MAX);
  out.set(entry.id, at);
  out.fill(0, at + 32, at + 40);
  out.writeUInt32LE(entry.chunkOffset, at + 40);
  out.writeUInt32LE(entry.type * 0x100_0000 + entry.length, at + 44);
}

export function newDirectoryEntry(id: Uint8Array, type: number, length: number): Buffer {
  const entry = Buffer.alloc(DIRECTORY_ENTRY_BYTES);
  writeDirectoryEntry(entry, 0, { id, type, chunkOffset: 0, length });
  return entry;
}
