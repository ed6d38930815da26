/**
 * Follows every reference of copies, from the root of the tree to the chunks of the files.
 *
 * What was found whole is remembered by its id and not gone through again, so that the cost of many copies is that of
 * their differences. What was not is gone through for every copy, because each one loses something by it.
 *
 * @module
 */
import { type AppError, ByteReader } from "@holdfast/kernel";
import { PackNames as HashSet } from "../chunk-index/pack-names.ts";
import type { ListedCopy } from "../copies/copies.ts";
import { RECORD_TYPES } from "../packs/record-header.ts";
import { isPassable } from "../reading/record-reader.ts";
import { decodeList, type List } from "../tree/content.ts";
import type { Entry } from "../tree/entry.ts";
import type { Section } from "../tree/page.ts";
import { joinPath } from "../tree/paths.ts";
import { damagedRecord, type ReadRecord, recordSubject, throwIfCancelled } from "../tree/records.ts";
import { childrenOf, readRef, rootRef, sectionsOf, type TreeRef } from "../tree/tree-descent.ts";

/** Who decides about what is found. Paths are full paths in the copy. */
export interface ReferenceVisitor {
  /** Whether a chunk of file content is good. */
  chunk(id: Buffer, length: number, path: () => Buffer): boolean | Promise<boolean>;
  /** A list, page or node cannot be read, or is not what refers to it says. */
  lost(id: Buffer, error: AppError, path: Buffer): void;
  /** A list, page or node was read. */
  record?(id: Buffer): void;
  /** The sums of the whole tree, when all of it was gone through. */
  total?(entries: number, fileBytes: number): void;
}

const AHEAD = 6;
const NO_PATH = Buffer.alloc(0);

type Segments = readonly { readonly length: number; readonly id?: Buffer }[];

interface ListRef {
  readonly id: Buffer;
  /** Undefined for the root of a disk, which says it itself. */
  readonly depth: number | undefined;
  readonly bytes: number;
}

export class ReferenceWalk {
  readonly #readRecord: ReadRecord;
  readonly #signal: AbortSignal | undefined;
  /** Ids of lists, pages and nodes below which everything is good. */
  readonly #whole = new HashSet();

  constructor(readRecord: ReadRecord, signal: AbortSignal | undefined) {
    this.#readRecord = readRecord;
    this.#signal = signal;
  }

  /** Whether everything that a copy refers to is good. @throws AppError of the storage, `ERR_CANCELLED`. */
  async walkCopy(copy: ListedCopy, visitor: ReferenceVisitor): Promise<boolean> {
    const { root } = copy.table;
    if (root.type === RECORD_TYPES.list) {
      return this.#list({ id: root.id, depth: undefined, bytes: root.bytes }, NO_PATH, visitor);
    }
    try {
      return await this.#part(rootRef(root), visitor);
    } catch (error) {
      if (!isPassable(error)) throw error;
      visitor.lost(root.id, error, NO_PATH);
      return false;
    }
  }

