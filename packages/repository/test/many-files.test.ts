/**
 * A copy of very many files in one session, from sealing its pages to its manifest, and reading it again. 200,000 files by
 * default, ten million with `SLOW=1`; the source is made up. In a process of its own, since it measures the process.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { openLocalStorage } from "@holdfast/storage";
import { groupOf } from "../src/copies/manifest.ts";
import { newDirectoryEntry } from "../src/packs/directory-entry.ts";
import { newPackRegion, PackBuilder } from "../src/packs/pack-builder.ts";
import { PACK_KINDS } from "../src/packs/pack-format.ts";
import { RECORD_TYPES } from "../src/packs/record-header.ts";
import { FRAME_BYTES_FILES } from "../src/packs/record-sealer.ts";
import { openCopyReader } from "../src/reading/open-copy-reader.ts";
import type { Repository } from "../src/repository.ts";
import { MetadataPacks } from "../src/sessions/metadata-packs.ts";
import { WriteSession } from "../src/sessions/write-session.ts";
import { EntryBatchBuilder } from "../src/tree/entry-batch.ts";
import type { Entry } from "../src/tree/entry.ts";
import { listDirectory } from "../src/tree/tree-reader.ts";
import { TreeWriter } from "../src/tree/tree-writer.ts";
import { GCM_HIGH, newRepository } from "./fixture-writer.ts";
import { SLOW } from "./tree-samples.ts";

const COUNT = SLOW ? 10_000_000 : 200_000;
const PER_DIRECTORY = 250;
const DIRECTORIES = COUNT / PER_DIRECTORY;
const CHUNKS = 256;
const CHUNK_BYTES = 3000;
/** What no command may exceed, whatever it works on. */
const RSS_MAX = 400_000_000;
const PARENTS = ["", "srv", "srv/data"] as const;

function metadataOf(name: string): Omit<Entry, "kind"> {
  return {
    name: Buffer.from(name),
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    user: "alice",
    group: "users",
    mtimeSeconds: 1_700_000_000n,
    mtimeNanoseconds: 5,
    xattrs: [],
    link: undefined,
    changedWhileRead: false,
  };
}

function fileAt(number: number, ids: readonly Buffer[]): Entry {
  const id = ids[number % CHUNKS] ?? Buffer.alloc(32);
  const content = { form: "segments", segments: [{ kind: "data", length: CHUNK_BYTES, id }] } as const;
  return {
    ...metadataOf(`document-${String(number).padStart(8, "0")}.txt`),
    kind: "file",
    size: CHUNK_BYTES,
    content,
  };
}

function projectAt(number: number): string {
  return `project-${String(number).padStart(7, "0")}`;
}

class ManyFiles {
  readonly #session: WriteSession;
  readonly #batch = new EntryBatchBuilder();
  #counter = 0;
  highest = process.memoryUsage.rss();

  constructor(session: WriteSession) {
    this.#session = session;
  }

  async write(): Promise<string> {
    const { repository, key } = this.#session;
    const owner = { repository: repository.keys.repository, tableKey: repository.keys.tableKey };
    const sealer = this.#session.newSealer(() => this.#counter++);
    const store = (pack: Parameters<WriteSession["storePack"]>[0]): Promise<void> =>
      this.#session.storePack(pack);
    const metadata = new MetadataPacks({ owner, envelope: key.envelope, sealer, store });
    const data = new PackBuilder(newPackRegion(), owner);
    data.begin(PACK_KINDS.data, [key.envelope]);
    const ids = Array.from({ length: CHUNKS }, (_, number) => {
      const plaintext = Buffer.alloc(CHUNK_BYTES, number);
      const id = this.#session.idOf(RECORD_TYPES.chunk, plaintext);
      const record = sealer.seal({ type: RECORD_TYPES.chunk, id, plaintext, frameSize: FRAME_BYTES_FILES });
      data.append(record, newDirectoryEntry(id, RECORD_TYPES.chunk, CHUNK_BYTES));
      return id;
    });
    await store(data.finish(true));
    const tree = new TreeWriter(
      {
        has: () => false,
        store: (type, id, plaintext, refs) => {
          metadata.append(type, id, plaintext, refs);
        },
      },
      this.#session.idOf,
    );
    this.#addParents(tree);
    for (let number = 0; number < DIRECTORIES; number += 1) {
      for (let place = 0; place < PER_DIRECTORY; place += 1) {
        this.#batch.add(fileAt(number * PER_DIRECTORY + place, ids));
      }
      tree.append(Buffer.from(`srv/data/${projectAt(number)}`), this.#batch.finish());
      await metadata.settle(1);
      if (number % 100 === 0) this.highest = Math.max(this.highest, process.memoryUsage.rss());
    }
    const root = tree.finish();
    await metadata.finish();
    const { tableKey } = repository.keys;
    const paths = [Buffer.from("/srv")];
    return this.#session.commit(
      { kind: "files", timeMs: Date.now(), group: groupOf(tableKey, "many", paths), root, bytesAdded: 0 },
      {
        host: "many",
        name: "",
        paths,
        tags: [],
        program: "test",
        startedMs: Date.now(),
        files: COUNT,
        directories: DIRECTORIES + 2,
        others: 0,
        warnings: 0,
      },
    );
  }

  /** Folders stand before what is in them. */
  #addParents(tree: TreeWriter): void {
    for (const parent of PARENTS) {
      const own = parent === "srv/data" ? undefined : parent === "" ? "srv" : "data";
      const names =
        own === undefined ? Array.from({ length: DIRECTORIES }, (_, number) => projectAt(number)) : [own];
      for (const [index, name] of names.entries()) {
        this.#batch.add({ ...metadataOf(name), kind: "directory" });
        if (index % PER_DIRECTORY === PER_DIRECTORY - 1)
          tree.append(Buffer.from(parent), this.#batch.finish());
      }
      tree.append(Buffer.from(parent), this.#batch.finish());
    }
  }
}

async function openScratch(context: TestContext): Promise<Repository> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-many-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return (await newRepository(GCM_HIGH, await openLocalStorage(folder))).repository;
}

suite("many files", () => {
  test(`a copy of ${String(COUNT)} files is written and read in bounded memory`, async (context) => {
    const repository = await openScratch(context);
    const files = new ManyFiles(await WriteSession.begin(repository, { compressionLevel: 3 }));
    const started = performance.now();
    const id = await files.write();
    const seconds = (performance.now() - started) / 1000;
    using reader = await openCopyReader(repository);
    const [copy] = (await reader.listCopies()).copies;
    assert(copy !== undefined && copy.id === id);
    const { root } = copy.table;
    assert.equal(root.entries, COUNT + DIRECTORIES + 2);
    assert.equal(root.bytes, COUNT * CHUNK_BYTES);
    const last = Buffer.from(`srv/data/${projectAt(DIRECTORIES - 1)}`);
    const listed = (await Array.fromAsync(listDirectory(reader.readRecord, root, last))).flat();
    assert.equal(listed.length, PER_DIRECTORY);
    assert.equal(listed.at(-1)?.name.toString(), `document-${String(COUNT - 1).padStart(8, "0")}.txt`);
    const highest = Math.max(files.highest, process.memoryUsage.rss());
    const rate = Math.round(COUNT / seconds);
    context.diagnostic(`${String(rate)} files a second, ${String(Math.round(highest / 1e6))} MB of memory`);
    assert(highest < RSS_MAX, `${String(highest)} bytes`);
  });
});
