/**
 * What a succeeded run answers, one shape for each kind of task (docs/protocol.md, section 4).
 *
 * @module
 */
import { z } from "zod";
import { copyId, count, instant, line } from "../values.ts";
import type { TaskKind } from "./tasks.ts";

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

export const browsedEntry = z.object({
  name: z.string().max(4096),
  kind: z.enum(["file", "directory", "symlink", "other"]),
  size: count,
  modifiedMs: z.number().optional(),
});

export const taskResults = {
  "storage.test": z.object({ milliseconds: z.number(), freeBytes: count.optional() }),
  backup: z.object({
    copy: catalogueCopy,
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
  restore: z.object({ files: count, bytes: count, seconds, warnings: count }),
  verify: z.object({
    objects: count,
    bytes: count,
    seconds,
    damaged: z.array(z.object({ object: z.string().max(200), copies: z.array(copyId).max(1000) })).max(1000),
    damagedCount: count,
  }),
  forget: z.object({ copies: z.array(copyId).max(10_000) }),
  clean: z.object({ bytesFreed: count, seconds }),
  replicate: z.object({
    copies: count,
    bytesStored: count,
    seconds,
    /** Those of the task that are in the target by now, also those that were there before. */
    replicated: z.array(copyId).max(10_000),
  }),
  browse: z.object({ entries: z.array(browsedEntry).max(1000), next: z.string().max(4096).optional() }),
} as const satisfies Record<TaskKind, z.ZodType>;

export type TaskResult<K extends TaskKind> = z.infer<(typeof taskResults)[K]>;
