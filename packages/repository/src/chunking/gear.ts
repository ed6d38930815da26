import assert from "node:assert/strict";

const GEAR_VALUES = 256;

/** Bytes that {@link gearTable} needs, to be derived from the chunker key of the repository. */
export const GEAR_TABLE_BYTES = GEAR_VALUES * 4;

/** The gear value of each byte, from 1024 pseudorandom bytes: unsigned 32-bit numbers, little-endian. */
export function gearTable(bytes: Uint8Array): Uint32Array {
  assert.equal(bytes.length, GEAR_TABLE_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: GEAR_VALUES }, (_, byte) => view.getUint32(byte * 4, true));
}
