/**
 * What is done with copies: restoring, looking into them, deleting. All of it is work of a device.
 *
 * @module
 */
import { AppError, type Clock, fromErrorRecord } from "@holdfast/kernel";
import {
  type browsePage,
  type BrowseQuery,
  errorRecord,
  type RestoreRequest,
  taskResults,
} from "@holdfast/protocol";
import type { z } from "zod";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { chooseDevice } from "../operations/device-choice.ts";
import type { NewTask, TaskQueue } from "../tasks/task-kinds.ts";
import { findCopy } from "./copy-rows.ts";

export interface CopyDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
  readonly clock: Clock;
}

/** How long a person waits for a folder to open. */
const BROWSE_WAIT_MS = 30_000;
const BROWSE_LOOK_MS = 50;
/** As much of the id as a person has to type to delete a copy. */
const CONFIRMATION_CHARACTERS = 8;

/** @returns the task. @throws AppError `ERR_NOT_FOUND`, `ERR_NO_DEVICE`. */
export async function restoreCopy(
  dependencies: CopyDependencies,
  actor: Actor,
  copyId: string,
  { device, target, include, existing }: RestoreRequest,
): Promise<string> {
  const { db } = dependencies.database;
  const copy = await findCopy(db, copyId);
  const deviceId = device ?? copy.deviceId;
  if (deviceId === null) {
    throw new AppError("ERR_NO_DEVICE", "The device that made this copy is not known here.", {
      subject: copyId,
      remedy: "Name the device to restore to.",
    });
  }
  await checkDevice(db, deviceId);
  const input = { copy: copyId, include, existing, ...(target === undefined ? {} : { target }) };
  return start(dependencies, actor, "copy.restore", copyId, {
    kind: "restore",
    deviceId,
    repositoryId: copy.repositoryId,
    input,
    createdBy: actor.userId,
  });
}

/** One page of a folder of the copy, read by a device; waits for it. @throws AppError `ERR_NO_DEVICE`, what the task failed with. */
export async function browseCopy(
  dependencies: CopyDependencies,
  actor: Actor,
  copyId: string,
  { path, after, limit, device }: BrowseQuery,
): Promise<z.infer<typeof browsePage>> {
  const { db } = dependencies.database;
  const copy = await findCopy(db, copyId);
  if (device !== undefined) await checkDevice(db, device);
  const task = await start(dependencies, actor, "copy.browse", copyId, {
    kind: "browse",
    deviceId: device ?? (await chooseDevice(db, copy.storageId, copy.deviceId)),
    repositoryId: copy.repositoryId,
    input: { copy: copyId, path, limit, ...(after === undefined ? {} : { after }) },
    createdBy: actor.userId,
  });
  return taskResults.browse.parse(await resultOf(dependencies, task));
}

/** @throws AppError `ERR_CONFIRMATION`, `ERR_NOT_FOUND`, `ERR_NO_DEVICE`. */
export async function deleteCopy(
  dependencies: CopyDependencies,
  actor: Actor,
  copyId: string,
  confirmation: string,
): Promise<string> {
  const copy = await findCopy(dependencies.database.db, copyId);
  if (confirmation.toLowerCase() !== copyId.slice(0, CONFIRMATION_CHARACTERS)) {
    throw new AppError("ERR_CONFIRMATION", "The copy was not deleted: the confirmation does not name it.", {
      subject: copyId,
      remedy: `Type the first ${String(CONFIRMATION_CHARACTERS)} characters of its id.`,
    });
  }
  return start(dependencies, actor, "copy.delete", copyId, {
    kind: "forget",
    deviceId: await chooseDevice(dependencies.database.db, copy.storageId, copy.deviceId),
    repositoryId: copy.repositoryId,
    input: { copies: [copyId] },
    createdBy: actor.userId,
    attemptMax: 3,
  });
}

async function start(
  { database, audit, queue }: CopyDependencies,
  actor: Actor,
  action: string,
  copyId: string,
  task: NewTask,
): Promise<string> {
  const id = await database.transaction(async (transaction) => {
    const created = await queue.create(transaction, task);
    await audit.append(transaction, {
      actor: userActor(actor),
      action,
      subject: { kind: "copy", id: copyId },
      details: { task: created, device: task.deviceId },
    });
    return created;
  });
  await database.notify("tasks");
  return id;
}

async function resultOf({ database, clock }: CopyDependencies, taskId: string): Promise<unknown> {
  const end = clock.monotonic() + BROWSE_WAIT_MS;
  while (clock.monotonic() < end) {
    const { state, result, error } = await database.db
      .selectFrom("tasks")
      .select(["state", "result", "error"])
      .where("id", "=", taskId)
      .executeTakeFirstOrThrow();
    if (result !== null) return JSON.parse(result);
    if (error !== null) {
      const { subject, remedy, ...record } = errorRecord.parse(JSON.parse(error));
      throw fromErrorRecord({ ...record, subject, remedy });
    }
    if (state === "cancelled") break;
    await clock.sleep(BROWSE_LOOK_MS);
  }
  throw new AppError("ERR_NO_DEVICE", "No device has answered what the folder holds.", {
    subject: taskId,
    remedy: "See whether the device is online, and try again.",
  });
}

async function checkDevice(db: Db, id: string): Promise<void> {
  const device = await db.selectFrom("devices").select("disabled").where("id", "=", id).executeTakeFirst();
  if (device?.disabled === 0) return;
  throw new AppError("ERR_NOT_FOUND", `There is no device ${id} that may work.`, {
    subject: id,
    remedy: "Look in the list of devices; it may have been removed or disabled.",
  });
}
