/**
 * Paths and names as text of one character a byte (latin1): what crosses between threads and serves as a key. Unlike a
 * buffer, such a string can be posted without dragging along the memory it is a view of.
 *
 * Paths here have no slash in front; the root directory is the empty text.
 *
 * @module
 */

/** A path or name, one character a byte. */
export type PathText = string;

export function toBytes(text: PathText): Buffer {
  return Buffer.from(text, "latin1");
}

export function toText(bytes: Buffer): PathText {
  return bytes.toString("latin1");
}

export function childPath(directory: PathText, name: PathText): PathText {
  return directory === "" ? name : `${directory}/${name}`;
}

/** For patterns, which have slashes on every system. */
export function absolutePath(path: PathText): Buffer {
  return Buffer.from(`/${path}`, "latin1");
}

/** Lists of names: a name holds no NUL. */
export function joinNames(names: readonly PathText[]): string {
  return names.join("\0");
}

export function splitNames(names: string): PathText[] {
  return names.split("\0");
}
