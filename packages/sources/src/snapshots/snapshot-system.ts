/**
 * Freezing volumes for the time of a backup, by the system's own tools.
 *
 * @module
 */
import type { ToolRunner } from "../tools/tool-runner.ts";

/** A snapshot that exists, as the journal keeps it: plain data, enough to remove it after a restart. */
export interface SnapshotRecord {
  /** Of the system: a GUID, a date. */
  readonly id: string;
  /** Folder it is mounted on; absent where it has a path of its own. */
  readonly mountPoint?: string;
}

/** What is below `path` is to be read below `source`. */
export interface SourceMapping {
  /** Components in the copy joined by `/`, one character a byte. */
  readonly path: string;
  /** As the system's calls take it. */
  readonly source: string;
}

export interface SnapshotTools {
  readonly run: ToolRunner;
  /** Makes an empty folder to mount something on. */
  readonly newFolder: () => Promise<string>;
  /** To be called the moment a snapshot exists, and again when more is known of it. */
  readonly created: (record: SnapshotRecord) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface SnapshotSystem {
  /** The volumes that these paths of a copy lie on, each once; those that cannot be frozen are named apart. */
  readonly volumesOf: (paths: readonly string[]) => {
    readonly volumes: readonly string[];
    readonly left: readonly string[];
  };
  /** Freezes one volume. @throws AppError `ERR_SNAPSHOT`. */
  readonly create: (volume: string, tools: SnapshotTools) => Promise<readonly SourceMapping[]>;
  /** Removes a snapshot; one that is gone already counts as removed. @throws AppError `ERR_SNAPSHOT`. */
  readonly remove: (record: SnapshotRecord, run: ToolRunner) => Promise<void>;
}
