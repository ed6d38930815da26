/**
 * The order of paths and names in a copy (docs/format.md, section 7).
 *
 * @module
 */
import type { PathText } from "../path-text.ts";

/** Compares paths by components: as if `/` were a zero byte, which no name has. */
export function compareDirectories(a: PathText, b: PathText): number {
  const shorter = Math.min(a.length, b.length);
  for (let index = 0; index < shorter; index += 1) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

export function compareTexts(a: PathText, b: PathText): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const SLASH = 0x2f;

function rank(code: number): number {
  return code === SLASH ? 0 : code;
}
