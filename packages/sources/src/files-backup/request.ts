/**
 * What a backup of files is asked for, and what it answers.
 *
 * @module
 */
import type { ErrorCode } from "@holdfast/kernel";
import type { Selection } from "../selection/selection.ts";
import type { SourceMapping } from "../snapshots/snapshot-system.ts";

export interface BackupWarning {
  /** Absolute, raw bytes. */
  readonly path: Buffer;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface BackupProgress {
  /** Files and bytes that are done, unchanged ones included. */
  readonly files: number;
  readonly bytes: number;
  /** What the last backup of the same paths had; undefined when that is not known. */
  readonly filesExpected: number | undefined;
  readonly bytesExpected: number | undefined;
  /** Bytes done per second since the start. */
  readonly bytesPerSecond: number;
}

export interface BackupRequest {
  /** Absolute. Symbolic links on the way to them are followed, what they name themselves is not. */
  readonly paths: readonly Buffer[];
  readonly selection: Selection;
  /** Do not enter folders on another file system than the path that was asked for. */
  readonly oneFileSystem: boolean;
  /** What is read in place of what: the snapshots that `freezeVolumes` has made. Names in the copy do not change. */
  readonly readFrom?: readonly SourceMapping[];
  /** Folders that are kept without their content, such as the one with this program's own keys. */
  readonly ownFolders?: readonly string[];
  readonly host: string;
  readonly tags: readonly string[];
  readonly name?: string;
  /** Name and version of the program, for the manifest. */
  readonly program: string;
  /** zstd level, 0 for none. */
  readonly compressionLevel: number;
  /** Threads that read, compress and encrypt; each takes about 45 MB. Default: one a core, 2 or 3. */
  readonly workers?: number;
  /** Only look what a backup would do: nothing is read but metadata, nothing is written. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  /** Called at most ten times a second. */
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly onWarning?: (warning: BackupWarning) => void;
}

export interface BackupResult {
  /** Undefined after a dry run. */
  readonly copyId: string | undefined;
  /** Of the copy, milliseconds since the epoch. */
  readonly timeMs: number | undefined;
  /** Bytes of all files of the copy, read anew or not. */
  readonly size: number | undefined;
  /** Files that the last backup of the same paths did not have; all of them when nothing is known about it. */
  readonly filesNew: number;
  readonly filesChanged: number;
  readonly filesUnchanged: number;
  readonly directories: number;
  /** Of file content. */
  readonly bytesRead: number;
  /** New plaintext: content and metadata that the repository did not have. Of a dry run: what would be read. */
  readonly bytesAdded: number;
  /** Of all objects written. */
  readonly bytesStored: number;
  readonly seconds: number;
  readonly warnings: number;
}
