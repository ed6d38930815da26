import type { ErrorCode } from "@holdfast/kernel";
import type { Copy } from "@holdfast/repository";
import type { Inclusion } from "../selection/inclusion.ts";
import type { ExistingPolicy, OwnerPolicy } from "../restore-tree/target-context.ts";

export interface RestoreRequest {
  readonly copy: Copy;
  /** Folder that everything is restored below, with its full path; made where it is missing. */
  readonly target: string;
  /** What of the copy is wanted; everything when absent. `outside` for a folder holds for all below it. */
  readonly include?: Pick<Inclusion, "match">;
  readonly existing: ExistingPolicy;
  /** Default: `numbers` for root, `leave` for everybody else. */
  readonly owners?: OwnerPolicy;
  /** Writes nothing and reads no content: only counts. */
  readonly dryRun?: boolean;
  /** Wait at the end until everything has reached the disk. */
  readonly durable?: boolean;
  /** Threads; default: the number of cores, at least 2 and at most 4. */
  readonly workers?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RestoreProgress) => void;
  readonly onWarning?: (warning: RestoreNotice) => void;
}

export interface RestoreProgress {
  readonly files: number;
  readonly bytes: number;
  /** Bytes of all files of the copy, wanted or not. */
  readonly bytesTotal: number;
}

/** Something that is not as it was in the copy. */
export interface RestoreNotice {
  /** Relative to the target, raw bytes. */
  readonly path: Buffer;
  readonly code: ErrorCode;
  /** A sentence with the path. */
  readonly message: string;
}

export interface RestoreSummary {
  /** Files, links and other entries but folders that were written. */
  readonly files: number;
  readonly folders: number;
  /** Entries that were there already and stay. */
  readonly skipped: number;
  /** Of content. */
  readonly bytes: number;
  readonly seconds: number;
  /** Notices given, those of damage among them. */
  readonly warnings: number;
  /** Files left out because their data is damaged, and parts of the tree that are lost: see the notices. */
  readonly damaged: number;
}
