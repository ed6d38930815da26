// Rows of plans, and plans as the API shows them.
import { type Encryption, hook, newPlan, retentionPolicy, retries } from "@holdfast/protocol";
import { decodeSchedule, type Schedule } from "@holdfast/scheduling";
import type { Selectable } from "kysely";
import type { z } from "zod";
import type { Db } from "../database/database.ts";
import type { PlansTable } from "../database/tables.ts";
import { notListed } from "../resources.ts";

export type PlanRow = Selectable<PlansTable>;

/** What the column `selection` holds. */
const selection = newPlan
  .pick({
    paths: true,
    exclude: true,
    oneFileSystem: true,
    snapshot: true,
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
  throw notListed("plan", id);
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
