/**
 * Replications at work: by hand, by schedule, after a backup; one task at a time waits for a target.
 *
 * @module
 */
import { type Clock, isAppError } from "@holdfast/kernel";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Transaction } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { chooseDevice, writerOf } from "../operations/device-choice.ts";
import { nextPlanned, nextStart } from "../plans/plan-times.ts";
import type { TaskQueue, TaskRow } from "../tasks/task-kinds.ts";
import {
  findReplication,
  missingCopies,
  plansOfReplication,
  type ReplicationRow,
  scheduleOfReplication,
} from "./replication-rows.ts";
import { findRepository } from "./repositories.ts";

export interface ReplicationRunDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
  readonly clock: Clock;
}

type QueuePorts = Pick<ReplicationRunDependencies, "queue" | "clock">;

/** What one task brings; the rest comes with the next. */
export const REPLICATED_MAX = 5000;

/** @returns the task; null when nothing is missing or one waits already. @throws AppError `ERR_NOT_FOUND`, `ERR_NO_DEVICE`. */
export async function runReplication(
  dependencies: ReplicationRunDependencies,
  actor: Actor,
  id: string,
): Promise<string | null> {
  const { database, audit } = dependencies;
  const task = await database.transaction(async (transaction) => {
    const row = await findReplication(transaction, id);
    const created = await createTask(dependencies, transaction, row, actor.userId);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "replication.run",
      subject: { kind: "replication", id },
      details: { task: created ?? null },
    });
    return created;
  });
  await database.notify("tasks");
  return task ?? null;
}

/** Starts what schedules want started, each once however many processes of the service look. @returns how many. */
export async function runDueReplications(
  dependencies: ReplicationRunDependencies,
  availableSince: number,
): Promise<number> {
  const { database, clock } = dependencies;
  const due = await database.db
    .selectFrom("replications")
    .select("id")
    .where("enabled", "=", 1)
    .where("next_start_at", "<=", clock.now())
    .execute();
  let started = 0;
  for (const { id } of due) {
    const isStarted = await database.transaction((transaction) =>
      startDue(dependencies, transaction, id, availableSince),
    );
    if (isStarted) started += 1;
  }
  if (started > 0) await database.notify("tasks");
  return started;
}

/** In the transaction that ends the backup. */
export async function replicateAfter(
  ports: QueuePorts,
  transaction: Transaction,
  backup: TaskRow,
): Promise<void> {
  if (backup.repository_id === null) return;
  const rows = await transaction
    .selectFrom("replications")
    .selectAll()
    .where("source_id", "=", backup.repository_id)
    .where("after_backup", "=", 1)
    .where("enabled", "=", 1)
    .execute();
  for (const row of rows) {
    const plans = plansOfReplication(row);
    if (plans.length > 0 && (backup.plan_id === null || !plans.includes(backup.plan_id))) continue;
    await createTask(ports, transaction, row, "");
  }
}

async function startDue(
  dependencies: ReplicationRunDependencies,
  transaction: Transaction,
  id: string,
  availableSince: number,
): Promise<boolean> {
  const row = await transaction
    .selectFrom("replications")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return false;
  const times = {
    planId: id,
    schedule: scheduleOfReplication(row),
    now: dependencies.clock.now(),
    availableSince,
  };
  const run = nextPlanned(times, "", row.last_fired_at);
  const isDue = run !== undefined && run.startAt <= times.now;
  const next = isDue
    ? { last_fired_at: run.at, next_start_at: nextStart(times, "", run.at) }
    : { next_start_at: run?.startAt ?? null };
  // Claimed by this update alone: another process has left another time there.
  const claimed = await transaction
    .updateTable("replications")
    .set(next)
    .where("id", "=", id)
    .where("next_start_at", "=", row.next_start_at)
    .executeTakeFirst();
  if (!isDue || claimed.numUpdatedRows !== 1n) return false;
  try {
    return (await createTask(dependencies, transaction, row, "")) !== undefined;
  } catch (error) {
    // The next regular run brings what is missing then; meanwhile it is not in the way of others.
    if (!isAppError(error, "ERR_NO_DEVICE")) throw error;
    return false;
  }
}

async function createTask(
  { queue, clock }: QueuePorts,
  transaction: Transaction,
  row: ReplicationRow,
  createdBy: string,
): Promise<string | undefined> {
  if (await isWaiting(transaction, row)) return undefined;
  const copies = (await missingCopies(transaction, clock, row)).slice(0, REPLICATED_MAX);
  if (copies.length === 0) return undefined;
  return queue.create(transaction, {
    kind: "replicate",
    deviceId: (await namedDevice(transaction, row)) ?? (await deviceFor(transaction, row)),
    repositoryId: row.source_id,
    input: { target: row.target_id, copies },
    createdBy,
    attemptMax: 3,
  });
}

/** What waits takes all that is missing when it begins. */
async function isWaiting(transaction: Transaction, row: ReplicationRow): Promise<boolean> {
  const waiting = await transaction
    .selectFrom("tasks")
    .select("id")
    .where("repository_id", "=", row.source_id)
    .where("state", "=", "queued")
    .where("kind", "=", "replicate")
    .where("input", "like", `%${row.target_id}%`)
    .executeTakeFirst();
  return waiting !== undefined;
}

/** Undefined when none is named, or it is gone or disabled. */
async function namedDevice(transaction: Transaction, row: ReplicationRow): Promise<string | undefined> {
  if (row.device_id === null) return undefined;
  const device = await transaction
    .selectFrom("devices")
    .select("id")
    .where("id", "=", row.device_id)
    .where("disabled", "=", 0)
    .executeTakeFirst();
  return device?.id;
}

async function deviceFor(transaction: Transaction, { source_id: sourceId }: ReplicationRow): Promise<string> {
  const { storage_id: storageId } = await findRepository(transaction, sourceId);
  const newest = await transaction
    .selectFrom("copies")
    .select("device_id")
    .where("repository_id", "=", sourceId)
    .where("device_id", "is not", null)
    .orderBy("time", "desc")
    .limit(1)
    .executeTakeFirst();
  const writer = await writerOf(transaction, {
    repositoryId: sourceId,
    deviceId: newest?.device_id ?? null,
  });
  return chooseDevice(transaction, storageId, writer);
}
