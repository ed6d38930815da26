/**
 * Whether a storage works, tried by a device: the service itself connects to no storage.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { chooseDevice } from "../operations/device-choice.ts";
import type { TaskQueue } from "../tasks/task-kinds.ts";
import { findStorage } from "./storage-rows.ts";

export interface StorageTestDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
}

/** @returns the id of the task. @throws AppError `ERR_NOT_FOUND`, `ERR_NO_DEVICE`. */
export async function testStorage(
  { database, audit, queue }: StorageTestDependencies,
  actor: Actor,
  storageId: string,
  device: string | undefined,
): Promise<string> {
  const task = await database.transaction(async (transaction) => {
    const { id } = await findStorage(transaction, storageId);
    if (device !== undefined) {
      const known = transaction.selectFrom("devices").select("id").where("id", "=", device);
      if ((await known.executeTakeFirst()) === undefined) {
        throw new AppError("ERR_NOT_FOUND", `There is no device ${device}.`, { subject: device });
      }
    }
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
