import type { Selection } from "../selection/selection.ts";
import type { AnswerBuilder } from "./answer-builder.ts";
import type { AskedPath } from "./asked-paths.ts";
import type { CacheCursor } from "./change-cache/cursor.ts";
import type { ContentStore } from "./content-store.ts";
import type { ThreadCounters } from "./counters.ts";
import type { EntryLooker } from "./entry-looker.ts";
import type { FileQueue } from "./file-queue.ts";
import type { SourcePaths } from "./source-paths.ts";

/** What a walk works with; one of each per worker. */
export interface WalkContext {
  readonly asked: AskedPath;
  readonly places: SourcePaths;
  readonly selection: Selection;
  /** Directories that are not entered, as `device:inode`: the repository itself, its cache. */
  readonly skipped: ReadonlySet<string>;
  readonly dryRun: boolean;
  /** Words of `CONTROL`. */
  readonly control: Int32Array;
  readonly cached: CacheCursor | undefined;
  /** Undefined in a dry run. */
  readonly store: ContentStore | undefined;
  readonly answer: AnswerBuilder;
  readonly files: FileQueue;
  readonly counters: ThreadCounters;
  readonly looker: EntryLooker;
}
