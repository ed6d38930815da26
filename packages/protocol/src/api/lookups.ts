/**
 * Searching and comparing copies over the API: started, and asked for until they are done.
 *
 * @module
 */
import { z } from "zod";
import { runProgress } from "../agent/messages.ts";
import { taskResults } from "../agent/results.ts";
import { LOOKUP_COPIES_MAX, pathBytes } from "../agent/tasks.ts";
import { copyId, count, deviceId, errorRecord, instant, planId, repositoryId, taskId } from "../values.ts";
import { taskState } from "./tasks.ts";

const limit = z.int().min(1).max(1000).default(200);
const place = {
  /** Only below this folder. */
  path: z.string().max(4096).default(""),
  pathBytes: pathBytes.optional(),
};
const runOn = deviceId.optional();

export const newSearch = z
  .object({
    pattern: z.string().min(1).max(1000),
    /** `text`: part of a name, whatever its case. `glob`: such as `*.docx` or `/home/*` + `/Mail`. */
    match: z.enum(["text", "glob"]).default("text"),
    /** In this copy; or in the newest copies that fit the rest. */
    copy: copyId.optional(),
    plan: planId.optional(),
    device: deviceId.optional(),
    repository: repositoryId.optional(),
    since: instant.optional(),
    until: instant.optional(),
    copiesMax: z.int().min(1).max(LOOKUP_COPIES_MAX).default(50),
    ...place,
    /** `next` of the page before. */
    after: pathBytes.optional(),
    limit,
    /** Then it answers what it has. */
    secondsMax: z.int().min(1).max(600).default(60),
    /** The device that reads; default: a worker, or the device that made the copies. */
    runOn,
  })
  .refine(
    ({ copy, plan, device, repository }) =>
      [copy, plan, device, repository].some((given) => given !== undefined),
    "names no copy, plan, device or repository to search in",
  );
export type NewSearch = z.infer<typeof newSearch>;

/** Copies of several repositories are searched by a task each. */
export const startedSearch = z.object({
  searches: z.array(z.object({ task: taskId, repository: repositoryId, copies: count })),
});
export type StartedSearch = z.infer<typeof startedSearch>;

export const newComparison = z.object({
  /** Default: the repository where the copy `before` was made. */
  repository: repositoryId.optional(),
  before: copyId,
  after: copyId,
  ...place,
  /** `next` of the page before. */
  from: pathBytes.optional(),
  limit,
  runOn,
});
export type NewComparison = z.infer<typeof newComparison>;

export const lookupQuery = z.object({
  /** Seconds to wait for the end before it answers how far it is. */
  wait: z.coerce.number().int().min(0).max(25).default(0),
});

const lookupFields = {
  task: taskId,
  state: taskState,
  progress: runProgress.nullable(),
  error: errorRecord.nullable(),
};

/** `result` is null until it is done, and again an hour later. */
export const searchView = z.object({ ...lookupFields, result: taskResults.search.nullable() });
export const comparisonView = z.object({ ...lookupFields, result: taskResults.compare.nullable() });

export const versionsQuery = z.object({
  /** Default: the one where the copy was made. */
  repository: repositoryId.optional(),
  path: z.string().min(1).max(4096).optional(),
  pathBytes: pathBytes.optional(),
  /** So many of the newest copies of the same device and repository, to this one. */
  copies: z.coerce.number().int().min(1).max(LOOKUP_COPIES_MAX).default(100),
  runOn,
});
export type VersionsQuery = z.infer<typeof versionsQuery>;
/** The newest first. */
export const pathVersions = taskResults.versions;
