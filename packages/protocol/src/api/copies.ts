/**
 * Copies over the API.
 *
 * @module
 */
import { z } from "zod";
import { browsedEntry } from "../agent/results.ts";
import { ARCHIVE_FORMS, pathBytes } from "../agent/tasks.ts";
import { copyId, count, deviceId, instant, planId, repositoryId, storageId } from "../values.ts";
import { pageQuery } from "./common.ts";

export const copy = z.object({
  id: copyId,
  repository: repositoryId,
  storage: storageId,
  plan: planId.nullable(),
  device: deviceId.nullable(),
  time: instant,
  host: z.string(),
  kind: z.string(),
  paths: z.array(z.string()),
  tags: z.array(z.string()),
  size: count,
  files: count,
  stored: count.nullable(),
  encryption: z.object({ method: z.string(), level: z.string() }).nullable(),
  /** It was brought to this repository by replication; the same id is, or was, in another one. */
  isReplica: z.boolean(),
  /** Nobody can delete it before; null when no retention lock holds it. */
  lockedUntil: instant.nullable(),
});
export type CopyView = z.infer<typeof copy>;

const flag = z.enum(["true", "false"]).transform((text) => text === "true");

/** Which copies: those that everything fits that is given. */
export const copyFilter = z.object({
  plan: planId.optional(),
  device: deviceId.optional(),
  repository: repositoryId.optional(),
  storage: storageId.optional(),
  kind: z.string().min(1).max(40).optional(),
  /** One of its tags is this. */
  tag: z.string().min(1).max(200).optional(),
  /** Of host, paths, tags, names of plan and device, or the beginning of the id; whatever its case. */
  text: z.string().min(1).max(200).optional(),
  /** Made at this time or later. */
  since: z.coerce.number().pipe(instant).optional(),
  /** Made before this time. */
  until: z.coerce.number().pipe(instant).optional(),
});
export type CopyFilter = z.infer<typeof copyFilter>;

export const copyQuery = pageQuery.extend({
  ...copyFilter.shape,
  /** True: of each device in each plan only the newest copy; of copies that no device here made, the newest of each host. */
  newest: flag.optional(),
});

export const copySummary = z.object({
  copies: count,
  /** Of plaintext, each copy counted whole. */
  size: count,
  files: count,
  /** What was added to storages for them, as far as it is known. */
  stored: count,
  oldest: instant.nullable(),
  newest: instant.nullable(),
});
export type CopySummary = z.infer<typeof copySummary>;

/** Which of them, when replicas have the copy as well. Default: where it was made. */
export const copyPlace = z.object({ repository: repositoryId.optional() });

export const restoreRequest = z.object({
  ...copyPlace.shape,
  /** Default: the device that made the copy. */
  device: deviceId.optional(),
  /** A folder on that device. Absent: every file goes back to where it was. */
  target: z.string().min(1).max(4096).optional(),
  /** Patterns, or paths that have none of their characters. */
  include: z.array(z.string().min(1).max(4096)).max(1000).default([]),
  /** Whole paths, as browsing and searching show them: no character means anything but itself. */
  paths: z.array(z.string().min(1).max(4096)).max(1000).default([]),
  /** The same by `pathBytes`, for names that are not UTF-8. */
  pathBytes: z.array(pathBytes).max(1000).default([]),
  existing: z.enum(["skip", "overwrite", "keep-both"]).default("skip"),
  /** True: nothing is written; the result of the task counts what would be. */
  dryRun: z.boolean().default(false),
});
export type RestoreRequest = z.infer<typeof restoreRequest>;

export const browseQuery = z.object({
  ...copyPlace.shape,
  path: z.string().max(4096).default(""),
  pathBytes: pathBytes.optional(),
  after: z.string().max(4096).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
  device: deviceId.optional(),
});
export type BrowseQuery = z.infer<typeof browseQuery>;

export const browsePage = z.object({ entries: z.array(browsedEntry), next: z.string().optional() });

export const copyDeletion = z.object({
  ...copyPlace.shape,
  /** The first 8 characters of the id, typed by the person. */
  confirmation: z.string().max(64),
});

export const copiesDeletion = z.object({
  repository: repositoryId,
  copies: z.array(copyId).min(1).max(1000),
  /** How many they are, typed by the person. */
  expectedCount: count,
});

export const downloadQuery = z.object({
  ...copyPlace.shape,
  /** Of a file or folder; the empty one is the whole copy. */
  path: z.string().max(4096).default(""),
  pathBytes: pathBytes.optional(),
  /** More places, up to 100: the bytes of their paths in base64url, with commas between. All of them come in one archive. */
  also: z
    .string()
    .max(8192)
    .regex(/^[A-Za-z0-9_-]+(?:,[A-Za-z0-9_-]+){0,99}$/u, "is no list of paths in base64url")
    .optional(),
  /** What a folder becomes, and several places: `zip`, or `tar` compressed with Zstandard. */
  archive: z.enum(ARCHIVE_FORMS).default("zip"),
  /** Reads it; default: a worker, or the device that made the copy. */
  device: deviceId.optional(),
});
export type DownloadQuery = z.infer<typeof downloadQuery>;
