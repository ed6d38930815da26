/**
 * Finds packs that no index segment names: what a session left that was killed before it wrote its index. Their directories
 * are sealed under the table key, so nobody who only holds the storage can put one there.
 *
 * @module
 */
import { isAppError } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import type { ChunkIndex, IndexedPack } from "../chunk-index/index.ts";
import { hashOfName, PREFIXES } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import { readPackDirectory } from "../packs/read-directory.ts";

export interface AdoptedPack {
  readonly indexed: IndexedPack;
  readonly directory: Buffer;
}

const PASSED_OVER: ReadonlySet<string> = new Set([
  "ERR_DAMAGED",
  "ERR_FORMAT_VERSION",
  "ERR_STORAGE_NOT_FOUND",
]);

export async function* adoptPacks(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
  index: ChunkIndex,
  condemned: ReadonlySet<string>,
): AsyncGenerator<AdoptedPack> {
  const known = index.packNames();
  for await (const { name, size } of storage.list(PREFIXES.pack)) {
    const hash = hashOfName(name);
    if (hash === undefined || known.has(hash) || condemned.has(hash.toString("hex"))) continue;
    try {
      const { kind, directory } = await readPackDirectory(storage, keys, name, size);
      yield { indexed: { sha256: hash, length: size, kind }, directory };
    } catch (error) {
      // Damaged, foreign or just deleted: not worth having, and `verify` will name it.
      if (!isAppError(error) || !PASSED_OVER.has(error.code)) throw error;
    }
  }
}
