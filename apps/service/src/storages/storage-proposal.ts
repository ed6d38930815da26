/**
 * A new password of a storage is tested as the storage itself is: by a device that may use it (`storage-test.ts`).
 *
 * @module
 */
import type { Db } from "../database/database.ts";
import { chooseDevice } from "../operations/device-choice.ts";
import type { DeviceTest } from "../secrets/place-tests.ts";
import type { TaskQueue } from "../tasks/task-kinds.ts";
import { findStorage, type StorageRow } from "./storage-rows.ts";

export function createStorageProposalTest(queue: Pick<TaskQueue, "create">): DeviceTest {
  return {
    by: "device",
    placeOf: async (db, use) => placeOfStorage(await findStorage(db, use.id)),
    start: async (transaction, { use, proposalId, createdBy }) =>
      queue.create(transaction, {
        kind: "storage.test",
        deviceId: await chooseDevice(transaction, use.id, await writerOf(transaction, use.id)),
        storageId: use.id,
        input: { proposal: proposalId },
        createdBy,
      }),
  };
}

/** Who is shown a password of the storage, and as whom one signs in there. */
export function placeOfStorage(row: Pick<StorageRow, "location" | "identity" | "secrets">): string {
  return JSON.stringify([row.location, row.identity, row.secrets]);
}

/** The device of a plan with this storage that was seen last: it is given the password anyway. */
async function writerOf(db: Db, storageId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("plan_devices")
    .innerJoin("plans", "plans.id", "plan_devices.plan_id")
    .innerJoin("devices", "devices.id", "plan_devices.device_id")
    .select("devices.id")
    .where("plans.storage_id", "=", storageId)
    .where("devices.disabled", "=", 0)
    .orderBy("devices.seen_at", "desc")
    .executeTakeFirst();
  return row?.id;
}
