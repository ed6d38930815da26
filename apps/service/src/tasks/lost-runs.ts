/**
 * Runs whose device is gone: silent for too long, disabled or removed, or back without them.
 *
 * @module
 */
import type { ErrorRecord } from "@holdfast/kernel";
import { DEVICE_LOST_MS } from "@holdfast/protocol";
import type { Database, Transaction } from "../database/database.ts";
import { ACTIVE_RUN_STATES, type EndDependencies, endRun, isActive, type RunRow } from "./run-end.ts";

export interface LostRunDependencies extends EndDependencies {
  readonly database: Database;
}

export function lostError(run: Pick<RunRow, "id" | "device_id">, reason: string): ErrorRecord {
  return {
    code: "ERR_RUN_LOST",
    message: `The device ${run.device_id} lost the run: ${reason}.`,
    subject: run.id,
    remedy: "Check that the device is on, that its agent runs, and that it reaches the service.",
  };
}

/**
 * Ends the runs of devices that nobody has heard of for DEVICE_LOST_MS. To be called only after the service itself has been there, without
 * a break, for so long that they could have come back to it.
 *
 * @returns how many.
 */
export async function endLostRuns(dependencies: LostRunDependencies): Promise<number> {
  const silentSince = dependencies.clock.now() - DEVICE_LOST_MS;
  const { db } = dependencies.database;
  const candidates = await db
    .selectFrom("runs")
    .leftJoin("devices", "devices.id", "runs.device_id")
    .select(["runs.id", "runs.task_id", "runs.device_id"])
    .where(isActive("runs.state"))
    .where("runs.given_at", "<", silentSince)
    .where((eb) => eb.or([eb("devices.seen_at", "is", null), eb("devices.seen_at", "<", silentSince)]))
    .execute();
  let count = 0;
  for (const run of candidates) {
    const ended = await dependencies.database.transaction(async (transaction) => {
      // It may have come back meanwhile.
      const device = await transaction
        .selectFrom("devices")
        .select("seen_at")
        .where("id", "=", run.device_id)
        .executeTakeFirst();
      if (device?.seen_at !== undefined && (device.seen_at ?? 0) >= silentSince) return false;
      const error = lostError(run, "nothing was heard of it for a minute and a half");
      return endRun(dependencies, transaction, run, { state: "failed", error });
    });
    if (ended) count += 1;
  }
  return count;
}

/** Ends the runs of a device that is disabled or removed; nothing is retried before it is back. */
export async function endRunsOfDevice(
  dependencies: EndDependencies,
  transaction: Transaction,
  deviceId: string,
): Promise<void> {
  const runs = await transaction
    .selectFrom("runs")
    .select(["id", "task_id"])
    .where("device_id", "=", deviceId)
    .where("state", "in", ACTIVE_RUN_STATES)
    .execute();
  const error: ErrorRecord = {
    code: "ERR_DEVICE_DISABLED",
    message: `The device ${deviceId} was disabled or removed while it carried out the task.`,
    subject: deviceId,
    remedy: "Enable the device and start the task again, or let another device do it.",
  };
  for (const run of runs) await endRun(dependencies, transaction, run, { state: "failed", error });
}
