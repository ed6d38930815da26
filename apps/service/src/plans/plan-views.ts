/**
 * Plans as the API shows them; a page of them costs as many queries as one.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { PlanView } from "@holdfast/protocol";
import { describeSchedule } from "@holdfast/scheduling";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import {
  encryptionOfPlan,
  type PlanRow,
  retentionOf,
  retriesOf,
  scheduleOf,
  selectionOf,
} from "./plan-rows.ts";
import { type PlannedDevice, warningsOf } from "./plan-warnings.ts";

export async function showPlan(db: Db, row: PlanRow): Promise<PlanView> {
  const [view] = await showPlans(db, [row]);
  assert(view !== undefined);
  return view;
}

/** In the same order. */
export async function showPlans(db: Db, rows: readonly PlanRow[]): Promise<PlanView[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const devices = Map.groupBy(await devicesOfPlans(db, ids), ({ plan }) => plan);
  const open = await openBackups(db, ids);
  return rows.map((row) => viewOf(row, devices.get(row.id) ?? [], open));
}

interface DeviceOfPlan extends PlannedDevice {
  readonly plan: string;
  readonly next: number | null;
}

async function devicesOfPlans(db: Db, plans: readonly string[]): Promise<DeviceOfPlan[]> {
  return db
    .selectFrom("plan_devices")
    .innerJoin("devices", "devices.id", "plan_devices.device_id")
    .select(["plan_devices.plan_id as plan", "plan_devices.next_start_at as next"])
    .select(["devices.id", "devices.name", "devices.methods"])
    .where("plan_devices.plan_id", "in", plans)
    .orderBy("plan_devices.plan_id")
    .orderBy("plan_devices.device_id")
    .execute();
}

type OpenState = "queued" | "running";
/** Of a plan and state, such as `plan_... queued`. */
type OpenBackups = ReadonlyMap<string, number>;

async function openBackups(db: Db, plans: readonly string[]): Promise<OpenBackups> {
  const rows = await db
    .selectFrom("tasks")
    .select(({ fn }) => ["plan_id", "state", fn.countAll<number>().as("count")])
    .where("plan_id", "in", plans)
    .where("state", "in", ["queued", "running"])
    .where("kind", "=", "backup")
    .groupBy(["plan_id", "state"])
    .execute();
  return new Map(rows.map(({ plan_id: plan, state, count }) => [`${plan ?? ""} ${state}`, count]));
}

const json = z.record(z.string(), z.json());

function viewOf(row: PlanRow, devices: readonly DeviceOfPlan[], open: OpenBackups): PlanView {
  const schedule = scheduleOf(row);
  const encryption = encryptionOfPlan(row);
  const starts = devices.flatMap(({ next }) => (next === null ? [] : [next]));
  const count = (state: OpenState): number => open.get(`${row.id} ${state}`) ?? 0;
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    devices: devices.map(({ id }) => id),
    ...selectionOf(row),
    storage: row.storage_id,
    encryption,
    schedule: row.schedule === null ? null : json.parse(JSON.parse(row.schedule)),
    scheduleText: schedule === undefined ? null : describeSchedule(schedule),
    retention: retentionOf(row),
    retries: retriesOf(row),
    enabled: row.enabled === 1,
    lockDays: row.lock_days,
    repository: row.repository_id,
    warnings: warningsOf(devices, encryption),
    queuedBackups: count("queued"),
    runningBackups: count("running"),
    nextRunAt:
      row.enabled === 1 && starts.length > 0 ? starts.reduce((one, other) => Math.min(one, other)) : null,
    createdAt: row.created_at,
    revision: row.revision,
  };
}
