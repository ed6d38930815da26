/**
 * Replications over the API: copies of a repository, brought to another storage as they are.
 *
 * @module
 */
import { z } from "zod";
import { retentionPolicy } from "../agent/tasks.ts";
import { count, deviceId, idOf, instant, line, planId, repositoryId, storageId, taskId } from "../values.ts";
import { pageQuery } from "./common.ts";

export const replicationId = idOf("rep");

const fields = {
  name: line(200).min(1),
  description: line(2000),
  /** Copies of these plans only; of all when empty. */
  plans: z.array(planId).max(1000),
  /** `Schedule` of packages/scheduling, as plans have it. */
  schedule: z.record(z.string(), z.json()).nullable(),
  /** As soon as a backup has ended, besides. */
  afterBackup: z.boolean(),
  /** Of the target; null: everything that arrives stays. */
  retention: retentionPolicy.nullable(),
  /** Who does it; null: a worker. */
  device: deviceId.nullable(),
  enabled: z.boolean(),
};

export const newReplication = z.object({
  ...fields,
  /** A repository, and a storage other than its own. */
  source: repositoryId,
  targetStorage: storageId,
  description: fields.description.default(""),
  plans: fields.plans.default([]),
  schedule: fields.schedule.default(null),
  afterBackup: fields.afterBackup.default(false),
  retention: fields.retention.default(null),
  device: fields.device.default(null),
  enabled: fields.enabled.default(true),
});
export type NewReplication = z.infer<typeof newReplication>;

export const replicationChange = z.object(fields).partial();
export type ReplicationChange = z.infer<typeof replicationChange>;

export const replication = z.object({
  id: replicationId,
  ...fields,
  source: repositoryId,
  targetStorage: storageId,
  /** The repository that it fills: its copies are in the catalogue as those of any other. */
  target: repositoryId,
  scheduleText: z.string().nullable(),
  nextRunAt: instant.nullable(),
  /** How many copies wait to be brought to the target. */
  behind: count,
  lastTask: z.object({ id: taskId, state: z.string(), endedAt: instant.nullable() }).nullable(),
  createdAt: instant,
  revision: count,
});
export type ReplicationView = z.infer<typeof replication>;

export const replicationQuery = pageQuery.extend({ source: repositoryId.optional() });

/** Null: nothing was missing at the target. */
export const replicationRun = z.object({ task: taskId.nullable() });
