/**
 * Ranges of keys: what of a tree a reader wants.
 *
 * @module
 */
import { compareDirectories, compareKeys, isWithin, type Key, startOf } from "./order.ts";
import type { Section } from "./page.ts";
import type { TreeRef } from "./tree-descent.ts";

export interface KeyRange {
  /** The first key wanted. */
  readonly low: Key | undefined;
  /** Whether a directory, and with it all behind, is beyond the range. Asked only for directories not before `low`. */
  isBeyond(directory: Buffer): boolean;
}

/** Everything from `from` on. */
export function wholeTree(from: Key | undefined): KeyRange {
  return { low: from, isBeyond: () => false };
}

/** The entries in `directory` and in all directories below it. */
export function subtree(directory: Buffer, from: Key | undefined): KeyRange {
  return {
    low: later(startOf(directory), from),
    isBeyond: (other) => !isWithin(other, directory) && compareDirectories(other, directory) > 0,
  };
}

/** The entries in `directory` itself. */
export function singleDirectory(directory: Buffer): KeyRange {
  return {
    low: startOf(directory),
    isBeyond: (other) => compareDirectories(other, directory) > 0,
  };
}

function later(a: Key, b: Key | undefined): Key {
  return b === undefined || compareKeys(a, b) >= 0 ? a : b;
}

/** Those of a node's children that may hold keys of the range. */
export function refsIn(range: KeyRange, refs: readonly TreeRef[]): readonly TreeRef[] {
  const start = range.low === undefined ? 0 : Math.max(0, lastAtOrBefore(range.low, refs));
  let end = start + 1;
  for (; end < refs.length; end += 1) {
    const first = refs[end]?.child?.first;
    if (first !== undefined && range.isBeyond(first.directory)) break;
  }
  return refs.slice(start, end);
}

/** The number of the last child that begins at or before `key`; -1 when all begin behind it. */
export function lastAtOrBefore(key: Key, refs: readonly TreeRef[]): number {
  let low = 0;
  let high = refs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const first = refs[middle]?.child?.first;
    if (first === undefined || compareKeys(first, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** What of a page's sections lies in the range. */
export function* sectionsIn(range: KeyRange, sections: readonly Section[]): Generator<Section> {
  for (const section of sections) {
    const order = range.low === undefined ? 1 : compareDirectories(section.directory, range.low.directory);
    if (order < 0) continue;
    if (range.isBeyond(section.directory)) return;
    const low = order === 0 ? range.low?.name : undefined;
    const entries =
      low === undefined ? section.entries : section.entries.filter((entry) => entry.name.compare(low) >= 0);
    if (entries.length > 0) yield { directory: section.directory, entries };
  }
}
