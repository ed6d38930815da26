/**
 * What a succeeded run answers, one shape for each kind of task (docs/protocol.md, section 4).
 *
 * @module
 */
import { z } from "zod";
import { copyId, count, instant, line } from "../values.ts";
import { LOOKUP_COPIES_MAX, pathBytes, type TaskKind } from "./tasks.ts";

/** A copy as the catalogue of the service keeps it. */
export const catalogueCopy = z.object({
  id: copyId,
  time: instant,
  host: z.string().max(1000),
  kind: z.string().max(40),
  name: z.string().max(1000).optional(),
  paths: z.array(z.string().max(4096)).max(1000),
  tags: z.array(line(200)).max(100),
  /** Plaintext bytes and files of the whole copy. */
  size: count,
  files: count,
});
export type CatalogueCopy = z.infer<typeof catalogueCopy>;

const seconds = z.number().nonnegative();

const entryFields = {
  kind: z.enum(["file", "directory", "symlink", "other"]),
  size: count,
  modifiedMs: z.number().optional(),
};
/** Path for people; `pathBytes` when it is not the whole truth: then only those name the entry. */
const shownPath = { path: z.string().max(4096), pathBytes: pathBytes.optional() };

export const browsedEntry = z.object({
  name: z.string().max(4096),
  /** Of the whole path, when the name is not UTF-8: then only this names the entry. */
  pathBytes: pathBytes.optional(),
  ...entryFields,
});

export const foundPath = z.object({
  ...shownPath,
  /** As the newest copy that has it says. */
  ...entryFields,
  /** Which of the copies have it, by number in `copies`. */
  in: z.array(count.max(LOOKUP_COPIES_MAX)).max(LOOKUP_COPIES_MAX),
  /** How many sizes and times of change it has in them. */
  versions: count,
});

export const pathVersion = z.object({
  copy: copyId,
  time: instant,
  /** Against the copy before; `absent`: it is in neither. */
  change: z.enum(["added", "removed", "modified", "metadata", "same", "absent"]),
  kind: entryFields.kind.optional(),
  size: count.optional(),
  modifiedMs: z.number().optional(),
});

const side = z.object(entryFields);
export const differenceCounts = z.object({ added: count, removed: count, modified: count, metadata: count });
export const difference = z.object({
  ...shownPath,
  /** `modified`: content, kind or target. `metadata`: anything else, such as times, owners and permissions. */
  change: z.enum(["added", "removed", "modified", "metadata"]),
  before: side.optional(),
  after: side.optional(),
});

/** Left in the storage that was written to, where it tells. */
const freeBytes = count.optional();

export const taskResults = {
  "storage.test": z.object({ milliseconds: z.number(), freeBytes }),
  backup: z.object({
    copy: catalogueCopy,
    freeBytes,
    filesNew: count,
    filesChanged: count,
    filesUnchanged: count,
    bytesRead: count,
    bytesAdded: count,
    bytesStored: count,
    seconds,
    warnings: count,
  }),
  copies: z.object({ copies: z.array(catalogueCopy).max(10_000), complete: z.boolean() }),
  restore: z.object({
    files: count,
    bytes: count,
    seconds,
    warnings: count,
    folders: count.optional(),
    /** Were there already and stayed. */
    skipped: count.optional(),
    /** True: this is what would be written; nothing was. */
    dryRun: z.boolean().optional(),
  }),
  verify: z.object({
    objects: count,
    bytes: count,
    seconds,
    damaged: z.array(z.object({ object: z.string().max(200), copies: z.array(copyId).max(1000) })).max(1000),
    damagedCount: count,
  }),
  forget: z.object({ copies: z.array(copyId).max(10_000) }),
  clean: z.object({ bytesFreed: count, seconds, freeBytes }),
  replicate: z.object({
    freeBytes,
    copies: count,
    bytesStored: count,
    seconds,
    /** Those of the task that are in the target by now, also those that were there before. */
    replicated: z.array(copyId).max(10_000),
  }),
  browse: z.object({ entries: z.array(browsedEntry).max(1000), next: z.string().max(4096).optional() }),
  search: z.object({
    /** Those that were looked through, the newest first. */
    copies: z.array(copyId).max(LOOKUP_COPIES_MAX),
    found: z.array(foundPath).max(1000),
    next: pathBytes.optional(),
    /** False when the time was over: then not all copies were looked through to the end. */
    complete: z.boolean(),
  }),
  versions: z.object({ versions: z.array(pathVersion).max(LOOKUP_COPIES_MAX) }),
  compare: z.object({
    differences: z.array(difference).max(1000),
    next: pathBytes.optional(),
    /** Of the first page alone: everything there is, and by the entries of the folder. */
    counts: differenceCounts.optional(),
    folders: z
      .array(differenceCounts.extend({ name: z.string().max(4096), pathBytes: pathBytes.optional() }))
      .max(1000)
      .optional(),
  }),
  download: z.object({ files: count, bytes: count, seconds, warnings: count }),
} as const satisfies Record<TaskKind, z.ZodType>;

export type TaskResult<K extends TaskKind> = z.infer<(typeof taskResults)[K]>;