  async #part(ref: TreeRef, visitor: ReferenceVisitor, reading?: Promise<Buffer>): Promise<boolean> {
    throwIfCancelled(this.#signal);
    if (this.#whole.has(ref.id)) return true;
    let isWhole: boolean;
    try {
      const plaintext = await (reading ?? readRef(this.#readRecord, ref));
      visitor.record?.(ref.id);
      isWhole =
        ref.level === 0
          ? await this.#page(ref, sectionsOf(ref, plaintext), visitor)
          : await this.#children(ref, childrenOf(ref, plaintext), visitor);
    } catch (error) {
      if (!isPassable(error)) throw error;
      visitor.lost(ref.id, error, firstPath(ref));
      return false;
    }
    if (isWhole) this.#whole.add(ref.id);
    return isWhole;
  }

  async #children(ref: TreeRef, refs: readonly TreeRef[], visitor: ReferenceVisitor): Promise<boolean> {
    if (ref.child === undefined) {
      const sum = (of: (child: NonNullable<TreeRef["child"]>) => number): number =>
        refs.reduce((total, { child }) => total + (child === undefined ? 0 : of(child)), 0);
      visitor.total?.(
        sum(({ entries }) => entries),
        sum(({ fileBytes }) => fileBytes),
      );
    }
    const readings: (Promise<Buffer> | undefined)[] = [];
    let isWhole = true;
    for (const [index, child] of refs.entries()) {
      while (readings.length < Math.min(refs.length, index + AHEAD)) {
        readings.push(this.#readAhead(refs[readings.length]));
      }
      isWhole = (await this.#part(child, visitor, readings[index])) && isWhole;
      readings[index] = undefined;
    }
    return isWhole;
  }

  #readAhead(ref: TreeRef | undefined): Promise<Buffer> | undefined {
    if (ref === undefined || this.#whole.has(ref.id)) return undefined;
    const reading = readRef(this.#readRecord, ref);
    // A failure is reported when its turn comes.
    reading.catch(() => undefined);
    return reading;
  }

  async #page(ref: TreeRef, sections: readonly Section[], visitor: ReferenceVisitor): Promise<boolean> {
    if (ref.child === undefined) {
      const all = sections.flatMap(({ entries }) => entries);
      visitor.total?.(
        all.length,
        all.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), 0),
      );
    }
    let isWhole = true;
    for (const { directory, entries } of sections) {
      for (const entry of entries) {
        const isGood = this.#entry(directory, entry, visitor);
        isWhole = (typeof isGood === "boolean" ? isGood : await isGood) && isWhole;
      }
    }
    return isWhole;
  }

  /** Awaits only where something is to be waited for: a copy may have millions of entries. */
  #entry(directory: Buffer, entry: Entry, visitor: ReferenceVisitor): boolean | Promise<boolean> {
    if (entry.kind !== "file") return true;
    const { content } = entry;
    if (content.form === "empty" || content.form === "inline") return true;
    const path = (): Buffer => joinPath(directory, entry.name);
    if (content.form === "segments") return this.#segments(content.segments, path, visitor);
    return this.#list({ id: content.id, depth: content.depth, bytes: entry.size }, path(), visitor);
  }

  #segments(segments: Segments, path: () => Buffer, visitor: ReferenceVisitor): boolean | Promise<boolean> {
    let isWhole = true;
    for (const [index, { id, length }] of segments.entries()) {
      const isGood = id === undefined || visitor.chunk(id, length, path);
      if (typeof isGood !== "boolean") {
        const all = this.#otherSegments(isGood, segments.slice(index + 1), path, visitor);
        return isWhole ? all : all.then(() => false);
      }
      isWhole &&= isGood;
    }
    return isWhole;
  }

  async #otherSegments(
    first: Promise<boolean>,
    others: Segments,
    path: () => Buffer,
    visitor: ReferenceVisitor,
  ): Promise<boolean> {
    let isWhole = await first;
    for (const { id, length } of others) {
      isWhole = (id === undefined || (await visitor.chunk(id, length, path))) && isWhole;
    }
    return isWhole;
  }

  async #list(ref: ListRef, path: Buffer, visitor: ReferenceVisitor): Promise<boolean> {
    throwIfCancelled(this.#signal);
    if (this.#whole.has(ref.id)) return true;
    let isWhole = true;
    try {
      const list = checkedList(ref, await this.#readRecord(RECORD_TYPES.list, ref.id));
      visitor.record?.(ref.id);
      if ("children" in list) {
        for (const { id, bytes } of list.children) {
          isWhole = (await this.#list({ id, bytes, depth: list.depth - 1 }, path, visitor)) && isWhole;
        }
      } else {
        isWhole = await this.#segments(list.segments, () => path, visitor);
      }
    } catch (error) {
      if (!isPassable(error)) throw error;
      visitor.lost(ref.id, error, path);
      return false;
    }
    if (isWhole) this.#whole.add(ref.id);
    return isWhole;
  }
}

function checkedList(ref: ListRef, plaintext: Buffer): List {
  const list = decodeList(new ByteReader(plaintext, recordSubject("list", ref.id)));
  if (ref.depth !== undefined && list.depth !== ref.depth) {
    throw damagedRecord("list", ref.id, "it has another depth than expected");
  }
  if (list.bytes !== ref.bytes) throw damagedRecord("list", ref.id, "it has another size than expected");
  return list;
}

function firstPath({ child }: TreeRef): Buffer {
  return child === undefined ? NO_PATH : joinPath(child.first.directory, child.first.name);
}
