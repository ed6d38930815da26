/**
 * Names and paths in a copy: raw bytes, never empty, never able to lead a restore out of its target.
 *
 * @module
 */
import type { Key } from "./order.ts";

export const NAME_BYTES_MAX = 1024;
export const PATH_BYTES_MAX = 1024 * 1024;

const SLASH = 0x2f;
const DOT = 0x2e;
const ROOT = Buffer.alloc(0);

/** Whether the bytes may stand as a name: 1 to 1024 bytes, no `/`, no zero byte, not `.` or `..`. */
export function isName(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  const length = end - start;
  if (length < 1 || length > NAME_BYTES_MAX) return false;
  if (bytes[start] === DOT && (length === 1 || (length === 2 && bytes[start + 1] === DOT))) return false;
  for (let index = start; index < end; index += 1) {
    const byte = bytes[index];
    if (byte === 0 || byte === SLASH) return false;
  }
  return true;
}

/** Whether the bytes may stand as the path of a directory: empty for the root, else names joined by single `/`. */
export function isDirectoryPath(path: Uint8Array): boolean {
  if (path.length === 0) return true;
  if (path.length > PATH_BYTES_MAX) return false;
  let start = 0;
  for (;;) {
    const slash = path.indexOf(SLASH, start);
    if (slash === -1) return isName(path, start, path.length);
    if (!isName(path, start, slash)) return false;
    start = slash + 1;
  }
}

export function joinPath(directory: Uint8Array, name: Uint8Array): Buffer {
  if (directory.length === 0) return Buffer.from(name);
  const path = Buffer.allocUnsafe(directory.length + 1 + name.length);
  path.set(directory);
  path[directory.length] = SLASH;
  path.set(name, directory.length + 1);
  return path;
}

/** The key of the entry at `path`; `undefined` for the root, which has no entry. */
export function keyOf(path: Buffer): Key | undefined {
  if (path.length === 0) return undefined;
  const slash = path.lastIndexOf(SLASH);
  if (slash === -1) return { directory: ROOT, name: path };
  return { directory: path.subarray(0, slash), name: path.subarray(slash + 1) };
}

/** A path of a copy as people and programs are shown it: with a slash in front. */
export function rootedPath(path: Uint8Array): Buffer {
  const rooted = Buffer.allocUnsafe(1 + path.length);
  rooted[0] = SLASH;
  rooted.set(path, 1);
  return rooted;
}

/** {@link rootedPath} as a text; bytes that are not UTF-8 show as replacement characters. */
export function showPath(path: Uint8Array): string {
  return rootedPath(path).toString("utf8");
}
