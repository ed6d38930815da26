/**
 * Copies over the API.
 *
 * @module
 */
import { z } from "zod";
import { browsedEntry } from "../agent/results.ts";
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
});
export type CopyView = z.infer<typeof copy>;

export const copyQuery = pageQuery.extend({
  plan: planId.optional(),
  device: deviceId.optional(),
  repository: repositoryId.optional(),
  storage: storageId.optional(),
});

export const restoreRequest = z.object({
  /** Default: the device that made the copy. */
  device: deviceId.optional(),
  /** A folder on that device. Absent: every file goes back to where it was. */
  target: z.string().min(1).max(4096).optional(),
  include: z.array(z.string().min(1).max(4096)).max(1000).default([]),
  existing: z.enum(["skip", "overwrite", "keep-both"]).default("skip"),
});
export type RestoreRequest = z.infer<typeof restoreRequest>;

export const browseQuery = z.object({
  path: z.string().max(4096).default(""),
  after: z.string().max(4096).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
  device: deviceId.optional(),
});
export type BrowseQuery = z.infer<typeof browseQuery>;

export const browsePage = z.object({ entries: z.array(browsedEntry), next: z.string().optional() });

export const copyDeletion = z.object({
  /** The first 8 characters of the id, typed by the person. */
  confirmation: z.string().max(64),
});
