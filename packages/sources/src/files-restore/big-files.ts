/**
 * Large files: begun and completed by the main thread, written by all workers in stretches.
 *
 * @module
 */
import {
  type FileEntry,
  isPassable,
  type PlacedSegment,
  readSegments,
  type ReadRecord,
} from "@holdfast/repository";
import type { BigFile } from "../restore-tree/big-file.ts";
import type { EntryPlace, RestoreOutcome } from "../restore-tree/outcome.ts";
import { isBigFile, type TargetTree } from "../restore-tree/target.ts";
import { damagedNotice } from "./damaged-notice.ts";
import { metadataOf } from "./entry-metadata.ts";
import type { Notice, RangeTask } from "./messages.ts";
import { RANGE_BYTES } from "./sizes.ts";
import type { WorkerPool } from "./worker-pool.ts";

const ID_BYTES = 32;

/** How a large file ended. */
export interface BigFileEnd {
  readonly entry: FileEntry;
  readonly place: EntryPlace;
  /** Undefined when it was left out. */
  readonly outcome: RestoreOutcome | undefined;
  /** Why it was left out. */
  readonly problem: Notice | undefined;
  /** The problem is damaged or missing data. */
  readonly isDamaged: boolean;
}

interface OpenFile {
  readonly file: BigFile;
  readonly entry: FileEntry;
  readonly onEnd: (end: BigFileEnd) => void;
  /** The first one counts: stretches of a damaged file say the same. */
  problem: Notice | undefined;
  isDamaged: boolean;
  bytes: number;
  pending: number;
  allHandedOut: boolean;
}

export class BigFiles {
  readonly #target: TargetTree;
  readonly #pool: WorkerPool;
  readonly #readRecord: ReadRecord;
  readonly #signal: AbortSignal | undefined;
  readonly #onBytes: (bytes: number) => void;
  readonly #open = new Set<OpenFile>();

  constructor(
    target: TargetTree,
    pool: WorkerPool,
    readRecord: ReadRecord,
    signal: AbortSignal | undefined,
    onBytes: (bytes: number) => void,
  ) {
    this.#target = target;
    this.#pool = pool;
    this.#readRecord = readRecord;
    this.#signal = signal;
    this.#onBytes = onBytes;
  }

  /** Hands all of the file out; it is complete when `onEnd` is called, which may be later. */
  async restore(place: EntryPlace, entry: FileEntry, onEnd: (end: BigFileEnd) => void): Promise<void> {
    const file = this.#target.beginFile(place, entry.size);
    if (!isBigFile(file)) {
      onEnd({ entry, place, outcome: file, problem: undefined, isDamaged: false });
      return;
    }
    const state = { problem: undefined, isDamaged: false, bytes: 0, pending: 0, allHandedOut: false };
    const open: OpenFile = { file, entry, onEnd, ...state };
    this.#open.add(open);
    await this.#handOut(open);
    open.allHandedOut = true;
    this.#endIfDone(open);
  }

  /** Removes what is not complete, after the threads have stopped. */
  abandonAll(): void {
    for (const { file } of this.#open) this.#target.abandonFile(file);
    this.#open.clear();
  }

  async #handOut(open: OpenFile): Promise<void> {
    const { size, content } = open.entry;
    if (content.form !== "segments" && content.form !== "list") throw new Error("a large file has segments");
    let range: PlacedSegment[] = [];
    let bytes = 0;
    try {
      // Lists of holes alone may be endless, and hand nothing out that would notice a cancellation.
      const options = this.#signal === undefined ? {} : { signal: this.#signal };
      for await (const placed of readSegments({ size, content }, this.#readRecord, options)) {
        if (placed.segment.kind === "hole") continue;
        range.push(placed);
        bytes += placed.segment.kind === "data" ? placed.segment.length : 0;
        if (bytes < RANGE_BYTES && range.length < RANGE_SEGMENTS) continue;
        await this.#submit(open, range);
        range = [];
        bytes = 0;
        if (open.problem !== undefined) return;
      }
    } catch (error) {
      if (!isPassable(error)) throw error;
      open.problem ??= damagedNotice(open.file.place, error);
      open.isDamaged = true;
      return;
    }
    if (range.length > 0) await this.#submit(open, range);
  }

  async #submit(open: OpenFile, range: readonly PlacedSegment[]): Promise<void> {
    open.pending += 1;
    await this.#pool.submitRange(rangeTask(open.file, range), ({ bytes, problem, isDamaged }) => {
      open.pending -= 1;
      open.problem ??= problem;
      open.isDamaged ||= isDamaged;
      open.bytes += bytes;
      this.#onBytes(bytes);
      this.#endIfDone(open);
    });
  }

  #endIfDone(open: OpenFile): void {
    if (open.pending > 0 || !open.allHandedOut) return;
    this.#open.delete(open);
    const { file, entry, onEnd, problem, isDamaged } = open;
    if (problem !== undefined) {
      this.#target.abandonFile(file);
      this.#onBytes(-open.bytes);
    }
    const outcome = problem === undefined ? this.#target.finishFile(file, metadataOf(entry)) : undefined;
    onEnd({ entry, place: file.place, outcome, problem, isDamaged });
  }
}

/** Zeros make segments without content, of which a task could otherwise hold any number. */
const RANGE_SEGMENTS = 4096;

function rangeTask(file: BigFile, range: readonly PlacedSegment[]): RangeTask {
  const offsets = new Float64Array(range.length);
  const lengths = new Float64Array(range.length);
  const ids = new Uint8Array(range.length * ID_BYTES);
  for (const [index, { offset, segment }] of range.entries()) {
    offsets[index] = offset;
    lengths[index] = segment.length;
    if (segment.kind === "data") ids.set(segment.id, index * ID_BYTES);
  }
  // Copies: posting a view takes all of the memory behind it along.
  const folder = new Uint8Array(file.place.folder);
  const name = new Uint8Array(file.place.name);
  return { kind: "range", fd: file.fd, folder, name, offsets, lengths, ids };
}
