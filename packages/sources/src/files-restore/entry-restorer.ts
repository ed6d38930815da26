/**
 * Restores entries and stretches of large files: the work of one thread.
 *
 * @module
 */
import { AppError, keepFreedMemory } from "@holdfast/kernel";
import {
  type Entry,
  type FileEntry,
  isPassable,
  openChunkIndex,
  openObjects,
  readingKeys,
  RecordDecoder,
  type Segment,
  SyncChunkReader,
  type SyncObjectReader,
} from "@holdfast/repository";
import { displayPath, joinPath } from "../restore-tree/entry-name.ts";
import type { EntryPlace, RestoreOutcome, RestoreWarning } from "../restore-tree/outcome.ts";
import { isBigFile, openTarget, type TargetTree } from "../restore-tree/target.ts";
import { damagedNotice } from "./damaged-notice.ts";
import { metadataOf } from "./entry-metadata.ts";
import { LeftOut } from "./left-out.ts";
import type {
  DamagedEntry,
  EntriesDone,
  EntriesTask,
  LinkedEntry,
  Notice,
  RangeDone,
  RangeTask,
  Task,
  WorkerSetup,
} from "./messages.ts";
import { readSections, sectionOf } from "./section-writer.ts";
import { WHOLE_FILE_BYTES_MAX } from "./sizes.ts";

const INDEX_FRAMES = 1536;
const ID_BYTES = 32;
const NO_ID = Buffer.alloc(ID_BYTES);

interface Tally {
  files: number;
  skipped: number;
  bytes: number;
  readonly notices: Notice[];
  readonly damaged: DamagedEntry[];
  readonly linked: LinkedEntry[];
}

export class EntryRestorer {
  readonly #target: TargetTree;
  readonly #objects: SyncObjectReader;
  readonly #decoder: RecordDecoder;
  readonly #chunks: SyncChunkReader;
  readonly #stop: Int32Array;
  readonly #leftOut = new LeftOut();
  /** The content of the file in work. */
  readonly #scratch = Buffer.allocUnsafeSlow(WHOLE_FILE_BYTES_MAX);

