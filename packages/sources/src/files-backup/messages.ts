/**
 * What the main thread and its workers say to each other: few and flat messages, because each costs microseconds and
 * each object in it some more.
 *
 * A *task* is about a megabyte of work. Its answer lists, in the order of the tree, what was done and what was left over for
 * later tasks.
 *
 * @module
 */
import type { EncodedEntries, FileEntry, SealedSlot, SegmentDescription } from "@holdfast/repository";
import type { ErrorCode, ErrorRecord } from "@holdfast/kernel";
import type { Stamp } from "./change-cache/stamp.ts";
import type { FlatSegments } from "./flat-segments.ts";
import type { PathText } from "./path-text.ts";

/** Directories side by side, to be visited with everything below them. */
export interface DirectoryRun {
  readonly parent: PathText;
  /** Joined by NUL, in order. The root directory is the run of parent "" and name "". */
  readonly names: string;
  /** Device of the path that was asked for; -1 above such paths. */
  readonly rootDevice: number;
}

export interface WalkTask {
  readonly kind: "walk";
  readonly id: number;
  readonly run: DirectoryRun;
}

/** Some entries of a large directory. */
export interface SliceTask {
  readonly kind: "slice";
  readonly id: number;
  readonly directory: PathText;
  /** Joined by NUL, in order. */
  readonly names: string;
  readonly rootDevice: number;
}

/** A part of a large file. */
export interface PieceTask {
  readonly kind: "piece";
  readonly id: number;
  readonly directory: PathText;
  readonly name: PathText;
  readonly offset: number;
  readonly length: number;
  readonly stamp: Stamp;
  readonly sparse: boolean;
}

export type Task = WalkTask | SliceTask | PieceTask;

/** A large file: its entry without content. */
export interface LargeFile {
  readonly directory: PathText;
  readonly name: PathText;
  readonly entry: Omit<FileEntry, "name" | "content">;
  readonly stamp: Stamp;
  readonly sparse: boolean;
  /** Already read by the worker, but with more segments than an entry holds. */
  readonly content: FlatSegments | undefined;
}

/** Where a block of the change cache was written. */
export interface CacheBlock {
  /** Key of its first row. */
  readonly directory: PathText;
  readonly name: PathText;
  readonly offset: number;
  readonly length: number;
}

export type Step =
  /** The entries of the batch from where the last section ended up to `to` are in `directory`. */
  | { readonly kind: "section"; readonly directory: PathText; readonly to: number }
  | { readonly kind: "file"; readonly file: LargeFile }
  | { readonly kind: "cache"; readonly block: CacheBlock }
  | { readonly kind: "run"; readonly run: DirectoryRun }
  /**
   * The rest of a directory that is too large for one task; `found` are the directories in what was done of it, to be
   * visited behind all its entries. Always the last step of a slice.
   */
  | {
      readonly kind: "rest";
      readonly directory: PathText;
      readonly rootDevice: number;
      readonly slices: readonly string[];
      readonly found: readonly DirectoryRun[];
    };

export interface WarningRecord {
  readonly path: PathText;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface WalkedMessage {
  readonly kind: "walked";
  readonly id: number;
  readonly batch: EncodedEntries;
  readonly steps: readonly Step[];
  readonly warnings: readonly WarningRecord[];
}

export interface PieceMessage {
  readonly kind: "piece";
  readonly id: number;
  /** Undefined when the file could not be read: then there is a warning. */
  readonly content: FlatSegments | undefined;
  readonly changed: boolean;
  readonly warnings: readonly WarningRecord[];
}

export type WorkerMessage =
  | WalkedMessage
  | PieceMessage
  | { readonly kind: "pack"; readonly sealed: SealedSlot }
  | { readonly kind: "indexed"; readonly version: number }
  | { readonly kind: "finished" }
  | { readonly kind: "failed"; readonly error: ErrorRecord };

export type MainMessage =
  | Task
  /** Chunks that the session has stored are in the index now. */
  | { readonly kind: "segment"; readonly segment: SegmentDescription }
  /** No task follows: store what is still open. */
  | { readonly kind: "finish" };

/** Words of the control memory that main thread and workers share. */
export const CONTROL = {
  /** How many tasks are wanted at once: above 0 a worker ends its task early and gives the rest back. */
  wanted: 0,
  words: 16,
} as const;
