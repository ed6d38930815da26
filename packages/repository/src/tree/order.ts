/**
 * The one order of everything in a copy (docs/format.md, section 7): directories by path, compared by components;
 * inside a directory by name. Names are raw bytes.
 *
 * @module
 */

/** The place of an entry: where it lies and what it is called. */
export interface Key {
  readonly directory: Buffer;
  readonly name: Buffer;
}

const SLASH = 0x2f;
const NO_NAME = Buffer.alloc(0);

/** The key that comes before every entry of `directory`. */
export function startOf(directory: Buffer): Key {
  return { directory, name: NO_NAME };
}

/** Below, at or above zero, as for `Array.sort`. */
export function compareDirectories(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let index = 0; index < shorter; index += 1) {
    const left = a[index] ?? 0;
    const right = b[index] ?? 0;
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** A path has no zero byte, so `/` in its place makes a directory come before everything that only begins alike. */
function rank(byte: number): number {
  return byte === SLASH ? 0 : byte;
}

export function compareKeys(a: Key, b: Key): number {
  if (a.directory !== b.directory) {
    const order = compareDirectories(a.directory, b.directory);
    if (order !== 0) return order;
  }
  return a.name.compare(b.name);
}

/** Compares two ranges of bytes in place: a call without views, for loops over millions of names. */
export function compareRanges(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const shorter = Math.min(aEnd - aStart, bEnd - bStart);
  for (let index = 0; index < shorter; index += 1) {
    const difference = (a[aStart + index] ?? 0) - (b[bStart + index] ?? 0);
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

/** Whether `directory` is `root` or lies below it. */
export function isWithin(directory: Uint8Array, root: Uint8Array): boolean {
  if (root.length === 0) return true;
  if (directory.length < root.length) return false;
  if (directory.length > root.length && directory[root.length] !== SLASH) return false;
  return compareRanges(directory, 0, root.length, root, 0, root.length) === 0;
}
