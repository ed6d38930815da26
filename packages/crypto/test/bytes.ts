// Bytes for tests.
import fc from "fast-check";

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

export const ascii = (text: string): Buffer => Buffer.from(text, "ascii");

export const repeated = (byte: number, length: number): Buffer => Buffer.alloc(length, byte);

/** Random bytes as a property input. */
export const bytesUpTo = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: 0, maxLength });

/** A copy with one bit turned. */
export function flipped(bytes: Uint8Array, at: number, bit = 0): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}
