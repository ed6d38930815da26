// Rows of plans, and plans as the API shows them.
import { AppError } from "@holdfast/kernel";
import { type Encryption, hook, newPlan, type PlanView, retentionPolicy, retries } from "@holdfast/protocol";
import { decodeSchedule, describeSchedule, type Schedule } from "@holdfast/scheduling";
import type { Selectable } from "kysely";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import type { PlansTable } from "../database/tables.ts";
import { warningsOf } from "./plan-warnings.ts";

export type PlanRow = Selectable<PlansTable>;

/** What the column `selection` holds. */
const selection = newPlan
  .pick({
    paths: true,
    exclude: true,
    oneFileSystem: true,
    tags: true,
    compression: true,
    bytesPerSecond: true,
    bandwidth: true,
  })
  .extend({ before: hook.nullable(), after: hook.nullable() });
export type PlanSelection = z.infer<typeof selection>;

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findPlan(db: Db, id: string): Promise<PlanRow> {
  const row = await db.selectFrom("plans").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError("ERR_NOT_FOUND", `There is no plan ${id}.`, {
    subject: id,
    remedy: "Look in the list of plans.",
  });
}

export function selectionOf(row: PlanRow): PlanSelection {
  return selection.parse(JSON.parse(row.selection));
}

export function encryptionOfPlan(row: PlanRow): Encryption | null {
  const { method, level, secret_id: secret } = row;
  return method === null || level === null || secret === null ? null : { method, level, secret };
}

export function scheduleOf(row: PlanRow): Schedule | undefined {
  return row.schedule === null ? undefined : decodeSchedule(JSON.parse(row.schedule));
}

export function retentionOf(row: PlanRow): z.infer<typeof retentionPolicy> | null {
  return row.retention === null ? null : retentionPolicy.parse(JSON.parse(row.retention));
}

export function retriesOf(row: PlanRow): z.infer<typeof retries> {
  return retries.parse(JSON.parse(row.retries));
}

export async function devicesOf(db: Db, planId: string): Promise<string[]> {
  const rows = await db
    .selectFrom("plan_devices")
    .select("device_id")
    .where("plan_id", "=", planId)
    .orderBy("device_id")
    .execute();
  return rows.map(({ device_id: id }) => id);
}

export async function showPlan(db: Db, row: PlanRow): Promise<PlanView> {
  const devices = await devicesOf(db, row.id);
  const schedule = scheduleOf(row);
  const next = await db
    .selectFrom("plan_devices")
    .select((query) => query.fn.min("next_start_at").as("next"))
    .where("plan_id", "=", row.id)
    .executeTakeFirst();
  const encryption = encryptionOfPlan(row);
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    devices,
    ...selectionOf(row),
    storage: row.storage_id,
    encryption,
    schedule: row.schedule === null ? null : z.record(z.string(), z.json()).parse(JSON.parse(row.schedule)),
    scheduleText: schedule === undefined ? null : describeSchedule(schedule),
    retention: retentionOf(row),
    retries: retriesOf(row),
    enabled: row.enabled === 1,
    lockDays: row.lock_days,
    repository: row.repository_id,
    warnings: await warningsOf(db, devices, encryption),
    queuedBackups: await countBackups(db, row.id, "queued"),
    runningBackups: await countBackups(db, row.id, "running"),
    nextRunAt: row.enabled === 1 ? (next?.next ?? null) : null,
    createdAt: row.created_at,
    revision: row.revision,
  };
}

async function countBackups(db: Db, planId: string, state: "queued" | "running"): Promise<number> {
  const { count } = await db
    .selectFrom("tasks")
    .select((query) => query.fn.countAll<number>().as("count"))
    .where("state", "=", state)
    .where("plan_id", "=", planId)
    .where("kind", "=", "backup")
    .executeTakeFirstOrThrow();
  return count;
}
