/**
 * The chunk index for readers: what segments do not say, because they are damaged, is rebuilt from the packs.
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import { type AppError, systemRandomness } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import {
  type ChunkIndex,
  type ChunkIndexSnapshot,
  type DamagedSegment,
  describeSegment,
  loadSnapshot,
  openChunkIndex,
  SegmentBuilder,
  type SegmentDescription,
} from "../chunk-index/index.ts";
import { hashedName } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import { adoptPacks } from "../sessions/adopt-packs.ts";

export interface OpenIndexOptions {
  readonly cacheDir?: string | undefined;
  /** Read every segment whole and check it against its name. */
  readonly checkHashes?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called once for every damaged segment. */
  readonly onDamaged?: ((name: string, error: AppError) => void) | undefined;
}

/** An index as complete as it can be made. Dispose it when no thread uses the snapshot any more. */
export interface OpenedIndex extends Disposable {
  readonly snapshot: ChunkIndexSnapshot;
  readonly index: ChunkIndex;
  readonly damaged: readonly DamagedSegment[];
}

/** Condemned packs count: a reader may use them as long as they are there. @throws AppError of the storage. */
export async function openIndexForReading(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
  options: OpenIndexOptions = {},
): Promise<OpenedIndex> {
  const { cacheDir, signal, checkHashes = false } = options;
  const loaded = await loadSnapshot(storage, keys, {
    tolerateDamage: true,
    checkHashes,
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    for (const { name, error } of loaded.damaged) options.onDamaged?.(name, error);
    const rebuilt = loaded.damaged.length === 0 ? [] : await rebuildSegments(storage, keys, loaded.snapshot);
    const snapshot = { ...loaded.snapshot, segments: [...loaded.snapshot.segments, ...rebuilt] };
    return {
      snapshot,
      index: openChunkIndex(snapshot),
      damaged: loaded.damaged,
      [Symbol.dispose]: () => {
        loaded[Symbol.dispose]();
      },
    };
  } catch (error) {
    loaded[Symbol.dispose]();
    throw error;
  }
}

/** Segments in memory for all packs that no segment of the snapshot names. */
export async function rebuildSegments(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
  snapshot: ChunkIndexSnapshot,
): Promise<SegmentDescription[]> {
  const builder = new SegmentBuilder();
  const segments: SegmentDescription[] = [];
  const finish = (): void => {
    if (builder.packCount === 0) return;
    const bytes = builder.finish(keys, systemRandomness);
    segments.push(describeSegment(keys, hashedName("index", sha256(bytes)), bytes));
  };
  for await (const pack of adoptPacks(storage, keys, openChunkIndex(snapshot), new Set())) {
    if (builder.addPack(pack.indexed, pack.directory)) continue;
    finish();
    builder.addPack(pack.indexed, pack.directory);
  }
  finish();
  return segments;
}
