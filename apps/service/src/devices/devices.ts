/**
 * What may be done with devices. One that is disabled or removed loses its channel, its runs and its leases at once.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import type { DeviceChange, DeviceView } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Transaction } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";
import { endRunsOfDevice } from "../tasks/lost-runs.ts";
import { type EndDependencies, endTask } from "../tasks/run-end.ts";
import { type DeviceRow, findDevice, showDevice } from "./device-rows.ts";

export interface DeviceDependencies extends EndDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_REVISION_NEEDED`, `ERR_CHANGED_MEANWHILE`. */
export async function changeDevice(
  dependencies: DeviceDependencies,
  actor: Actor,
  id: string,
  change: DeviceChange,
  ifMatch: number | undefined,
): Promise<DeviceView> {
  const { database, audit, clock } = dependencies;
  const view = await database.transaction(async (transaction) => {
    const row = await findDevice(transaction, id);
    checkRevision(row, ifMatch);
    await transaction
      .updateTable("devices")
      .set({
        name: change.name ?? row.name,
        worker: flagOf(change.worker) ?? row.worker,
        disabled: flagOf(change.disabled) ?? row.disabled,
        revision: row.revision + 1,
      })
      .where("id", "=", id)
      .execute();
    if (change.disabled === true) await endRunsOfDevice(dependencies, transaction, id);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: actionOf(row, change),
      subject: { kind: "device", id },
      details: {
        ...(change.name === undefined ? {} : { name: change.name }),
        ...(change.worker === undefined ? {} : { worker: change.worker }),
      },
    });
    return showDevice(transaction, clock, id);
  });
  await tellProcesses(database);
  return view;
}

/**
 * Removes a device. Its copies stay, and which secrets it was given.
 *
 * @throws AppError `ERR_NOT_FOUND`; `ERR_IN_USE` as long as plans name it.
 */
export async function deleteDevice(
  dependencies: DeviceDependencies,
  actor: Actor,
  id: string,
): Promise<void> {
  const { database, audit } = dependencies;
  await database.transaction(async (transaction) => {
    const row = await findDevice(transaction, id);
    await checkUnused(transaction, row);
    await endRunsOfDevice(dependencies, transaction, id);
    await cancelQueued(dependencies, transaction, id);
    await transaction.deleteFrom("devices").where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "device.delete",
      subject: { kind: "device", id },
      details: { name: row.name },
    });
  });
  await tellProcesses(database);
}

async function tellProcesses(database: Database): Promise<void> {
  await database.notify("devices");
  await database.notify("tasks");
  await database.notify("live");
}

async function checkUnused(transaction: Transaction, device: DeviceRow): Promise<void> {
  const plans = await transaction
    .selectFrom("plan_devices")
    .innerJoin("plans", "plans.id", "plan_devices.plan_id")
    .select("plans.name")
    .where("plan_devices.device_id", "=", device.id)
    .orderBy("plans.name")
    .limit(5)
    .execute();
  if (plans.length === 0) return;
  const names = plans.map(({ name }) => `“${name}”`).join(", ");
  throw new AppError("ERR_IN_USE", `The device “${device.name}” is still backed up by plans: ${names}.`, {
    subject: device.id,
    remedy: "Take it out of these plans first, or disable it instead.",
  });
}

async function cancelQueued(
  dependencies: DeviceDependencies,
  transaction: Transaction,
  deviceId: string,
): Promise<void> {
  const queued = await transaction
    .selectFrom("tasks")
    .selectAll()
    .where("state", "=", "queued")
    .where("device_id", "=", deviceId)
    .execute();
  for (const task of queued) await endTask(dependencies, transaction, task, { state: "cancelled" });
}

function flagOf(value: boolean | undefined): 0 | 1 | undefined {
  if (value === undefined) return undefined;
  return value ? 1 : 0;
}

function actionOf(row: DeviceRow, { disabled }: DeviceChange): string {
  if (disabled === true && row.disabled === 0) return "device.disable";
  if (disabled === false && row.disabled === 1) return "device.enable";
  return "device.change";
}
