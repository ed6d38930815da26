/**
 * When a plan's schedule runs on each of its devices.
 *
 * @module
 */
import { nextRun, type PlannedRun, type Schedule } from "@holdfast/scheduling";
import type { Transaction } from "../database/database.ts";

export interface PlanTimes {
  readonly planId: string;
  readonly schedule: Schedule | undefined;
  readonly now: number;
  /** Since when this service has been there without a break. */
  readonly availableSince?: number;
}

/** Sets the devices of a plan: new ones begin now, others keep what they ran last. */
export async function setDevices(
  transaction: Transaction,
  deviceIds: readonly string[],
  times: PlanTimes,
): Promise<void> {
  const { planId, now } = times;
  const wanted = new Set(deviceIds);
  const present = await transaction
    .selectFrom("plan_devices")
    .select("device_id")
    .where("plan_id", "=", planId)
    .execute();
  const known = new Set(present.map(({ device_id: id }) => id));
  for (const id of known) {
    if (wanted.has(id)) continue;
    await transaction
      .deleteFrom("plan_devices")
      .where("plan_id", "=", planId)
      .where("device_id", "=", id)
      .execute();
  }
  for (const id of wanted) {
    if (known.has(id)) continue;
    await transaction
      .insertInto("plan_devices")
      .values({ plan_id: planId, device_id: id, added_at: now, last_fired_at: now, next_start_at: null })
      .execute();
  }
  await planNextStarts(transaction, times);
}

/** Computes anew when each device of a plan starts next. */
export async function planNextStarts(transaction: Transaction, times: PlanTimes): Promise<void> {
  const devices = await transaction
    .selectFrom("plan_devices")
    .select(["device_id", "last_fired_at"])
    .where("plan_id", "=", times.planId)
    .execute();
  for (const { device_id: device, last_fired_at: lastFired } of devices) {
    await transaction
      .updateTable("plan_devices")
      .set({ next_start_at: nextStart(times, device, lastFired) })
      .where("plan_id", "=", times.planId)
      .where("device_id", "=", device)
      .execute();
  }
}

/** When the device starts next; null without a schedule. */
export function nextStart(times: PlanTimes, device: string, lastFired: number): number | null {
  return nextPlanned(times, device, lastFired)?.startAt ?? null;
}

/** The run that comes next; undefined without a schedule. */
export function nextPlanned(times: PlanTimes, device: string, lastFired: number): PlannedRun | undefined {
  const { schedule, planId, now, availableSince } = times;
  if (schedule === undefined) return undefined;
  return nextRun(schedule, {
    plan: planId,
    device,
    lastFired,
    now,
    ...(availableSince === undefined ? {} : { availableSince }),
  });
}
