/**
 * Tasks and their runs over the API.
 *
 * @module
 */
import { z } from "zod";
import { runEvent, runProgress } from "../agent/messages.ts";
import {
  count,
  deviceId,
  errorRecord,
  instant,
  planId,
  repositoryId,
  runId,
  storageId,
  taskId,
} from "../values.ts";
import { pageQuery } from "./common.ts";

export const TASK_STATES = ["queued", "running", "succeeded", "warnings", "failed", "cancelled"] as const;
export const taskState = z.enum(TASK_STATES);

export const task = z.object({
  id: taskId,
  kind: z.string(),
  state: taskState,
  plan: planId.nullable(),
  device: deviceId,
  storage: storageId.nullable(),
  repository: repositoryId.nullable(),
  /** The kind's own fields. */
  input: z.json(),
  result: z.json().nullable(),
  /** Of a failed or cancelled task; of a queued one that of its last attempt. */
  error: errorRecord.nullable(),
  progress: runProgress.nullable(),
  createdAt: instant,
  createdBy: z.string(),
  /** Not given to its device before. */
  notBefore: instant,
  startedAt: instant.nullable(),
  endedAt: instant.nullable(),
  cancelRequestedAt: instant.nullable(),
  attempt: count,
  attemptMax: count,
  run: runId.nullable(),
});
export type TaskView = z.infer<typeof task>;

const states = z
  .string()
  .max(100)
  .transform((text) => text.split(","))
  .pipe(z.array(taskState).min(1));

export const taskQuery = pageQuery.extend({
  /** One or more, separated by commas. */
  state: states.optional(),
  plan: planId.optional(),
  device: deviceId.optional(),
  kind: z.string().max(40).optional(),
});
export type TaskQuery = z.infer<typeof taskQuery>;

export const taskEvent = z.object({
  run: runId,
  number: count,
  /** By the clock of the device. */
  at: instant,
  receivedAt: instant,
  event: runEvent,
});
export type TaskEventView = z.infer<typeof taskEvent>;

export const taskEventQuery = pageQuery.extend({
  /** Default: the attempt that runs or ran last. */
  run: runId.optional(),
});
