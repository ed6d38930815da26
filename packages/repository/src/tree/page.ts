/**
 * Pages: entries by directory, the leaves of the tree (docs/format.md, section 7).
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ByteReader, ByteWriter } from "@holdfast/kernel";
import { type Entry, fileBytesOf } from "./entry.ts";
import { decodeEntry, encodeEntry } from "./entry-codec.ts";
import { compareDirectories } from "./order.ts";
import { isDirectoryPath, PATH_BYTES_MAX } from "./paths.ts";
import { addBytes } from "./totals.ts";

/** Entries of one directory, in order; a directory may have several sections in a row of pages. */
export interface Section {
  readonly directory: Buffer;
  readonly entries: readonly Entry[];
}

export interface Page {
  readonly sections: readonly Section[];
  readonly entries: number;
  readonly fileBytes: number;
}

export const PAGE_ENTRIES_MAX = 65_536;
/**
 * Segments and attributes of all entries of a page. Pages of writers have a fraction of it; without a limit a page of
 * single bytes could unfold to a hundred times its size.
 */
const PAGE_PARTS_MAX = 262_144;

export function encodePage(sections: readonly Section[]): Buffer {
  const writer = new ByteWriter(4096).varint(sections.length);
  for (const { directory, entries } of sections) {
    assert(entries.length > 0 && isDirectoryPath(directory));
    writer.blob(directory).varint(entries.length);
    for (const entry of entries) encodeEntry(writer, entry);
  }
  return writer.finish();
}

/**
 * Reads a page; all its buffers are views of the reader's bytes.
 *
 * @throws AppError `ERR_DAMAGED`, for entries out of order as well
 */
export function decodePage(reader: ByteReader): Page {
  const count = reader.varint(PAGE_ENTRIES_MAX);
  const sections: Section[] = [];
  const page = { sections, entries: 0, fileBytes: 0 };
  let parts = 0;
  let last: Buffer | undefined;
  for (let index = 0; index < count; index += 1) {
    const directory = reader.blob(PATH_BYTES_MAX);
    if (!isDirectoryPath(directory)) reader.fail("a section has an impossible path");
    if (last !== undefined && compareDirectories(last, directory) >= 0)
      reader.fail("sections are not in order");
    last = directory;
    const length = reader.varint(PAGE_ENTRIES_MAX - page.entries);
    if (length === 0) reader.fail("a section is empty");
    const entries: Entry[] = [];
    for (let place = 0; place < length; place += 1) {
      const entry = decodeNextEntry(reader, entries.at(-1));
      entries.push(entry);
      page.fileBytes = addBytes(page.fileBytes, fileBytesOf(entry));
      parts += partsOf(entry);
      if (parts > PAGE_PARTS_MAX) reader.fail("it has too many parts");
    }
    page.entries += length;
    sections.push({ directory, entries });
  }
  reader.end();
  return page;
}

function decodeNextEntry(reader: ByteReader, last: Entry | undefined): Entry {
  const entry = decodeEntry(reader);
  if (last !== undefined && last.name.compare(entry.name) >= 0) reader.fail("entries are not in order");
  return entry;
}

function partsOf(entry: Entry): number {
  const segments =
    entry.kind === "file" && entry.content.form === "segments" ? entry.content.segments.length : 0;
  return segments + entry.xattrs.length;
}
