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
import type { Notice, RangeTask, TaskDone } from "./messages.ts";
import { RANGE_BYTES } from "./sizes.ts";
import type { WorkerPool } from "./worker-pool.ts";

const ID_BYTES = 32;

/** How a large file ended. */
export interface BigFileEnd {
  readonly entry: FileEntry;
  readonly place: EntryPlace;
  /** Undefined when it was left out; the notices tell why. */
  readonly outcome: RestoreOutcome | undefined;
  readonly notices: readonly Notice[];
}

interface OpenFile {
  readonly file: BigFile;
  readonly entry: FileEntry;
  readonly notices: Notice[];
  readonly onEnd: (end: BigFileEnd) => void;
  pending: number;
  allHandedOut: boolean;
}

export class BigFiles {
  readonly #target: TargetTree;
  readonly #pool: WorkerPool;
  readonly #readRecord: ReadRecord;
  readonly #onBytes: (bytes: number) => void;
  readonly #open = new Set<OpenFile>();

  constructor(
    target: TargetTree,
    pool: WorkerPool,
    readRecord: ReadRecord,
    onBytes: (bytes: number) => void,
  ) {
    this.#target = target;
    this.#pool = pool;
    this.#readRecord = readRecord;
    this.#onBytes = onBytes;
  }

  /** Hands all of the file out; it is complete when `onEnd` is called, which may be later. */
  async restore(place: EntryPlace, entry: FileEntry, onEnd: (end: BigFileEnd) => void): Promise<void> {
    const begun = this.#target.beginFile(place, entry.size);
    if (!isBigFile(begun)) {
      onEnd({ entry, place, outcome: begun, notices: [] });
      return;
    }
    const open: OpenFile = { file: begun, entry, notices: [], onEnd, pending: 0, allHandedOut: false };
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
      for await (const placed of readSegments({ size, content }, this.#readRecord)) {
        if (placed.segment.kind === "hole") continue;
        range.push(placed);
        bytes += placed.segment.kind === "data" ? placed.segment.length : 0;
        if (bytes < RANGE_BYTES && range.length < RANGE_SEGMENTS) continue;
        await this.#submit(open, range);
        range = [];
        bytes = 0;
        if (open.notices.some((notice) => notice.damaged)) return;
      }
    } catch (error) {
      if (!isPassable(error)) throw error;
      open.notices.push(damagedNotice(open.file.place, error));
      return;
    }
    if (range.length > 0) await this.#submit(open, range);
  }

  async #submit(open: OpenFile, range: readonly PlacedSegment[]): Promise<void> {
    const task = rangeTask(open.file, range);
    open.pending += 1;
    await this.#pool.submit(task, [task.offsets.buffer, task.lengths.buffer, task.ids.buffer], (done) => {
      this.#received(open, done);
    });
  }

  #received(open: OpenFile, done: TaskDone): void {
    open.pending -= 1;
    open.notices.push(...done.notices);
    this.#onBytes(done.bytes);
    this.#endIfDone(open);
  }

  #endIfDone(open: OpenFile): void {
    if (open.pending > 0 || !open.allHandedOut) return;
    this.#open.delete(open);
    const { file, entry, onEnd } = open;
    // Several stretches of a damaged file say the same.
    const notices = open.notices.slice(0, 1);
    if (notices.length > 0) this.#target.abandonFile(file);
    const outcome = notices.length > 0 ? undefined : this.#target.finishFile(file, metadataOf(entry));
    onEnd({ entry, place: file.place, outcome, notices });
  }
}

/** Zeros make segments without content, of which a task could otherwise hold any number. */
const RANGE_SEGMENTS = 4096;

interface OwnedRangeTask extends RangeTask {
  readonly offsets: Float64Array<ArrayBuffer>;
  readonly lengths: Float64Array<ArrayBuffer>;
  readonly ids: Uint8Array<ArrayBuffer>;
}

function rangeTask(file: BigFile, range: readonly PlacedSegment[]): OwnedRangeTask {
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
