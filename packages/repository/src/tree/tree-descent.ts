/**
 * Steps from a record of a tree to what lies below it, with every check that keeps a hostile tree finite: levels go
 * down by one, keys lie strictly between those of the neighbours, counts add up. A record that is used twice, or that
 * refers to itself, breaks one of these.
 *
 * @module
 */
import { ByteReader } from "@holdfast/kernel";
import { RECORD_TYPES } from "../packs/record-header.ts";
import { type Child, decodeNode } from "./node.ts";
import { compareKeys, type Key } from "./order.ts";
import { decodePage, type Section } from "./page.ts";
import { damagedRecord, type ReadRecord, recordSubject } from "./records.ts";
import { addBytes } from "./totals.ts";

/** The root of a tree, as a manifest names it. */
export interface TreeRoot {
  /** Type of the root's record: a page or a node. */
  readonly type: number;
  readonly id: Buffer;
}

/** A record of a tree that was not read yet, and what it must turn out to be. */
export interface TreeRef {
  /** 0 for a page; `undefined` for a root that is a node of any level. */
  readonly level: number | undefined;
  readonly id: Buffer;
  /** `undefined` for a root. */
  readonly child: Child | undefined;
  /** All keys below come before this one. */
  readonly end: Key | undefined;
}

/** @throws AppError `ERR_DAMAGED` when the root is of another type. */
export function rootRef({ type, id }: TreeRoot): TreeRef {
  if (type !== RECORD_TYPES.page && type !== RECORD_TYPES.node) {
    throw damagedRecord("root", id, "it is neither a page nor a node");
  }
  return { level: type === RECORD_TYPES.page ? 0 : undefined, id, child: undefined, end: undefined };
}

export function readRef(readRecord: ReadRecord, ref: TreeRef): Promise<Buffer> {
  return readRecord(ref.level === 0 ? RECORD_TYPES.page : RECORD_TYPES.node, ref.id);
}

/**
 * What the node `ref` refers to, in order.
 *
 * @throws AppError `ERR_DAMAGED`
 */
export function childrenOf(ref: TreeRef, plaintext: Buffer): readonly TreeRef[] {
  const node = decodeNode(new ByteReader(plaintext, recordSubject("node", ref.id)));
  const { children } = node;
  const { level = node.level } = ref;
  if (node.level !== level) throw damagedRecord("node", ref.id, "it has another level than expected");
  checkBounds("node", ref, children[0]?.first, children.at(-1)?.first);
  let entries = 0;
  let fileBytes = 0;
  for (const child of children) {
    entries = addBytes(entries, child.entries);
    fileBytes = addBytes(fileBytes, child.fileBytes);
  }
  checkTotals("node", ref, entries, fileBytes);
  return children.map((child, index) => ({
    level: level - 1,
    id: child.id,
    child,
    end: children[index + 1]?.first ?? ref.end,
  }));
}

/**
 * The sections of the page `ref`.
 *
 * @throws AppError `ERR_DAMAGED`
 */
export function sectionsOf(ref: TreeRef, plaintext: Buffer): readonly Section[] {
  const page = decodePage(new ByteReader(plaintext, recordSubject("page", ref.id)));
  checkBounds("page", ref, keyIn(page.sections[0], 0), keyIn(page.sections.at(-1), -1));
  checkTotals("page", ref, page.entries, page.fileBytes);
  return page.sections;
}

function keyIn(section: Section | undefined, index: number): Key | undefined {
  const entry = section?.entries.at(index);
  return section === undefined || entry === undefined
    ? undefined
    : { directory: section.directory, name: entry.name };
}

function checkBounds(what: string, ref: TreeRef, first: Key | undefined, last: Key | undefined): void {
  if (ref.child !== undefined && (first === undefined || compareKeys(first, ref.child.first) !== 0)) {
    throw damagedRecord(what, ref.id, "it does not begin where it should");
  }
  if (ref.end !== undefined && last !== undefined && compareKeys(last, ref.end) >= 0) {
    throw damagedRecord(what, ref.id, "it overlaps what comes behind it");
  }
}

function checkTotals(what: string, ref: TreeRef, entries: number, fileBytes: number): void {
  const { child } = ref;
  if (child === undefined) return;
  if (entries !== child.entries || fileBytes !== child.fileBytes) {
    throw damagedRecord(what, ref.id, "its sums are not those expected");
  }
}