  constructor(setup: WorkerSetup) {
    const { existing, owners } = setup;
    keepFreedMemory();
    this.#target = openTarget(setup.target, { existing, ...(owners === undefined ? {} : { owners }) });
    this.#objects = openObjects(setup.objects);
    this.#decoder = new RecordDecoder(readingKeys(setup.keys));
    this.#chunks = new SyncChunkReader({
      index: openChunkIndex(setup.snapshot, INDEX_FRAMES),
      decoder: this.#decoder,
      objects: this.#objects,
    });
    this.#stop = new Int32Array(setup.stop);
  }

  /** Says that a task is going to be run, after those that were expected before; to be disposed when it was. */
  expect(task: Task): Disposable {
    return this.#chunks.expect(task.kind === "entries" ? idsOfSections(task.sections) : idsOfRange(task.ids));
  }

  /** @throws AppError when the restore as a whole cannot go on. */
  run(task: Task): EntriesDone | RangeDone {
    return task.kind === "entries" ? this.#entries(task) : this.#range(task);
  }

  close(): void {
    this.#decoder.wipe();
    this.#objects.close();
    this.#target.close();
  }

  #entries(task: EntriesTask): EntriesDone {
    const tally: Tally = { files: 0, skipped: 0, bytes: 0, notices: [], damaged: [], linked: [] };
    for (const { folder, entry } of readSections(task.sections)) {
      this.#throwIfStopped();
      this.#entry(folder, entry, tally);
    }
    return { kind: "done", ...tally, leftOut: this.#leftOut.drain() };
  }

  #entry(folder: Buffer, entry: Entry, tally: Tally): void {
    const place = { folder, name: entry.name };
    let outcome: RestoreOutcome | undefined;
    try {
      outcome = this.#make(place, entry);
    } catch (error) {
      if (!isPassable(error)) throw error;
      tally.damaged.push({ notice: damagedNotice(place, error), section: sectionOf(folder, entry) });
    }
    if (outcome !== undefined) this.#count(entry, place, outcome, tally);
    if (entry.link !== undefined) tally.linked.push({ ...entry.link, place: placeToLink(folder, outcome) });
  }

  #count(entry: Entry, place: EntryPlace, outcome: RestoreOutcome, tally: Tally): void {
    for (const warning of outcome.warnings) tally.notices.push(noticeOf(warning));
    if (outcome.result === "failed") return;
    if (outcome.result === "skipped") {
      tally.skipped += 1;
      return;
    }
    tally.files += 1;
    this.#leftOut.note(entry);
    if (entry.kind !== "file") return;
    tally.bytes += entry.size;
    if (entry.changedWhileRead) {
      const path = joinPath(place.folder, outcome.name);
      const message = `${displayPath(path)}: it changed while it was backed up, so that its content may be a mixture.`;
      tally.notices.push({ path, code: "ERR_SOURCE_CHANGED", message });
    }
  }

  #make(place: EntryPlace, entry: Entry): RestoreOutcome {
    switch (entry.kind) {
      case "file":
        return this.#file(place, entry);
      case "symlink":
        return this.#target.makeSymlink(place, entry.target, metadataOf(entry));
      case "char":
      case "block":
        return this.#target.makeSpecial(place, entry, metadataOf(entry));
      case "fifo":
      case "socket":
        return this.#target.makeSpecial(place, { kind: entry.kind, major: 0, minor: 0 }, metadataOf(entry));
      case "directory":
        break;
    }
    throw new Error("folders are made by the main thread");
  }

  #file(place: EntryPlace, entry: FileEntry): RestoreOutcome {
    const { content } = entry;
    switch (content.form) {
      case "empty":
        return this.#target.writeFile(place, NO_ID.subarray(0, 0), metadataOf(entry));
      case "inline":
        return this.#target.writeFile(place, content.bytes, metadataOf(entry));
      case "segments":
        return content.segments.some((segment) => segment.kind === "hole")
          ? this.#sparseFile(place, entry, content.segments)
          : this.#target.writeFile(place, this.#assemble(content.segments), metadataOf(entry));
      case "list":
        break;
    }
    throw new Error("files with lists are restored by ranges");
  }

  #assemble(segments: readonly Segment[]): Uint8Array {
    const [only] = segments;
    if (segments.length === 1 && only?.kind === "data") return this.#chunks.read(only.id, only.length);
    let length = 0;
    for (const segment of segments) {
      if (segment.kind === "data") this.#scratch.set(this.#chunks.read(segment.id, segment.length), length);
      else this.#scratch.fill(0, length, length + segment.length);
      length += segment.length;
    }
    return this.#scratch.subarray(0, length);
  }

  #sparseFile(place: EntryPlace, entry: FileEntry, segments: readonly Segment[]): RestoreOutcome {
    const begun = this.#target.beginFile(place, entry.size);
    if (!isBigFile(begun)) return begun;
    let failure: RestoreWarning | undefined;
    try {
      let offset = 0;
      for (const segment of segments) {
        failure ??= this.#writeSegment(begun, segment, offset);
        offset += segment.length;
      }
    } catch (error) {
      this.#target.abandonFile(begun);
      throw error;
    }
    if (failure === undefined) return this.#target.finishFile(begun, metadataOf(entry));
    this.#target.abandonFile(begun);
    return { result: "failed", name: place.name, warnings: [failure] };
  }

  #range(task: RangeTask): RangeDone {
    const place = { folder: Buffer.from(task.folder), name: Buffer.from(task.name) };
    const file = { place, temporaryName: NO_ID, fd: task.fd };
    const ids = Buffer.from(task.ids.buffer, task.ids.byteOffset, task.ids.length);
    let bytes = 0;
    try {
      for (let index = 0; index < task.offsets.length; index += 1) {
        this.#throwIfStopped();
        const id = ids.subarray(index * ID_BYTES, (index + 1) * ID_BYTES);
        const length = task.lengths[index] ?? 0;
        const segment: Segment = id.equals(NO_ID) ? { kind: "zero", length } : { kind: "data", length, id };
        const warning = this.#writeSegment(file, segment, task.offsets[index] ?? 0);
        if (warning !== undefined)
          return { kind: "range-done", bytes, problem: noticeOf(warning), isDamaged: false };
        bytes += length;
      }
      return { kind: "range-done", bytes, problem: undefined, isDamaged: false };
    } catch (error) {
      if (!isPassable(error)) throw error;
      return { kind: "range-done", bytes, problem: damagedNotice(place, error), isDamaged: true };
    }
  }

  #writeSegment(
    file: Parameters<TargetTree["writeAt"]>[0],
    segment: Segment,
    offset: number,
  ): RestoreWarning | undefined {
    switch (segment.kind) {
      case "data":
        return this.#target.writeAt(file, this.#chunks.read(segment.id, segment.length), offset);
      case "zero":
        return this.#target.writeZerosAt(file, offset, segment.length);
      case "hole":
        break;
    }
    return undefined;
  }

  #throwIfStopped(): void {
    if (Atomics.load(this.#stop, 0) === 0) return;
    throw new AppError("ERR_CANCELLED", "The restore was stopped.");
  }
}

/** Of all chunks in a task's files, in the order they are read. */
function* idsOfSections(sections: Uint8Array): Generator<Buffer> {
  for (const { entry } of readSections(sections)) {
    if (entry.kind !== "file" || entry.content.form !== "segments") continue;
    for (const segment of entry.content.segments) if (segment.kind === "data") yield segment.id;
  }
}

function* idsOfRange(posted: Uint8Array): Generator<Buffer> {
  const ids = Buffer.from(posted.buffer, posted.byteOffset, posted.length);
  for (let start = 0; start < ids.length; start += ID_BYTES) {
    const id = ids.subarray(start, start + ID_BYTES);
    if (!id.equals(NO_ID)) yield id;
  }
}

/** Copies: posting a view takes all of the memory behind it along. */
function placeToLink(folder: Buffer, outcome: RestoreOutcome | undefined): LinkedEntry["place"] {
  if (outcome === undefined || outcome.result === "failed" || outcome.result === "skipped") return undefined;
  return { folder: new Uint8Array(folder), name: new Uint8Array(outcome.name) };
}

function noticeOf(warning: RestoreWarning): Notice {
  return { path: warning.path, code: warning.code, message: warning.message };
}
