/**
 * The chunk index for readers: what segments do not say, because they are damaged, is rebuilt from the packs.
 *
 * @module
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { sha256 } from "@holdfast/crypto";
import { type AppError, isAppError, systemRandomness } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import {
  type ChunkIndex,
  type ChunkIndexSnapshot,
  type DamagedSegment,
  describeSegment,
  loadSnapshot,
  openChunkIndex,
  readersOf,
  SegmentBuilder,
  type SegmentDescription,
} from "../chunk-index/index.ts";
import { hashedName } from "../format/object-names.ts";
import type { KeySet } from "../keys/key-set.ts";
import { adoptPacks } from "../sessions/adopt-packs.ts";

export interface OpenIndexOptions {
  readonly cacheDir?: string | undefined;
  /** Open every frame of every segment now: else the damage of one shows when it is needed, and is not made good. */
  readonly checkFrames?: boolean | undefined;
  /** Look for packs that no segment names: those of a segment that is gone. Takes a list of all packs. */
  readonly findPacks?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called once for every damaged segment. */
  readonly onDamaged?: ((name: string, error: AppError) => void) | undefined;
}

/** An index as complete as it can be made. Dispose it when no thread uses the snapshot any more. */
export interface OpenedIndex extends Disposable {
  readonly snapshot: ChunkIndexSnapshot;
  readonly index: ChunkIndex;
  readonly damaged: readonly DamagedSegment[];
  /** What was rebuilt, in memory only. */
  readonly rebuilt: readonly RebuiltSegment[];
  /** Names of segments that another one supersedes and that are still in the storage. */
  readonly superseded: readonly string[];
}

export interface RebuiltSegment extends SegmentDescription {
  readonly bytes: Buffer;
}

/** Condemned packs count: a reader may use them as long as they are there. @throws AppError of the storage. */
export async function openIndexForReading(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
  options: OpenIndexOptions = {},
): Promise<OpenedIndex> {
  const { cacheDir, signal, checkFrames = false, findPacks = false } = options;
  const loaded = await loadSnapshot(storage, keys, {
    tolerateDamage: true,
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    const damaged = [...loaded.damaged, ...(checkFrames ? await openFrames(loaded.snapshot) : [])];
    for (const { name, error } of damaged) options.onDamaged?.(name, error);
    const names = new Set(damaged.map(({ name }) => name));
    const sound = loaded.snapshot.segments.filter(({ name }) => !names.has(name));
    const rest = { ...loaded.snapshot, segments: sound };
    const isComplete = damaged.length === 0 && !findPacks;
    const rebuilt = isComplete ? [] : await rebuildSegments(storage, keys, rest);
    const snapshot = { ...rest, segments: [...sound, ...rebuilt] };
    return {
      snapshot,
      index: openChunkIndex(snapshot),
      damaged,
      rebuilt,
      superseded: loaded.superseded,
      [Symbol.dispose]: () => {
        loaded[Symbol.dispose]();
      },
    };
  } catch (error) {
    loaded[Symbol.dispose]();
    throw error;
  }
}

/** Segments of which a frame does not open. */
async function openFrames(snapshot: ChunkIndexSnapshot): Promise<DamagedSegment[]> {
  const damaged: DamagedSegment[] = [];
  for (const reader of readersOf(snapshot)) {
    try {
      reader.authenticate();
    } catch (error) {
      if (!isAppError(error, "ERR_DAMAGED")) throw error;
      damaged.push({ name: reader.name, error });
    }
    await nextTurn();
  }
  return damaged;
}

/** Segments in memory for all packs that no segment of the snapshot names. */
export async function rebuildSegments(
  storage: Storage,
  keys: Pick<KeySet, "repository" | "tableKey">,
  snapshot: ChunkIndexSnapshot,
): Promise<RebuiltSegment[]> {
  const builder = new SegmentBuilder();
  const segments: RebuiltSegment[] = [];
  const finish = (): void => {
    if (builder.packCount === 0) return;
    const bytes = builder.finish(keys, systemRandomness);
    segments.push({ ...describeSegment(keys, hashedName("index", sha256(bytes)), bytes), bytes });
  };
  for await (const pack of adoptPacks(storage, keys, openChunkIndex(snapshot), new Set())) {
    if (builder.addPack(pack.indexed, pack.directory)) continue;
    finish();
    builder.addPack(pack.indexed, pack.directory);
  }
  finish();
  return segments;
}
