/**
 * Looks for entries in many trees at once. Copies of one resource share most of their records, and a record that was looked
 * through once is not read again: the cost is that of what differs.
 *
 * @module
 */
import { RECORD_TYPES } from "../packs/record-header.ts";
import type { Entry } from "./entry.ts";
import { type KeyRange, refsIn, subtree, wholeTree } from "./key-range.ts";
import { compareDirectories, compareKeys, isWithin } from "./order.ts";
import { joinPath, keyOf } from "./paths.ts";
import { readAhead } from "./read-ahead.ts";
import { type ReadRecord, throwIfCancelled } from "./records.ts";
import { childrenOf, readRef, rootRef, sectionsOf, type TreeRef, type TreeRoot } from "./tree-descent.ts";

/** A path, and what each tree that has it says of it. */
export interface FoundInTrees<T> {
  readonly path: Buffer;
  /** By number of the tree, ascending. */
  readonly found: readonly { readonly tree: number; readonly value: T }[];
}

export interface FindInTreesOptions {
  /** Only what lies in this directory, at any depth. */
  readonly under?: Buffer | undefined;
  /** Only paths behind this one, in the order of trees. */
  readonly after?: Buffer | undefined;
  /** So many paths at most. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
  /** Asked before each page: true ends the search before its end. */
  readonly isOver?: (() => boolean) | undefined;
  /** Told of the entries of each page that is looked through. */
  readonly onLooked?: ((entries: number) => void) | undefined;
}

export interface FoundPaths<T> {
  /** In the order of trees. */
  readonly paths: readonly FoundInTrees<T>[];
  /** There are more behind the last one. */
  readonly hasMore: boolean;
  /** So many of the trees, from the first one, were looked through; fewer than there are when the time was over. */
  readonly trees: number;
}

interface Match<T> {
  readonly path: Buffer;
  readonly value: T;
}

const PAGES_AHEAD = 4;
/** Nodes whose plaintext is kept: neighbours in time have most of them in common. */
const NODES_KEPT_MAX = 512;

/**
 * @param select what to remember of an entry, or `undefined` when it is not wanted. Buffers of the entry are views of its page: the
 * value must not keep them.
 * @throws AppError `ERR_DAMAGED`, and what `readRecord` throws.
 */
export async function findInTrees<T>(
  readRecord: ReadRecord,
  roots: readonly TreeRoot[],
  select: (path: Buffer, entry: Entry) => T | undefined,
  options: FindInTreesOptions,
): Promise<FoundPaths<T>> {
  const { limit, isOver = () => false } = options;
  const finder = new Finder(keepingNodes(readRecord), select, options);
  const byPath = new Map<string, { readonly path: Buffer; readonly found: { tree: number; value: T }[] }>();
  let trees = 0;
  for (const [tree, root] of roots.entries()) {
    const matches = await finder.first(root, limit + 1);
    for (const { path, value } of matches) {
      const key = path.toString("latin1");
      const row = byPath.get(key) ?? { path, found: [] };
      row.found.push({ tree, value });
      byPath.set(key, row);
    }
    if (isOver()) break;
    trees += 1;
  }
  const paths = [...byPath.values()].toSorted((one, other) => comparePaths(one.path, other.path));
  return { paths: paths.slice(0, limit), hasMore: paths.length > limit, trees };
}

/** In the order of trees: by directory, then by name. */
export function comparePaths(one: Buffer, other: Buffer): number {
  const [a, b] = [keyOf(one), keyOf(other)];
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
  return compareKeys(a, b);
}

class Finder<T> {
  readonly #readRecord: ReadRecord;
  readonly #select: (path: Buffer, entry: Entry) => T | undefined;
  readonly #options: FindInTreesOptions;
  readonly #range: KeyRange;
  /** By id of the page. */
  readonly #looked = new Map<string, readonly Match<T>[]>();

  constructor(
    readRecord: ReadRecord,
    select: (path: Buffer, entry: Entry) => T | undefined,
    options: FindInTreesOptions,
  ) {
    this.#readRecord = readRecord;
    this.#select = select;
    this.#options = options;
    const { under, after } = options;
    const from = after === undefined ? undefined : keyOf(after);
    this.#range = under === undefined || under.length === 0 ? wholeTree(from) : subtree(under, from);
  }

  /** The first matches of a tree; fewer when the time is over. */
  async first(root: TreeRoot, limit: number): Promise<readonly Match<T>[]> {
    const { signal, isOver = () => false } = this.#options;
    const matches: Match<T>[] = [];
    for await (const page of this.#pages(root)) {
      throwIfCancelled(signal);
      for (const match of page) {
        if (!this.#isInRange(match.path)) continue;
        matches.push(match);
        if (matches.length >= limit) return matches;
      }
      if (isOver()) break;
    }
    return matches;
  }

  async *#pages(root: TreeRoot): AsyncGenerator<readonly Match<T>[], void, undefined> {
    const empty = Buffer.alloc(0);
    const read = (ref: TreeRef): Promise<Buffer> =>
      this.#looked.has(keyOfId(ref.id)) ? Promise.resolve(empty) : readRef(this.#readRecord, ref);
    for await (const { ref, plaintext } of readAhead(this.#refs(root), PAGES_AHEAD, read)) {
      const key = keyOfId(ref.id);
      const matches = this.#looked.get(key) ?? this.#look(ref, plaintext);
      this.#looked.set(key, matches);
      yield matches;
    }
  }

  #look(ref: TreeRef, plaintext: Buffer): readonly Match<T>[] {
    const matches: Match<T>[] = [];
    let entryCount = 0;
    for (const { directory, entries } of sectionsOf(ref, plaintext)) {
      entryCount += entries.length;
      for (const entry of entries) {
        const path = joinPath(directory, entry.name);
        const value = this.#select(path, entry);
        if (value !== undefined) matches.push({ path, value });
      }
    }
    this.#options.onLooked?.(entryCount);
    return matches;
  }

  /** Pages are remembered with all that they have: another tree may begin elsewhere in them. */
  #isInRange(path: Buffer): boolean {
    const { under, after } = this.#options;
    if (after !== undefined && comparePaths(path, after) <= 0) return false;
    if (under === undefined || under.length === 0) return true;
    const key = keyOf(path);
    return (
      key !== undefined && isWithin(key.directory, under) && compareDirectories(key.directory, under) >= 0
    );
  }

  /** The pages that may hold keys of the range, in order. */
  async *#refs(root: TreeRoot): AsyncGenerator<TreeRef, void, undefined> {
    const pending = [rootRef(root)];
    for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
      throwIfCancelled(this.#options.signal);
      if (ref.level === 0) {
        yield ref;
        continue;
      }
      const below = refsIn(this.#range, childrenOf(ref, await readRef(this.#readRecord, ref)));
      pending.push(...below.toReversed());
    }
  }
}

function keyOfId(id: Buffer): string {
  return id.toString("latin1");
}

/** Remembers plaintexts by type and id, those that were asked for last; pages pass by. */
export function keepingNodes(readRecord: ReadRecord, keptMax: number = NODES_KEPT_MAX): ReadRecord {
  const kept = new Map<string, Promise<Buffer>>();
  return (type, id) => {
    if (type !== RECORD_TYPES.node) return readRecord(type, id);
    const key = keyOfId(id);
    const reading = kept.get(key) ?? readRecord(type, id);
    kept.delete(key);
    kept.set(key, reading);
    if (kept.size > keptMax) kept.delete(kept.keys().next().value ?? "");
    reading.catch(() => kept.delete(key));
    return reading;
  };
}
