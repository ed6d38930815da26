/**
 * What people may do with tasks.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { TaskKind, TaskView } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import type { Right } from "../users/rights.ts";
import type { TaskQueue } from "./task-kinds.ts";
import { showTask } from "./task-list.ts";
import { findTask } from "./task-queue.ts";

export interface TaskDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_TASK_STATE`. */
export async function cancelTask(
  { database, audit, queue }: TaskDependencies,
  actor: Actor,
  id: string,
): Promise<TaskView> {
  const view = await database.transaction(async (transaction) => {
    await queue.requestCancel(transaction, id, `Cancelled by ${actor.name}.`);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "task.cancel",
      subject: { kind: "task", id },
    });
    return showTask(transaction, id);
  });
  await tellProcesses(database);
  return view;
}

/**
 * A new task like one that failed or was cancelled.
 *
 * @returns its id.
 * @throws AppError `ERR_NOT_FOUND`, `ERR_TASK_STATE`, `ERR_FORBIDDEN`.
 */
export async function retryTask(
  { database, audit, queue }: TaskDependencies,
  actor: Actor,
  id: string,
): Promise<{ readonly task: string }> {
  const created = await database.transaction(async (transaction) => {
    const task = await findTask(transaction, id);
    if (task.state !== "failed" && task.state !== "cancelled") {
      throw new AppError("ERR_TASK_STATE", `The task ${id} has not failed.`, {
        subject: id,
        remedy: "Only what failed or was cancelled can be tried again.",
      });
    }
    const kind = checkRetry(actor, task.kind);
    if (kind === "download") throw nobodyWaits(id);
    const again = await queue.create(transaction, {
      kind,
      ...(task.plan_id === null ? {} : { planId: task.plan_id }),
      deviceId: task.device_id,
      ...(task.storage_id === null ? {} : { storageId: task.storage_id }),
      ...(task.repository_id === null ? {} : { repositoryId: task.repository_id }),
      input: JSON.parse(task.input),
      createdBy: actor.userId,
      attemptMax: task.attempt_max,
    });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "task.retry",
      subject: { kind: "task", id },
      details: { task: again },
    });
    return again;
  });
  await tellProcesses(database);
  return { task: created };
}

/** Who may start a task of a kind may start it again: to cancel and retry must not be a way round. */
const RIGHTS_TO_RETRY: Readonly<Record<TaskKind, Right>> = {
  backup: "plans.run",
  verify: "plans.run",
  copies: "plans.run",
  replicate: "plans.run",
  restore: "copies.restore",
  browse: "copies.browse",
  search: "copies.browse",
  versions: "copies.browse",
  compare: "copies.browse",
  download: "copies.restore",
  forget: "copies.delete",
  clean: "copies.delete",
  "storage.test": "storages.edit",
};

function checkRetry(actor: Actor, kind: string): TaskKind {
  if (!isTaskKind(kind)) {
    throw new AppError("ERR_UNSUPPORTED", `Tasks of the kind ${kind} are not known.`, {
      remedy: "They were made by a newer version: start that one.",
    });
  }
  const right = RIGHTS_TO_RETRY[kind];
  if (actor.rights.has(right)) return kind;
  throw new AppError("ERR_FORBIDDEN", `To start a task of the kind ${kind} needs the right ${right}.`, {
    subject: right,
    remedy: "Ask an administrator.",
  });
}

function nobodyWaits(id: string): AppError {
  return new AppError(
    "ERR_TASK_STATE",
    "A download cannot be tried again as a task: nobody would wait for it.",
    {
      subject: id,
      remedy: "Start the download again where it was started.",
    },
  );
}

function isTaskKind(kind: string): kind is TaskKind {
  return Object.hasOwn(RIGHTS_TO_RETRY, kind);
}

async function tellProcesses(database: Database): Promise<void> {
  await database.notify("tasks");
  await database.notify("live");
}
