/**
 * Files of patterns: one a line; empty lines and lines that begin with `#` are left out; `\#` begins a pattern that
 * begins with `#`. White space at the end of a line does not count.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";

/** The patterns in the text of such a file. */
export function parseExcludeFile(text: string): readonly string[] {
  const patterns: string[] = [];
  for (const line of text.replace(/^\u{feff}/u, "").split("\n")) {
    const pattern = line.trimEnd();
    if (pattern !== "" && !pattern.startsWith("#")) patterns.push(pattern);
  }
  return patterns;
}

/** @throws {AppError} `ERR_USAGE` when the file cannot be read or is no UTF-8 text. */
export function readExcludeFile(path: string): readonly string[] {
  const remedy = "Name a text file with one pattern a line.";
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError("ERR_USAGE", `The file of patterns ${path} cannot be read: ${reason}.`, {
      subject: path,
      remedy,
      cause,
    });
  }
  if (!isUtf8(bytes)) {
    throw new AppError("ERR_USAGE", `The file of patterns ${path} is not UTF-8 text.`, {
      subject: path,
      remedy,
    });
  }
  return parseExcludeFile(bytes.toString("utf8"));
}
