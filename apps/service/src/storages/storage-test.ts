/**
 * Whether a storage works, tried by a device: the service itself connects to no storage.
 *
 * A worker stands where the service stands: what it is sent to is looked at first.
 *
 * @module
 */
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import { checkDevices } from "../devices/device-rows.ts";
import type { Actor } from "../http/route.ts";
import { chooseDevice } from "../operations/device-choice.ts";
import type { TaskQueue } from "../tasks/task-kinds.ts";
import { checkStorageTargetByName } from "../outbound/storage-targets.ts";
import { findStorage } from "./storage-rows.ts";

export interface StorageTestDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
}

/** @returns the id of the task. @throws AppError `ERR_NOT_FOUND`, `ERR_NO_DEVICE`, `ERR_OUTBOUND_REFUSED`. */
export async function testStorage(
  { database, audit, queue }: StorageTestDependencies,
  actor: Actor,
  storageId: string,
  device: string | undefined,
): Promise<string> {
  await checkTarget(database.db, storageId, device);
  const task = await database.transaction(async (transaction) => {
    const { id } = await findStorage(transaction, storageId);
    if (device !== undefined) await checkDevices(transaction, [device]);
    const created = await queue.create(transaction, {
      kind: "storage.test",
      deviceId: device ?? (await chooseDevice(transaction, id, undefined)),
      storageId: id,
      input: {},
      createdBy: actor.userId,
    });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "storage.test",
      subject: { kind: "storage", id },
      details: { task: created },
    });
    return created;
  });
  await database.notify("tasks");
  return task;
}

/** Before the transaction: looking a name up takes its time. */
async function checkTarget(db: Db, storageId: string, device: string | undefined): Promise<void> {
  const { location } = await findStorage(db, storageId);
  const chosen = device ?? (await chooseDevice(db, storageId, undefined));
  const worker = db.selectFrom("devices").select("id").where("id", "=", chosen).where("worker", "=", 1);
  if ((await worker.executeTakeFirst()) !== undefined) await checkStorageTargetByName(db, location);
}
