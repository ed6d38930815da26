/**
 * Backup plans over the API.
 *
 * @module
 */
import { z } from "zod";
import { hook, retentionPolicy } from "../agent/tasks.ts";
import {
  count,
  deviceId,
  instant,
  level,
  line,
  method,
  planId,
  repositoryId,
  secretId,
  storageId,
} from "../values.ts";
import { pageQuery } from "./common.ts";
import { lockDays } from "./policies.ts";

const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;

const paths = z.array(z.string().min(1).max(4096)).min(1).max(1000);
const globs = z.array(z.string().min(1).max(4096)).max(1000);

/** Fixed when the plan is saved (docs/security.md). */
export const encryption = z.object({ method, level, secret: secretId });
export type Encryption = z.infer<typeof encryption>;

/** Checked by `validateSchedule` of packages/scheduling, whose `Schedule` it is. */
const schedule = z.record(z.string(), z.json());

export const retries = z.object({
  count: z.int().min(0).max(20),
  delaySeconds: z
    .int()
    .min(1)
    .max(24 * 3600),
});

/** Hours of the week with a limit of their own, or with none. As `AllowedHours` of packages/scheduling. */
const bandwidthWindow = z.object({
  weekdays: z.array(z.enum(WEEKDAYS)).min(1).max(7),
  from: z.string().max(5),
  to: z.string().max(5),
  bytesPerSecond: z.int().positive().nullable(),
});

/** Limits by the time of the week; of windows that overlap the first counts. Outside of them `bytesPerSecond` of the plan does. */
export const bandwidth = z.object({
  /** IANA name; that of the plan's schedule where it has one. */
  timeZone: z.string().max(100),
  windows: z.array(bandwidthWindow).min(1).max(8),
});
export type Bandwidth = z.infer<typeof bandwidth>;

const fields = {
  name: line(200).min(1),
  description: line(2000),
  devices: z.array(deviceId).min(1).max(10_000),
  paths,
  exclude: globs,
  oneFileSystem: z.boolean(),
  /** Windows and macOS: backs volumes up as they are when it begins. Elsewhere such a backup fails. */
  snapshot: z.boolean(),
  tags: z.array(line(200).min(1)).max(100),
  storage: storageId,
  compression: z.int().min(0).max(19),
  bytesPerSecond: z.int().positive().nullable(),
  bandwidth: bandwidth.nullable(),
  before: hook.nullable(),
  after: hook.nullable(),
  schedule: schedule.nullable(),
  retention: retentionPolicy.nullable(),
  retries,
  enabled: z.boolean(),
};

export const newPlan = z.object({
  ...fields,
  description: fields.description.default(""),
  exclude: fields.exclude.default([]),
  oneFileSystem: fields.oneFileSystem.default(false),
  snapshot: fields.snapshot.default(false),
  tags: fields.tags.default([]),
  compression: fields.compression.default(3),
  bytesPerSecond: fields.bytesPerSecond.default(null),
  bandwidth: fields.bandwidth.default(null),
  before: fields.before.default(null),
  after: fields.after.default(null),
  schedule: fields.schedule.default(null),
  retention: fields.retention.default(null),
  retries: fields.retries.default({ count: 2, delaySeconds: 60 }),
  enabled: fields.enabled.default(true),
  /** Retention lock; later it is changed by `PUT /plans/ID/retention-lock`. */
  lockDays: lockDays.default(0),
  /** Null: the plan's copies are not encrypted. */
  encryption: encryption.nullable(),
});
export type NewPlan = z.infer<typeof newPlan>;

/** With `encryption` only so that the refusal can say what to do: it never changes. */
export const planChange = z
  .object(fields)
  .extend({
    encryption: encryption.nullable(),
    /** Of a plan that is switched off: what happens to its backups that run. Default: they finish. Those that wait are cancelled. */
    running: z.enum(["finish", "cancel"]),
  })
  .partial();
export type PlanChange = z.infer<typeof planChange>;

/** What differs from the plan that is cloned; the name must. */
export const planClone = planChange.extend({ name: fields.name, lockDays: lockDays.optional() });
export type PlanClone = z.infer<typeof planClone>;

/** Something that will go wrong, known before it does. */
const planWarning = z.object({ code: z.string(), device: deviceId, message: z.string(), remedy: z.string() });

export const plan = z.object({
  id: planId,
  ...fields,
  encryption: encryption.nullable(),
  lockDays,
  repository: repositoryId,
  warnings: z.array(planWarning),
  scheduleText: z.string().nullable(),
  nextRunAt: instant.nullable(),
  /** Its backups that wait, and that run. */
  queuedBackups: count,
  runningBackups: count,
  createdAt: instant,
  revision: count,
});
export type PlanView = z.infer<typeof plan>;

export const planQuery = pageQuery.extend({ device: deviceId.optional(), storage: storageId.optional() });

export const planRun = z.object({ devices: z.array(deviceId).min(1).max(10_000).optional() });

export const retentionPreview = z.object({
  kept: z.array(
    z.object({
      copy: z.string(),
      time: instant,
      device: deviceId.nullable(),
      /** Names of rules, `lock`, or `no rule`. */
      reasons: z.array(z.string()),
      /** By the lock clock; null when no retention lock holds it. */
      lockedUntil: instant.nullable(),
    }),
  ),
  forgotten: z.array(z.object({ copy: z.string(), time: instant, device: deviceId.nullable() })),
});
