/**
 * Nodes: the inner part of the tree (docs/format.md, section 7).
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ByteReader, ByteWriter } from "@holdfast/kernel";
import { compareKeys, type Key } from "./order.ts";
import { isDirectoryPath, isName, NAME_BYTES_MAX, PATH_BYTES_MAX } from "./paths.ts";
import { ID_BYTES } from "./ref-set.ts";

/** A page or node as the node above knows it. */
export interface Child {
  /** The key of the first entry below. */
  readonly first: Key;
  readonly entries: number;
  readonly fileBytes: number;
  readonly id: Buffer;
}

export interface Node {
  /** 1 for a node of pages. */
  readonly level: number;
  readonly children: readonly Child[];
}

/** A tree of more levels than any writer reaches only costs its reader time. */
export const LEVEL_MAX = 32;
export const NODE_CHILDREN_MAX = 65_536;

export function encodeNode(node: Node): Buffer {
  assert(node.level >= 1 && node.level <= LEVEL_MAX && node.children.length > 0);
  const writer = new ByteWriter(4096).u8(node.level).varint(node.children.length);
  for (const child of node.children) encodeChild(writer, child);
  return writer.finish();
}

export function encodeChild(writer: ByteWriter, { first, entries, fileBytes, id }: Child): void {
  assert(id.length === ID_BYTES && entries > 0);
  writer.blob(first.directory).blob(first.name).varint(entries).varint(fileBytes).raw(id);
}

/**
 * Reads a node; all its buffers are views of the reader's bytes.
 *
 * @throws AppError `ERR_DAMAGED`, for children out of order as well
 */
export function decodeNode(reader: ByteReader): Node {
  const level = reader.u8();
  if (level < 1 || level > LEVEL_MAX) reader.fail("a node has an impossible level");
  const count = reader.varint(NODE_CHILDREN_MAX);
  if (count === 0) reader.fail("a node is empty");
  const children: Child[] = [];
  for (let index = 0; index < count; index += 1) {
    const child = decodeChild(reader);
    const last = children.at(-1);
    if (last !== undefined && compareKeys(last.first, child.first) >= 0)
      reader.fail("children are not in order");
    children.push(child);
  }
  reader.end();
  return { level, children };
}

function decodeChild(reader: ByteReader): Child {
  const directory = reader.blob(PATH_BYTES_MAX);
  const name = reader.blob(NAME_BYTES_MAX);
  if (!isDirectoryPath(directory) || !isName(name)) reader.fail("a child has an impossible path");
  const entries = reader.varint();
  if (entries === 0) reader.fail("a child is empty");
  const fileBytes = reader.varint();
  return { first: { directory, name }, entries, fileBytes, id: reader.raw(ID_BYTES) };
}
