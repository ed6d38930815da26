/**
 * Names and messages as text that cannot take over a terminal.
 *
 * File names are bytes, and may hold anything but `/` and a zero byte: escape sequences, line breaks, text that is not
 * UTF-8. What a terminal would obey, or could not show, is written as `\xNN`, or `\u{NNNN}` for characters that turn the
 * direction of the text.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { rootedPath } from "@holdfast/repository";

// oxlint-disable-next-line no-control-regex -- finding them is what this module is for.
const OBEYED = /[\u0000-\u001F\u007F-\u009F\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/gu;

/** A text on one line, without anything a terminal obeys. */
export function printable(text: string): string {
  return text.replaceAll(OBEYED, escaped);
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? byteEscape(code) : `\\u{${code.toString(16).toUpperCase()}}`;
}

function byteEscape(byte: number): string {
  return `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** A path of a copy for people. */
export function displayPath(path: Buffer): string {
  return displayBytes(rootedPath(path));
}

/** A name, or the target of a link, for people. */
export function displayBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return printable(bytes.toString("utf8"));
  let shown = "";
  for (let at = 0; at < bytes.length; ) {
    const length = utf8LengthAt(bytes, at);
    shown += length === 0 ? byteEscape(bytes[at] ?? 0) : printable(bytes.toString("utf8", at, at + length));
    at += Math.max(1, length);
  }
  return shown;
}

/** Bytes of the character at `at`; 0 when there is no whole one. */
function utf8LengthAt(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length += 1) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}

/** Fields of a JSON object for a path of a copy. */
export function copyPathFields(path: Buffer): ReturnType<typeof pathFields> {
  return pathFields(rootedPath(path));
}

/** Of any other path: the text, and the bytes themselves where the text cannot say them. */
export function pathFields(path: Buffer): { readonly path: string; readonly pathBase64?: string } {
  const text = path.toString("utf8");
  return isUtf8(path) ? { path: text } : { path: text, pathBase64: path.toString("base64") };
}
