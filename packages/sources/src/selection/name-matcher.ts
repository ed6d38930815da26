/**
 * Which entries of a copy a pattern means by their own name, without what lies below them.
 *
 * @module
 */
import type { Entry, EntryMatcher } from "@holdfast/repository";
import { parseGlob } from "./glob-pattern.ts";
import { baseName, pathText } from "./path-text.ts";

/** Part of a name, whatever its case. */
export function createTextMatcher(text: string): EntryMatcher {
  const wanted = text.toLowerCase();
  return (path: Buffer) => baseName(pathText(path).text).toLowerCase().includes(wanted);
}

/** A pattern without a slash is about names at any depth, one with a slash begins at the top of the copy. */
export function createNameMatcher(glob: string): EntryMatcher {
  const { anchor, foldersOnly, test } = parseGlob(glob);
  return (path: Buffer, entry: Entry) => {
    if (foldersOnly && entry.kind !== "directory") return false;
    const { text, latin1 } = pathText(path);
    return test(anchor === "name" ? baseName(text) : text, latin1);
  };
}
