/**
 * What differs between two copies. Records that both have are skipped without being read, so the cost is that of the
 * differences, not of the copies.
 *
 * @module
 */
import { compareEntries } from "./compare-entries.ts";
import type { Entry } from "./entry.ts";
import { compareKeys, type Key } from "./order.ts";
import type { Section } from "./page.ts";
import { joinPath } from "./paths.ts";
import { type ReadRecord, throwIfCancelled } from "./records.ts";
import { childrenOf, readRef, rootRef, sectionsOf, type TreeRef, type TreeRoot } from "./tree-descent.ts";

interface Added {
  readonly change: "added";
  readonly path: Buffer;
  readonly after: Entry;
}

interface Removed {
  readonly change: "removed";
  readonly path: Buffer;
  readonly before: Entry;
}

interface Changed {
  /** `modified`: another kind, content, target or device. `metadata`: anything else. */
  readonly change: "modified" | "metadata";
  readonly path: Buffer;
  readonly before: Entry;
  readonly after: Entry;
}

export type Difference = Added | Removed | Changed;

/**
 * All differences from `before` to `after`, in order. A directory that went comes with everything that was in it.
 *
 * @throws AppError `ERR_DAMAGED`
 */
export async function* compareTrees(
  readRecord: ReadRecord,
  before: TreeRoot,
  after: TreeRoot,
  signal?: AbortSignal,
): AsyncGenerator<Difference, void, undefined> {
  const left = new TreeCursor(readRecord, before);
  const right = new TreeCursor(readRecord, after);
  for (;;) {
    const [a, b] = [left.head, right.head];
    if (a === undefined && b === undefined) return;
    if (areSameRecord(a, b)) {
      left.skip();
      right.skip();
      continue;
    }
    const order = orderOf(a, b);
    const expandLeft = shouldExpand(a, b, order <= 0);
    const expandRight = shouldExpand(b, a, order >= 0);
    if (expandLeft || expandRight) {
      throwIfCancelled(signal);
      await Promise.all([expandLeft ? left.expand() : undefined, expandRight ? right.expand() : undefined]);
      continue;
    }
    if (order <= 0) left.skip();
    if (order >= 0) right.skip();
    const difference = differenceOf(order <= 0 ? a : undefined, order >= 0 ? b : undefined);
    if (difference !== undefined) yield difference;
  }
}

/** Where a cursor stands: at a record that it may skip or expand, or at an entry. */
type Head =
  | { readonly key: Key | undefined; readonly ref: TreeRef }
  | { readonly key: Key; readonly ref: undefined; readonly entry: Entry };

function areSameRecord(a: Head | undefined, b: Head | undefined): boolean {
  return a?.ref !== undefined && b?.ref !== undefined && isSameRef(a.ref, b.ref);
}

/** A page and a node never share an id: the type is part of it. */
function isSameRef(a: TreeRef, b: TreeRef): boolean {
  return a.id.equals(b.id);
}

/** The side that ended comes behind everything; a root, whose first key is not known, before everything. */
function orderOf(a: Head | undefined, b: Head | undefined): number {
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  if (a.key === undefined || b.key === undefined) return 0;
  return compareKeys(a.key, b.key);
}

/**
 * Whether `head` must be opened: it is first, and a record. At equal keys the higher record goes first, so that both
 * sides meet at equal levels, where they can be the same.
 */
function shouldExpand(head: Head | undefined, other: Head | undefined, isFirst: boolean): boolean {
  if (!isFirst || head?.ref === undefined) return false;
  if (other?.ref === undefined) return true;
  const level = head.ref.level ?? Number.POSITIVE_INFINITY;
  const otherLevel = other.ref.level ?? Number.POSITIVE_INFINITY;
  const isTie = head.key === undefined || other.key === undefined || compareKeys(head.key, other.key) === 0;
  return !isTie || level >= otherLevel;
}

function differenceOf(a: Head | undefined, b: Head | undefined): Difference | undefined {
  const before = a?.ref === undefined ? a : undefined;
  const after = b?.ref === undefined ? b : undefined;
  if (before !== undefined && after !== undefined) {
    const change = compareEntries(before.entry, after.entry);
    if (change === "same") return undefined;
    return { change, path: pathOf(after.key), before: before.entry, after: after.entry };
  }
  if (before !== undefined) return { change: "removed", path: pathOf(before.key), before: before.entry };
  if (after !== undefined) return { change: "added", path: pathOf(after.key), after: after.entry };
  return undefined;
}

function pathOf(key: Key): Buffer {
  return joinPath(key.directory, key.name);
}

/** Goes through a tree in order and opens records only when told to. */
class TreeCursor {
  readonly #readRecord: ReadRecord;
  /** Records not opened yet, the next one last. */
  readonly #refs: TreeRef[];
  /** Sections of the open page, the next one last. */
  #sections: Section[] = [];
  #index = 0;

  constructor(readRecord: ReadRecord, root: TreeRoot) {
    this.#readRecord = readRecord;
    this.#refs = [rootRef(root)];
  }

  /** `undefined` at the end. */
  get head(): Head | undefined {
    const section = this.#sections.at(-1);
    const entry = section?.entries[this.#index];
    if (section !== undefined && entry !== undefined) {
      return { key: { directory: section.directory, name: entry.name }, ref: undefined, entry };
    }
    const ref = this.#refs.at(-1);
    return ref === undefined ? undefined : { key: ref.child?.first, ref };
  }

  /** Leaves the head behind, with all below it. */
  skip(): void {
    const section = this.#sections.at(-1);
    if (section === undefined) {
      this.#refs.pop();
      return;
    }
    this.#index += 1;
    if (this.#index < section.entries.length) return;
    this.#sections.pop();
    this.#index = 0;
  }

  /** Puts what lies below the head, which must be a record, in its place. */
  async expand(): Promise<void> {
    const ref = this.#refs.pop();
    if (ref === undefined) return;
    const plaintext = await readRef(this.#readRecord, ref);
    if (ref.level === 0) this.#sections = sectionsOf(ref, plaintext).toReversed();
    else for (const child of childrenOf(ref, plaintext).toReversed()) this.#refs.push(child);
  }
}
