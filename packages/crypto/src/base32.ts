/**
 * Crockford's base 32: digits and capital letters without I, L, O and U, so that nothing is mistaken on paper.
 *
 * @module
 */

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BITS_PER_CHARACTER = 5;

const VALUES: ReadonlyMap<string, number> = new Map([
  ...Array.from(ALPHABET, (character, value) => [character, value] as const),
  ["O", 0],
  ["I", 1],
  ["L", 1],
]);

/** The character of the low five bits of `value`. */
export function base32Character(value: number): string {
  return ALPHABET.charAt(value & 31);
}

/** Most significant bits first; missing bits of the last character are zero. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    while (count >= BITS_PER_CHARACTER) {
      count -= BITS_PER_CHARACTER;
      text += base32Character(bits >>> count);
    }
    bits &= (1 << count) - 1;
  }
  return count === 0 ? text : text + base32Character(bits << (BITS_PER_CHARACTER - count));
}

/** The text as {@link encodeBase32} would write it: capitals, 0 for O, 1 for I and L; null for other characters. */
export function canonicalBase32(text: string): string | null {
  let canonical = "";
  for (const character of text.toUpperCase()) {
    const value = VALUES.get(character);
    if (value === undefined) return null;
    canonical += base32Character(value);
  }
  return canonical;
}

/** The bytes of canonical text; bits that fill no byte are dropped. */
export function decodeBase32(canonical: string): Buffer {
  const bytes = Buffer.alloc(Math.floor((canonical.length * BITS_PER_CHARACTER) / 8));
  let at = 0;
  let bits = 0;
  let count = 0;
  for (const character of canonical) {
    bits = (bits << BITS_PER_CHARACTER) | (VALUES.get(character) ?? 0);
    count += BITS_PER_CHARACTER;
    if (count >= 8) {
      count -= 8;
      bytes[at] = bits >>> count;
      at += 1;
      bits &= (1 << count) - 1;
    }
  }
  return bytes;
}
