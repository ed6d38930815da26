/**
 * Merges index segments and deletes those that the new ones stand for (docs/format.md, sections 5 and 9).
 *
 * Who merges must not bring back entries of packs that somebody else deletes meanwhile. A cleaner is alone in deleting;
 * a writer merges only if it saw nothing condemned when it began, because then every deletion waits for it.
 *
 * @module
 */
import { sha256 } from "@holdfast/crypto";
import type { Randomness } from "@holdfast/kernel";
import type { Storage } from "@holdfast/storage";
import { mergeSegments } from "../chunk-index/merge.ts";
import { type IndexKeys, SEGMENT_ENTRIES_MAX } from "../chunk-index/segment-format.ts";
import type { SegmentReader } from "../chunk-index/segment-reader.ts";
import { hashedName } from "../format/object-names.ts";

/** What a compaction needs of the session that does it. */
export interface SessionProof {
  keepAlive(): Promise<void>;
  prove(): Promise<void>;
  confirm(): Promise<void>;
}

export interface CompactOptions {
  readonly storage: Storage;
  readonly keys: IndexKeys;
  readonly randomness: Randomness;
  readonly session: SessionProof;
  /** Segments that are superseded already and still in the storage. */
  readonly superseded: readonly string[];
  /** Entries of these packs are left out. */
  readonly dropPack?: (sha256: Buffer) => boolean;
  /** Leave the old segments: where lists are stale, others may not see the new ones yet. */
  readonly keepInputs?: boolean;
}

/** More segments that are not full make lookups slow. */
const SMALL_SEGMENTS_MAX = 16;

export interface CompactedIndex {
  readonly added: readonly string[];
  readonly deleted: readonly string[];
}

/** @throws AppError `ERR_SESSION_LOST`, `ERR_DAMAGED`, or an error of the storage: then nothing of the index is lost. */
export async function compactIndex(
  inputs: readonly SegmentReader[],
  options: CompactOptions,
): Promise<CompactedIndex> {
  const { storage, keys, randomness, session, superseded, dropPack, keepInputs = false } = options;
  const added: string[] = [];
  const deleted: string[] = [];
  const merging = mergeSegments(inputs, {
    keys,
    randomness,
    superseded,
    ...(dropPack === undefined ? {} : { dropPack }),
  });
  for await (const { bytes, supersedes } of merging) {
    const hash = sha256(bytes);
    await session.keepAlive();
    await session.prove();
    await storage.put(hashedName("index", hash), bytes, { sha256: hash });
    added.push(hashedName("index", hash));
    // Whoever came too late must not delete what others go on with.
    await session.confirm();
    if (keepInputs) continue;
    for (const name of supersedes) await storage.delete(name);
    deleted.push(...supersedes);
  }
  return { added, deleted };
}

/** Segments worth merging by a cleaner: all that are not nearly full. */
export function smallSegments(segments: readonly SegmentReader[]): SegmentReader[] {
  const small = segments.filter(({ counts }) => counts.entryCount < SEGMENT_ENTRIES_MAX / 2);
  return small.length > 1 ? small : [];
}

/** Segments that a writer should merge: none as long as there are few; else no large one for the sake of small ones. */
export function crowdedSegments(
  segments: readonly SegmentReader[],
  segmentsMax = SMALL_SEGMENTS_MAX,
): SegmentReader[] {
  const small = smallSegments(segments);
  if (small.length <= segmentsMax) return [];
  small.sort((one, other) => one.counts.entryCount - other.counts.entryCount);
  let entries = 0;
  const chosen: SegmentReader[] = [];
  for (const segment of small) {
    if (chosen.length > 1 && segment.counts.entryCount > entries) break;
    entries += segment.counts.entryCount;
    chosen.push(segment);
  }
  return chosen;
}
