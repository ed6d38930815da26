/** Reads copies as a whole, through index, packs and records: every chunk is checked against its id on the way. */
import { loadSnapshot, openChunkIndex } from "../src/chunk-index/index.ts";
import type { ListedCopy } from "../src/copies/copies.ts";
import { RecordDecoder } from "../src/reading/record-decoder.ts";
import { RecordReader } from "../src/reading/record-reader.ts";
import type { Repository } from "../src/repository.ts";
import { readSegments } from "../src/tree/content-reader.ts";
import type { FileEntry } from "../src/tree/entry.ts";
import { walkSections } from "../src/tree/tree-reader.ts";

/** Contents of files by path. */
export type CopyContents = ReadonlyMap<string, Buffer>;

/** The contents of several copies, with one look at the index. @throws AppError as a restore would. */
export async function readCopies(
  repository: Repository,
  copies: readonly ListedCopy[],
): Promise<Map<string, CopyContents>> {
  const { ports, keys } = repository;
  using loaded = await loadSnapshot(ports.storage, keys);
  const decoder = new RecordDecoder(keys);
  const reader = new RecordReader(ports.storage, openChunkIndex(loaded.snapshot), decoder);
  const contents = new Map<string, CopyContents>();
  try {
    for (const copy of copies) contents.set(copy.id, await readContents(reader, copy));
  } finally {
    decoder.wipe();
  }
  return contents;
}

async function readContents(reader: RecordReader, copy: ListedCopy): Promise<CopyContents> {
  const files = new Map<string, Buffer>();
  for await (const { directory, entries } of walkSections(reader.readRecord, copy.table.root)) {
    for (const entry of entries) {
      const path = `${directory.toString()}/${entry.name.toString()}`;
      if (entry.kind === "file") files.set(path, await contentOf(reader, entry));
    }
  }
  return files;
}

async function contentOf(reader: RecordReader, entry: FileEntry): Promise<Buffer> {
  const { content, size } = entry;
  if (content.form === "empty") return Buffer.alloc(0);
  if (content.form === "inline") return content.bytes;
  const parts: Buffer[] = [];
  for await (const { segment } of readSegments({ size, content }, reader.readRecord)) {
    parts.push(segment.kind === "data" ? await reader.readChunk(segment.id) : Buffer.alloc(segment.length));
  }
  return Buffer.concat(parts);
}
