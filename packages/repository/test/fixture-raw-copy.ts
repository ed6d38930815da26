/** Copies whose records are given as bytes: what no honest writer would write. */
import { groupOf, type TreeRoot } from "../src/copies/manifest.ts";
import type { Repository } from "../src/repository.ts";
import { MetadataPacks } from "../src/sessions/metadata-packs.ts";
import { WriteSession } from "../src/sessions/write-session.ts";

export interface RawRecord {
  /** As in `RECORD_TYPES`. */
  readonly type: number;
  readonly plaintext: Uint8Array;
  /** 32 bytes each. */
  readonly refs?: Buffer;
}

/** Writes the records under their right ids, and a copy whose root is the last one. Returns the id of the copy. */
export async function writeRawCopy(repository: Repository, records: readonly RawRecord[]): Promise<string> {
  const session = await WriteSession.begin(repository, { compressionLevel: 3 });
  const { repository: id, tableKey } = repository.keys;
  let counter = 0;
  const packs = new MetadataPacks({
    owner: { repository: id, tableKey },
    envelope: session.key.envelope,
    sealer: session.newSealer(() => counter++),
    store: (pack) => session.storePack(pack),
  });
  let root: TreeRoot = { type: 0, id: Buffer.alloc(32), entries: 0, bytes: 0 };
  for (const { type, plaintext, refs = Buffer.alloc(0) } of records) {
    root = { ...root, type, id: session.idOf(type, plaintext) };
    packs.append(type, root.id, plaintext, refs);
  }
  await packs.finish();
  const paths = [Buffer.from("/srv")];
  const timeMs = Date.now();
  return session.commit(
    { kind: "files", timeMs, group: groupOf(tableKey, "host", paths), root, bytesAdded: 0 },
    {
      host: "host",
      name: "",
      paths,
      tags: [],
      program: "fixture",
      startedMs: timeMs,
      files: 0,
      directories: 0,
      others: 0,
      warnings: 0,
    },
  );
}
