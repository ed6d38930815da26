import { isUtf8 } from "node:buffer";

/** A path as text for patterns: UTF-8 where it is, else one character a byte. */
export interface PathText {
  readonly text: string;
  readonly latin1: boolean;
}

export function pathText(path: Buffer): PathText {
  return isUtf8(path)
    ? { text: path.toString("utf8"), latin1: false }
    : { text: path.toString("latin1"), latin1: true };
}

/** The last component; the whole text when there is no slash. */
export function baseName(text: string): string {
  return text.slice(text.lastIndexOf("/") + 1);
}
