/**
 * Merges index segments into new ones, sorted by id across all of them, in bounded memory.
 *
 * Every output but the last of a group supersedes nothing; the last one supersedes all inputs. So a crash between two
 * outputs leaves entries twice, and never not at all.
 *
 * @module
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Randomness } from "@holdfast/kernel";
import { MergeCursor, MergeQueue } from "./merge-cursor.ts";
import { SegmentBuilder } from "./segment-builder.ts";
import { type IndexKeys, SEGMENT_ENTRIES_MAX } from "./segment-format.ts";
import type { IdRange, SegmentReader } from "./segment-reader.ts";

/** Entries between two turns of the event loop: some ten milliseconds. */
const ENTRIES_PER_TURN = 65_536;
/** Well below the number of names that one head can supersede. */
const GROUP_INPUTS_MAX = 65_536;

export interface MergeOptions {
  readonly keys: IndexKeys;
  readonly randomness: Randomness;
  /** Entries of these packs are left out. @param sha256 valid during the call. */
  readonly dropPack?: (sha256: Buffer) => boolean;
  /**
   * Names of segments that are superseded already and still in the storage. The outputs supersede them too: else they
   * would come back to life when the inputs are deleted first.
   */
  readonly superseded?: readonly string[];
  /** For what is read; the output takes up to about 100 MB more. Never less than one input needs. */
  readonly inputBytesMax?: number;
  /** Entries of an output, for tests. */
  readonly entriesMax?: number;
}

export interface MergedSegment {
  readonly bytes: Buffer;
  /** Names of the segments that may be deleted once this one is stored; empty but for the last output of a group. */
  readonly supersedes: readonly string[];
}

interface MergeInput {
  readonly reader: SegmentReader;
  readonly range: IdRange;
  readonly bytes: number;
}

/**
 * Yields the new segments, to be stored in this order before any input is deleted. When the inputs that overlap need more
 * memory than allowed, they are merged in several groups, each complete in itself.
 *
 * @throws AppError `ERR_DAMAGED`, `ERR_STORAGE_FAILED` when an input cannot be read; what was yielded before stays valid.
 */
export async function* mergeSegments(
  readers: readonly SegmentReader[],
  options: MergeOptions,
): AsyncGenerator<MergedSegment, void> {
  const inputs = readers.map((reader) => ({
    reader,
    range: reader.readRange(),
    bytes: MergeCursor.memoryBytes(reader),
  }));
  inputs.sort((left, right) => left.range.first - right.range.first);
  for (const group of groupsOf(inputs, options.inputBytesMax ?? 128 * 1024 * 1024)) {
    yield* mergeGroup(group, options);
  }
}

/** Cuts inputs, sorted by their first id, so that those of a group that are open at once stay in the budget. */
function groupsOf(inputs: readonly MergeInput[], bytesMax: number): MergeInput[][] {
  const groups: MergeInput[][] = [];
  let group: MergeInput[] = [];
  let open: MergeInput[] = [];
  for (const input of inputs) {
    open = open.filter(({ range }) => range.last >= input.range.first);
    const bytes = open.reduce((sum, other) => sum + other.bytes, input.bytes);
    if (group.length > 0 && (bytes > bytesMax || group.length >= GROUP_INPUTS_MAX)) {
      groups.push(group);
      [group, open] = [[], []];
    }
    group.push(input);
    open.push(input);
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

async function* mergeGroup(
  inputs: readonly MergeInput[],
  options: MergeOptions,
): AsyncGenerator<MergedSegment, void> {
  const { keys, randomness } = options;
  const builder = new SegmentBuilder(options.entriesMax ?? SEGMENT_ENTRIES_MAX);
  const queue = new MergeQueue(
    inputs.map(({ reader, range }) => new MergeCursor(reader, range, options.dropPack ?? (() => false))),
  );
  let turn = 0;
  for (let cursor = queue.first(); cursor !== undefined; cursor = queue.first()) {
    if (cursor.isDropped()) {
      queue.advance();
    } else {
      // Not before another entry comes: the last output is a special one.
      if (builder.full) {
        yield { bytes: builder.finish(keys, randomness), supersedes: [] };
        queue.forgetPackNumbers();
      }
      builder.addEntry(cursor.entries, cursor.at, cursor.packNumberIn(builder));
      queue.advance();
    }
    turn += 1;
    if (turn % ENTRIES_PER_TURN === 0) await nextTurn();
  }
  const names = new Set([...inputs.map(({ reader }) => reader.name), ...(options.superseded ?? [])]);
  const supersedes = [...names];
  yield { bytes: builder.finish(keys, randomness, supersedes), supersedes };
}
