/**
 * Tasks come into the queue, and leave it when they are cancelled before they are given out.
 *
 * @module
 */
import assert from "node:assert/strict";
import { AppError, type Clock, newId, type Randomness } from "@holdfast/kernel";
import type { Db, Transaction } from "../database/database.ts";
import { type EndDependencies, endLeases, endTask } from "./run-end.ts";
import type { NewTask, TaskQueue, TaskRow } from "./task-kinds.ts";

export interface QueueDependencies extends EndDependencies {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

const REASON_LENGTH_MAX = 400;

export function createTaskQueue(dependencies: QueueDependencies): TaskQueue {
  return {
    create: (transaction, task) => create(dependencies, transaction, task),
    requestCancel: (transaction, taskId, reason) => requestCancel(dependencies, transaction, taskId, reason),
  };
}

async function create(
  { clock, randomness }: QueueDependencies,
  transaction: Transaction,
  task: NewTask,
): Promise<string> {
  const now = clock.now();
  const id = newId("task", clock, randomness);
  const attemptMax = task.attemptMax ?? 1;
  assert(attemptMax >= 1);
  await transaction
    .insertInto("tasks")
    .values({
      id,
      kind: task.kind,
      state: "queued",
      plan_id: task.planId ?? null,
      device_id: task.deviceId,
      storage_id: task.storageId ?? null,
      repository_id: task.repositoryId ?? null,
      input: JSON.stringify(task.input),
      result: null,
      error: null,
      created_at: now,
      created_by: task.createdBy,
      not_before: task.notBefore ?? now,
      start_before: task.startBefore ?? null,
      started_at: null,
      ended_at: null,
      cancel_requested_at: null,
      attempt: 0,
      attempt_max: attemptMax,
      run_id: null,
    })
    .execute();
  return id;
}

/**
 * Ends a queued task at once. A running one loses its leases at once, and ends when its device says so or is lost.
 *
 * @throws AppError `ERR_NOT_FOUND`; `ERR_TASK_STATE` when it has ended.
 */
async function requestCancel(
  dependencies: QueueDependencies,
  transaction: Transaction,
  taskId: string,
  reason: string,
): Promise<void> {
  const task = await findTask(transaction, taskId);
  const now = dependencies.clock.now();
  if (task.state !== "queued" && task.state !== "running") {
    throw new AppError("ERR_TASK_STATE", `The task ${taskId} has ended.`, {
      subject: taskId,
      remedy: "There is nothing left to cancel.",
    });
  }
  const error = { code: "ERR_CANCELLED", message: reason.slice(0, REASON_LENGTH_MAX) };
  await transaction
    .updateTable("tasks")
    .set({ cancel_requested_at: task.cancel_requested_at ?? now, error: JSON.stringify(error) })
    .where("id", "=", taskId)
    .execute();
  if (task.state === "queued") await endTask(dependencies, transaction, task, { state: "cancelled" });
  else if (task.run_id !== null) await endLeases(transaction, task.run_id, now);
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findTask(db: Db, id: string): Promise<TaskRow> {
  const task = await db.selectFrom("tasks").selectAll().where("id", "=", id).executeTakeFirst();
  if (task !== undefined) return task;
  throw new AppError("ERR_NOT_FOUND", `There is no task ${id}.`, {
    subject: id,
    remedy: "List the tasks to see which there are.",
  });
}
