/**
 * What the main thread of a restore and its workers tell each other. Bytes that are posted arrive as plain `Uint8Array`s.
 *
 * @module
 */
import type { ErrorCode, ErrorRecord } from "@holdfast/kernel";
import type { ChunkIndexSnapshot, KeySet, ObjectSource } from "@holdfast/repository";
import type { ExistingPolicy, OwnerPolicy } from "../restore-tree/target-context.ts";

export interface WorkerSetup {
  /** With the read capability; stays in the memory of the process. */
  readonly keys: KeySet;
  readonly snapshot: ChunkIndexSnapshot;
  readonly objects: ObjectSource;
  readonly target: string;
  readonly existing: ExistingPolicy;
  readonly owners: OwnerPolicy | undefined;
  /** One word; not 0 once the restore has been given up. */
  readonly stop: SharedArrayBuffer;
}

/** Entries but folders and large files: sections as in a page, but with the paths in the target. */
export interface EntriesTask {
  readonly kind: "entries";
  readonly sections: Uint8Array<ArrayBuffer>;
}

/** A stretch of a large file; item `i` of each array belongs to segment `i`. */
export interface RangeTask {
  readonly kind: "range";
  readonly fd: number;
  readonly folder: Uint8Array;
  readonly name: Uint8Array;
  readonly offsets: Float64Array<ArrayBuffer>;
  readonly lengths: Float64Array<ArrayBuffer>;
  /** 32 bytes each; all zero for zeros that take space. */
  readonly ids: Uint8Array<ArrayBuffer>;
}

export type Task = EntriesTask | RangeTask;

export type WorkerMessage =
  | { readonly kind: "setup"; readonly setup: WorkerSetup }
  | { readonly kind: "close" }
  | Task;

export interface Notice {
  readonly path: Uint8Array;
  readonly code: ErrorCode;
  readonly message: string;
}

/** An entry that was left out because its data is damaged or missing; it may be tried again. */
export interface DamagedEntry {
  readonly notice: Notice;
  /** The entry as a section of a task. */
  readonly section: Uint8Array;
}

/** How an entry ended that has other names: these become links to it. */
export interface LinkedEntry {
  readonly device: bigint;
  readonly inode: bigint;
  /** Where it is now; undefined when there is nothing to link to. */
  readonly place: { readonly folder: Uint8Array; readonly name: Uint8Array } | undefined;
}

export interface EntriesDone {
  readonly kind: "done";
  readonly files: number;
  readonly skipped: number;
  readonly bytes: number;
  readonly notices: readonly Notice[];
  readonly damaged: readonly DamagedEntry[];
  readonly linked: readonly LinkedEntry[];
  /** Metadata that was left out, with the number of entries: see {@link LeftOut}. */
  readonly leftOut: readonly (readonly [kind: string, count: number])[];
}

export interface RangeDone {
  readonly kind: "range-done";
  readonly bytes: number;
  /** Why the file cannot be completed. */
  readonly problem: Notice | undefined;
  /** The problem is damaged or missing data. */
  readonly isDamaged: boolean;
}

/** The restore as a whole cannot go on. */
export interface TaskFailed {
  readonly kind: "failed";
  readonly error: ErrorRecord;
}

export type Reply = EntriesDone | RangeDone | TaskFailed;
