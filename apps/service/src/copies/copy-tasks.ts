/**
 * What is done with copies: restoring, looking into them, deleting. All of it is work of a device.
 *
 * @module
 */
import { AppError, type Clock, fromErrorRecord } from "@holdfast/kernel";
import {
  type browsePage,
  type BrowseQuery,
  type copiesDeletion,
  type copyDeletion,
  errorRecord,
  type RestoreRequest,
  taskResults,
} from "@holdfast/protocol";
import type { z } from "zod";
import { type AuditEntry, type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db, Transaction } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { chooseDevice, writerOf } from "../operations/device-choice.ts";
import { checkUnlocked } from "../policies/copy-lock.ts";
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
/** Who has waited for so long does not mind a little more. */
const QUICK_MS = 3000;
const SLOW_LOOK_MS = 250;
/** As much of the id as a person has to type to delete a copy. */
const CONFIRMATION_CHARACTERS = 8;

/** @returns the task. @throws AppError `ERR_NOT_FOUND`, `ERR_NO_DEVICE`. */
export async function restoreCopy(
  dependencies: CopyDependencies,
  actor: Actor,
  copyId: string,
  { device, target, include, paths, pathBytes, existing, dryRun, repository }: RestoreRequest,
): Promise<string> {
  const { db } = dependencies.database;
  const copy = await findCopy(db, copyId, repository);
  const deviceId = device ?? copy.deviceId;
  if (deviceId === null) {
    throw new AppError("ERR_NO_DEVICE", "The device that made this copy is not known here.", {
      subject: copyId,
      remedy: "Name the device to restore to.",
    });
  }
  await checkDevice(db, deviceId);
  const named = [...paths.map((path) => bytesOfPath(path)), ...pathBytes];
  const input = {
    copy: copyId,
    include,
    existing,
    ...(target === undefined ? {} : { target }),
    ...(named.length === 0 ? {} : { paths: named }),
    ...(dryRun ? { dryRun } : {}),
  };
  return startCopyTask(dependencies, actor, "copy.restore", copyId, {
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
  { path, pathBytes, after, limit, device, repository }: BrowseQuery,
): Promise<z.infer<typeof browsePage>> {
  const { db } = dependencies.database;
  const copy = await findCopy(db, copyId, repository);
  if (device !== undefined) await checkDevice(db, device);
  const task = await startCopyTask(dependencies, actor, "copy.browse", copyId, {
    kind: "browse",
    deviceId: device ?? (await chooseDevice(db, copy.storageId, await writerOf(db, copy))),
    repositoryId: copy.repositoryId,
    input: {
      copy: copyId,
      path,
      limit,
      ...(pathBytes === undefined ? {} : { pathBytes }),
      ...(after === undefined ? {} : { after }),
    },
    createdBy: actor.userId,
  });
  return taskResults.browse.parse(await resultOf(dependencies, task));
}

/** @throws AppError `ERR_CONFIRMATION`, `ERR_NOT_FOUND`, `ERR_NO_DEVICE`, `ERR_RETENTION_LOCKED`. */
export async function deleteCopy(
  dependencies: CopyDependencies,
  actor: Actor,
  copyId: string,
  { confirmation, repository }: z.infer<typeof copyDeletion>,
): Promise<string> {
  const copy = await findCopy(dependencies.database.db, copyId, repository);
  if (confirmation.toLowerCase() !== copyId.slice(0, CONFIRMATION_CHARACTERS)) {
    throw new AppError("ERR_CONFIRMATION", "The copy was not deleted: the confirmation does not name it.", {
      subject: copyId,
      remedy: `Type the first ${String(CONFIRMATION_CHARACTERS)} characters of its id.`,
    });
  }
  return startDeletion(dependencies, actor, copy, [copyId]);
}

/** @throws AppError `ERR_CONFIRMATION`, `ERR_NOT_FOUND`, `ERR_NO_DEVICE`, `ERR_RETENTION_LOCKED`: then none is deleted. */
export async function deleteCopies(
  dependencies: CopyDependencies,
  actor: Actor,
  { repository, copies, expectedCount }: z.infer<typeof copiesDeletion>,
): Promise<string> {
  const ids = [...new Set(copies)];
  if (ids.length !== expectedCount) {
    throw new AppError("ERR_CONFIRMATION", `Nothing was deleted: these are ${String(ids.length)} copies.`, {
      subject: repository,
      remedy: "Type how many copies are to be deleted.",
    });
  }
  const { db } = dependencies.database;
  let some: Awaited<ReturnType<typeof findCopy>> | undefined;
  for (const id of ids) some = await findCopy(db, id, repository);
  if (some === undefined) throw new AppError("ERR_USAGE", "No copy was named.", { subject: repository });
  return startDeletion(dependencies, actor, some, ids);
}

async function startDeletion(
  dependencies: CopyDependencies,
  actor: Actor,
  copy: Awaited<ReturnType<typeof findCopy>>,
  ids: readonly string[],
): Promise<string> {
  const { database, clock } = dependencies;
  const task = {
    kind: "forget",
    deviceId: await chooseDevice(database.db, copy.storageId, await writerOf(database.db, copy)),
    repositoryId: copy.repositoryId,
    input: { copies: ids },
    createdBy: actor.userId,
    attemptMax: 3,
  } as const;
  return startCopyTask(dependencies, actor, "copy.delete", copy.id, task, {
    check: (transaction) => checkUnlocked(transaction, clock, copy.repositoryId, ids),
    details: { repository: copy.repositoryId, copies: ids },
  });
}

interface StartExtras {
  /** In the transaction that makes the task. */
  readonly check?: (transaction: Transaction) => Promise<void>;
  readonly details?: AuditEntry["details"];
}

/** Makes the task and the row of the audit log together, and tells the processes. */
export async function startCopyTask(
  { database, audit, queue }: CopyDependencies,
  actor: Actor,
  action: string,
  copyId: string,
  task: NewTask,
  { check, details }: StartExtras = {},
): Promise<string> {
  const id = await database.transaction(async (transaction) => {
    await check?.(transaction);
    // It may have been removed since it was chosen: what waits for it would wait for ever.
    await checkDevice(transaction, task.deviceId);
    const created = await queue.create(transaction, task);
    await audit.append(transaction, {
      actor: userActor(actor),
      action,
      subject: { kind: "copy", id: copyId },
      details: { task: created, device: task.deviceId, ...details },
    });
    return created;
  });
  await database.notify("tasks");
  return id;
}

/** Whole paths are named by their bytes, without slashes around. */
function bytesOfPath(path: string): string {
  return Buffer.from(path.replaceAll(/^\/+|\/+$/gu, ""), "utf8").toString("base64url");
}

/** Waits for the end of a task. @throws AppError what it failed with; `ERR_NO_DEVICE` when nobody has ended it in time. */
export async function resultOf(
  { database, clock }: Pick<CopyDependencies, "database" | "clock">,
  taskId: string,
  { waitMs, signal }: { readonly waitMs: number; readonly signal?: AbortSignal } = { waitMs: BROWSE_WAIT_MS },
): Promise<unknown> {
  const end = clock.monotonic() + waitMs;
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
    const waitedMs = waitMs - (end - clock.monotonic());
    await clock.sleep(waitedMs < QUICK_MS ? BROWSE_LOOK_MS : SLOW_LOOK_MS, signal);
  }
  throw new AppError("ERR_NO_DEVICE", "No device has answered in time.", {
    subject: taskId,
    remedy: "See whether the device is online, and try again.",
  });
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function checkDevice(db: Db, id: string): Promise<void> {
  const device = await db.selectFrom("devices").select("disabled").where("id", "=", id).executeTakeFirst();
  if (device?.disabled === 0) return;
  throw new AppError("ERR_NOT_FOUND", `There is no device ${id} that may work.`, {
    subject: id,
    remedy: "Look in the list of devices; it may have been removed or disabled.",
  });
}
