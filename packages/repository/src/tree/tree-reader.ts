/**
 * Reads trees: all of one, a part of it, one directory, one entry. Only the records needed are read.
 *
 * Buffers in entries are views of the page they came in: who keeps an entry for long copies it, or keeps the page.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Entry } from "./entry.ts";
import {
  type KeyRange,
  lastAtOrBefore,
  refsIn,
  sectionsIn,
  singleDirectory,
  subtree,
  wholeTree,
} from "./key-range.ts";
import { compareDirectories, type Key } from "./order.ts";
import type { Section } from "./page.ts";
import { joinPath, keyOf, showPath } from "./paths.ts";
import { readAhead } from "./read-ahead.ts";
import { type ReadRecord, throwIfCancelled } from "./records.ts";
import { childrenOf, readRef, rootRef, sectionsOf, type TreeRef, type TreeRoot } from "./tree-descent.ts";

/** All functions here fail with `ERR_DAMAGED` for a tree that breaks the format, and with what `readRecord` throws. */
export interface WalkOptions {
  /** Begins at the first entry with this key or a later one. */
  readonly from?: Key | undefined;
  /** Only what lies in this directory, at any depth. */
  readonly under?: Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether an entry is wanted; `path` is its full path. */
export type EntryMatcher = (path: Buffer, entry: Entry) => boolean;

export interface FoundEntry {
  readonly path: Buffer;
  readonly entry: Entry;
}

const PAGES_AHEAD = 4;

/** The entries of a tree in order. A directory with many entries comes in several sections. */
export function walkSections(
  readRecord: ReadRecord,
  root: TreeRoot,
  options: WalkOptions = {},
): AsyncGenerator<Section, void, undefined> {
  const { from, under, signal } = options;
  const range = under === undefined ? wholeTree(from) : subtree(under, from);
  return sectionsOfRange(readRecord, root, range, signal);
}

/**
 * The entry at `path` and, when it is a directory, everything below it; for the empty path, the whole tree.
 *
 * @throws AppError `ERR_PATH_NOT_FOUND`
 */
export async function* walkUnder(
  readRecord: ReadRecord,
  root: TreeRoot,
  path: Buffer,
  signal?: AbortSignal,
): AsyncGenerator<Section, void, undefined> {
  const key = keyOf(path);
  if (key !== undefined) {
    const entry = await lookup(readRecord, root, path);
    if (entry === undefined) throw pathNotFound(path, "is not in the copy");
    yield { directory: key.directory, entries: [entry] };
    if (entry.kind !== "directory") return;
  }
  yield* walkSections(readRecord, root, { under: path, signal });
}

/**
 * The entries in one directory by name, some at a time: a directory may have millions.
 *
 * @throws AppError `ERR_PATH_NOT_FOUND` when `path` is no directory of the copy
 */
export async function* listDirectory(
  readRecord: ReadRecord,
  root: TreeRoot,
  path: Buffer,
  signal?: AbortSignal,
): AsyncGenerator<readonly Entry[], void, undefined> {
  let isEmpty = true;
  for await (const section of sectionsOfRange(readRecord, root, singleDirectory(path), signal)) {
    isEmpty = false;
    yield section.entries;
  }
  if (!isEmpty || path.length === 0) return;
  // An empty directory has no section: only its own entry tells it from a path that is not there.
  const entry = await lookup(readRecord, root, path);
  if (entry === undefined) throw pathNotFound(path, "is not in the copy");
  if (entry.kind !== "directory") throw pathNotFound(path, "is no directory");
}

/** The entry at `path`, if there is one. The root has none. Reads one page and the nodes above it. */
export async function lookup(
  readRecord: ReadRecord,
  root: TreeRoot,
  path: Buffer,
): Promise<Entry | undefined> {
  const key = keyOf(path);
  if (key === undefined) return undefined;
  let ref = rootRef(root);
  while (ref.level !== 0) {
    const refs = childrenOf(ref, await readRef(readRecord, ref));
    const next = refs[lastAtOrBefore(key, refs)];
    if (next === undefined) return undefined;
    ref = next;
  }
  const sections = sectionsOf(ref, await readRef(readRecord, ref));
  return sections
    .find((section) => compareDirectories(section.directory, key.directory) === 0)
    ?.entries.find((entry) => entry.name.equals(key.name));
}

/** All entries that `matches` wants, in order. */
export async function* findEntries(
  readRecord: ReadRecord,
  root: TreeRoot,
  matches: EntryMatcher,
  options: WalkOptions = {},
): AsyncGenerator<FoundEntry, void, undefined> {
  for await (const { directory, entries } of walkSections(readRecord, root, options)) {
    for (const entry of entries) {
      const path = joinPath(directory, entry.name);
      if (matches(path, entry)) yield { path, entry };
    }
  }
}

async function* sectionsOfRange(
  readRecord: ReadRecord,
  root: TreeRoot,
  range: KeyRange,
  signal: AbortSignal | undefined,
): AsyncGenerator<Section, void, undefined> {
  const refs = pageRefs(readRecord, root, range, signal);
  for await (const { ref, plaintext } of readAhead(refs, PAGES_AHEAD, (page) => readRef(readRecord, page))) {
    throwIfCancelled(signal);
    yield* sectionsIn(range, sectionsOf(ref, plaintext));
  }
}

/** The pages that may hold keys of the range, in order. */
async function* pageRefs(
  readRecord: ReadRecord,
  root: TreeRoot,
  range: KeyRange,
  signal: AbortSignal | undefined,
): AsyncGenerator<TreeRef, void, undefined> {
  const pending = [rootRef(root)];
  for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
    throwIfCancelled(signal);
    if (ref.level === 0) {
      yield ref;
      continue;
    }
    const below = refsIn(range, childrenOf(ref, await readRef(readRecord, ref)));
    for (let index = below.length - 1; index >= 0; index -= 1) {
      const child = below[index];
      if (child !== undefined) pending.push(child);
    }
  }
}

function pathNotFound(path: Buffer, reason: string): AppError {
  const subject = showPath(path);
  return new AppError("ERR_PATH_NOT_FOUND", `${subject} ${reason}.`, {
    subject,
    remedy: "List the copy with `holdfast ls` to see what is in it.",
  });
}
