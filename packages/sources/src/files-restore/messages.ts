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
  readonly sections: Uint8Array;
}

/** A stretch of a large file; item `i` of each array belongs to segment `i`. */
export interface RangeTask {
  readonly kind: "range";
  readonly fd: number;
  readonly folder: Uint8Array;
  readonly name: Uint8Array;
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  /** 32 bytes each; all zero for zeros that take space. */
  readonly ids: Uint8Array;
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
  /** The entry was left out because its data is damaged. */
  readonly damaged: boolean;
}

/** How an entry ended that has other names: these become links to it. */
export interface LinkedEntry {
  readonly device: bigint;
  readonly inode: bigint;
  /** Where it is now; undefined when there is nothing to link to. */
  readonly place: { readonly folder: Uint8Array; readonly name: Uint8Array } | undefined;
}

export interface TaskDone {
  readonly kind: "done";
  readonly files: number;
  readonly skipped: number;
  readonly bytes: number;
  readonly notices: readonly Notice[];
  readonly linked: readonly LinkedEntry[];
}

/** The restore as a whole cannot go on. */
export interface TaskFailed {
  readonly kind: "failed";
  readonly error: ErrorRecord;
}

export type Reply = TaskDone | TaskFailed;
