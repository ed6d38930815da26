/**
 * How runs and tasks end: one transaction ends the run, its leases, and its task, or queues the task for another attempt.
 *
 * @module
 */
import {
  AppError,
  type Clock,
  type ErrorCode,
  ERROR_CODES,
  type ErrorRecord,
  toErrorRecord,
} from "@holdfast/kernel";
import { type RawBuilder, type Selectable, sql, type SqlBool } from "kysely";
import type { Transaction } from "../database/database.ts";
import { isOfDatabase } from "../database/failures.ts";
import type { RunsTable } from "../database/tables.ts";
import type { TaskEnd, TaskKinds, TaskRow } from "./task-kinds.ts";

export type RunRow = Selectable<RunsTable>;

export interface EndDependencies {
  readonly kinds: Pick<TaskKinds, "ended" | "retryDelayMs">;
  readonly clock: Pick<Clock, "now">;
}

export const ACTIVE_RUN_STATES = ["given", "running"] as const;

/** The same in the words of the index of active runs, which SQLite takes for these only. */
export function isActive(column: "runs.state"): RawBuilder<SqlBool> {
  return sql<SqlBool>`${sql.ref(column)} in ('given', 'running')`;
}

const RETRY_DELAY_MS = 60_000;
const RETRY_DELAY_MAX_MS = 3600_000;

/** Ends a run that is given or running. @returns false when it had ended before: nothing is changed then. */
export async function endRun(
  dependencies: EndDependencies,
  transaction: Transaction,
  run: Pick<RunRow, "id" | "task_id">,
  end: TaskEnd,
): Promise<boolean> {
  const now = dependencies.clock.now();
  const ended = await transaction
    .updateTable("runs")
    .set({ state: end.state, ended_at: now, progress: null })
    .where("id", "=", run.id)
    .where("state", "in", ACTIVE_RUN_STATES)
    .executeTakeFirst();
  if (ended.numUpdatedRows !== 1n) return false;
  await endLeases(transaction, run.id, now);
  const task = await findTaskOfRun(transaction, run);
  if (task === undefined || task.run_id !== run.id || task.state !== "running") return true;
  if (end.state === "failed" && task.cancel_requested_at === null && mayRetry(task, end.error)) {
    await queueAgain(dependencies, transaction, task, end.error);
  } else {
    await endTask(dependencies, transaction, task, cancelledInstead(task, end));
  }
  return true;
}

/**
 * The success of a run that the service had given up: the device was away and had finished. What it made is recorded; the task
 * has succeeded unless another attempt runs or has ended it.
 */
export async function recordLateSuccess(
  dependencies: EndDependencies,
  transaction: Transaction,
  run: Pick<RunRow, "id" | "task_id">,
  end: Extract<TaskEnd, { state: "succeeded" }>,
): Promise<void> {
  await transaction.updateTable("runs").set({ state: "succeeded" }).where("id", "=", run.id).execute();
  const task = await findTaskOfRun(transaction, run);
  if (task === undefined) return;
  if (task.run_id === run.id && (task.state === "queued" || task.state === "failed")) {
    await endTask(dependencies, transaction, task, end);
  } else {
    await tellKind(dependencies, transaction, task, end);
  }
}

/** Ends a task for good, whether it was given out or not. */
export async function endTask(
  { kinds, clock }: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
  end: TaskEnd,
): Promise<void> {
  await transaction
    .updateTable("tasks")
    .set({
      state: end.state === "succeeded" && end.warnings > 0 ? "warnings" : end.state,
      ended_at: clock.now(),
      result: end.state === "succeeded" ? JSON.stringify(end.result) : null,
      // The reason of a cancellation was written down when it was asked for.
      ...(end.state === "cancelled"
        ? {}
        : { error: end.state === "failed" ? JSON.stringify(end.error) : null }),
    })
    .where("id", "=", task.id)
    .execute();
  if (task.kind === "backup" && end.state === "succeeded") await noteSuccess(transaction, task, clock.now());
  const problem = await tellKind({ kinds, clock }, transaction, task, end);
  if (problem !== undefined) await tellAftermath(transaction, task, end, problem);
}

async function noteSuccess(transaction: Transaction, task: TaskRow, now: number): Promise<void> {
  if (task.plan_id === null) return;
  await transaction
    .updateTable("plan_devices")
    .set({ last_success_at: now })
    .where("plan_id", "=", task.plan_id)
    .where("device_id", "=", task.device_id)
    .execute();
}

/** What should follow may be impossible, such as retention without a device: returned, since the task has ended all the same. */
async function tellKind(
  { kinds }: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
  end: TaskEnd,
): Promise<AppError | undefined> {
  try {
    await kinds.ended(transaction, task, end);
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError) || isOfDatabase(error)) throw error;
    return error;
  }
}

async function tellAftermath(
  transaction: Transaction,
  task: TaskRow,
  end: TaskEnd,
  problem: AppError,
): Promise<void> {
  if (end.state !== "succeeded") return;
  await transaction
    .updateTable("tasks")
    .set({ state: "warnings", error: JSON.stringify(toErrorRecord(problem)) })
    .where("id", "=", task.id)
    .execute();
}

export async function endLeases(transaction: Transaction, runId: string, now: number): Promise<void> {
  await transaction
    .updateTable("leases")
    .set({ ended_at: now })
    .where("run_id", "=", runId)
    .where("ended_at", "is", null)
    .execute();
}

function mayRetry(task: TaskRow, error: ErrorRecord): boolean {
  return task.attempt < task.attempt_max && isWorthRetrying(error.code);
}

/** `ERR_FAILED` is what nobody foresaw: it may have been the moment. */
function isWorthRetrying(code: ErrorCode): boolean {
  return code === "ERR_FAILED" || ERROR_CODES[code].retryable;
}

async function queueAgain(
  { kinds, clock }: EndDependencies,
  transaction: Transaction,
  task: TaskRow,
  error: ErrorRecord,
): Promise<void> {
  const delayMs =
    (await kinds.retryDelayMs?.(transaction, task)) ??
    Math.min(RETRY_DELAY_MAX_MS, RETRY_DELAY_MS * 2 ** (task.attempt - 1));
  await transaction
    .updateTable("tasks")
    .set({ state: "queued", not_before: clock.now() + delayMs, error: JSON.stringify(error) })
    .where("id", "=", task.id)
    .execute();
}

/** Somebody asked for the end, and it came: not a failure. */
function cancelledInstead(task: TaskRow, end: TaskEnd): TaskEnd {
  return end.state === "failed" && task.cancel_requested_at !== null ? { state: "cancelled" } : end;
}

async function findTaskOfRun(
  transaction: Transaction,
  run: Pick<RunRow, "task_id">,
): Promise<TaskRow | undefined> {
  return transaction.selectFrom("tasks").selectAll().where("id", "=", run.task_id).executeTakeFirst();
}
