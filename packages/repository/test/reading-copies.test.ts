/** Reading what the fixture writer wrote: every form of content, through index, packs and records. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { loadSnapshot, openChunkIndex } from "../src/chunk-index/index.ts";
import { listCopies } from "../src/copies/copies.ts";
import { RecordDecoder } from "../src/reading/record-decoder.ts";
import { RecordReader } from "../src/reading/record-reader.ts";
import { readSegments } from "../src/tree/content-reader.ts";
import type { FileEntry } from "../src/tree/entry.ts";
import { lookup, walkSections } from "../src/tree/tree-reader.ts";
import { CBC_LOW, GCM_HIGH, newRepository, writeCopy } from "./fixture-writer.ts";

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

for (const cipherSuite of [GCM_HIGH, CBC_LOW]) {
  suite(`reading copies, ${cipherSuite.name}`, () => {
    test("gives back every form of content", async () => {
      const { repository, storage } = await newRepository(cipherSuite);
      const files = new Map([
        ["a/empty", Buffer.alloc(0)],
        ["a/inline", randomBytes(2048)],
        ["a/bundled", randomBytes(2049)],
        ["a/bundled too", randomBytes(100_000)],
        ["b/large", randomBytes(1_000_000)],
      ]);
      await writeCopy(repository, [
        ...[...files].map(([path, content]) => ({ kind: "file", path, content }) as const),
        { kind: "file", path: "b/sparse", content: [{ hole: 70_000 }, randomBytes(5000), { zero: 1 }] },
        { kind: "file", path: "b/listed", content: Array.from({ length: 200 }, () => randomBytes(3000)) },
      ]);
      const list = await listCopies(storage, repository.keys);
      const root = list.copies[0]?.table.root;
      assert(root !== undefined);
      using loaded = await loadSnapshot(storage, repository.keys);
      const decoder = new RecordDecoder(repository.keys);
      const reader = new RecordReader(storage, openChunkIndex(loaded.snapshot), decoder);
      let entries = 0;
      for await (const section of walkSections(reader.readRecord, root)) entries += section.entries.length;
      assert.equal(entries, 9);
      for (const [path, content] of files) {
        const entry = await lookup(reader.readRecord, root, Buffer.from(path));
        assert(entry?.kind === "file");
        assert.deepEqual(await contentOf(reader, entry), content);
      }
      const sparse = await lookup(reader.readRecord, root, Buffer.from("b/sparse"));
      assert(sparse?.kind === "file" && sparse.content.form === "segments");
      assert.deepEqual(
        sparse.content.segments.map(({ kind, length }) => [kind, length]),
        [
          ["hole", 70_000],
          ["data", 5000],
          ["zero", 1],
        ],
      );
      const listed = await lookup(reader.readRecord, root, Buffer.from("b/listed"));
      assert(listed?.kind === "file" && listed.content.form === "list");
      assert.equal((await contentOf(reader, listed)).length, 600_000);
    });

    test("does not write twice what the repository has", async () => {
      const { repository, storage } = await newRepository(cipherSuite);
      const entries = [{ kind: "file", path: "x", content: randomBytes(300_000) }] as const;
      await writeCopy(repository, entries);
      const before = await Array.fromAsync(storage.list("packs/"));
      await writeCopy(repository, entries);
      assert.deepEqual(await Array.fromAsync(storage.list("packs/")), before);
      await writeCopy(repository, entries, { withoutDeduplication: true });
      assert((await Array.fromAsync(storage.list("packs/"))).length > before.length);
    });
  });
}
