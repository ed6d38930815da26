/**
 * Work on repositories that no plan asks for: verification, retention and clean-up, by hand and when they are due, and a look at which
 * copies are really there.
 *
 * @module
 */
import { type Clock, isAppError, type Randomness } from "@holdfast/kernel";
import type { MaintenanceChange, VerificationRequest } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db, Transaction } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { chooseDevice, writerOf } from "../operations/device-choice.ts";
import { forgetByRules } from "../operations/forget-by-rules.ts";
import { findRepository } from "../repositories/repositories.ts";
import type { NewTask, TaskQueue } from "../tasks/task-kinds.ts";
import { DAY_MS, type MaintenanceKind, spread } from "./times.ts";

export interface MaintenanceDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** Until a repository is looked at again for which no device was there. */
const NO_DEVICE_MS = 3_600_000;
/** What one look starts; the rest is due at the next. */
const DUE_MAX = 100;

export type RepositoryTask =
  | { readonly kind: "verify"; readonly input: Pick<VerificationRequest, "readData" | "copies"> }
  | { readonly kind: "clean" | "copies"; readonly input: Readonly<Record<string, never>> };

/** @returns the id of the task. @throws AppError `ERR_NOT_FOUND`, `ERR_NO_DEVICE`. */
export async function startRepositoryTask(
  { database, audit, queue }: MaintenanceDependencies,
  actor: Actor,
  repositoryId: string,
  task: RepositoryTask,
  device: string | undefined,
): Promise<string> {
  const id = await database.transaction(async (transaction) => {
    const wish = await taskFor(transaction, repositoryId, task, device);
    const created = await queue.create(transaction, { ...wish, createdBy: actor.userId });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: `repository.${task.kind}`,
      subject: { kind: "repository", id: repositoryId },
      details: { task: created },
    });
    return created;
  });
  await database.notify("tasks");
  return id;
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function changeMaintenance(
  { database, audit, clock, randomness }: MaintenanceDependencies,
  actor: Actor,
  repositoryId: string,
  change: MaintenanceChange,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await findRepository(transaction, repositoryId);
    const wanted: [MaintenanceKind, number | undefined][] = [
      ["verify", change.verificationEveryDays],
      ["verify-data", change.fullVerificationEveryDays],
      ["retention", change.retentionEveryDays],
      ["clean", change.cleanUpEveryDays],
    ];
    for (const [kind, days] of wanted) {
      if (days === undefined) continue;
      await transaction
        .updateTable("maintenance")
        .set({ every_days: days, next_at: clock.now() + days * DAY_MS + spread(randomness) })
        .where("repository_id", "=", repositoryId)
        .where("kind", "=", kind)
        .execute();
    }
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "repository.maintenance",
      subject: { kind: "repository", id: repositoryId },
      details: {
        verificationEveryDays: change.verificationEveryDays ?? null,
        fullVerificationEveryDays: change.fullVerificationEveryDays ?? null,
        retentionEveryDays: change.retentionEveryDays ?? null,
        cleanUpEveryDays: change.cleanUpEveryDays ?? null,
      },
    });
  });
}

/**
 * Starts what is due, each once however many processes of the service look.
 *
 * @returns how many were started.
 */
export async function runDueMaintenance(dependencies: MaintenanceDependencies): Promise<number> {
  const { database, clock } = dependencies;
  const due = await database.db
    .selectFrom("maintenance")
    .selectAll()
    .where("every_days", ">", 0)
    .where("next_at", "<=", clock.now())
    .limit(DUE_MAX)
    .execute();
  let started = 0;
  for (const entry of due) {
    const isStarted = await database.transaction((transaction) => startDue(dependencies, transaction, entry));
    if (isStarted) started += 1;
  }
  if (started > 0) await database.notify("tasks");
  return started;
}

interface DueEntry {
  readonly repository_id: string;
  readonly kind: MaintenanceKind;
  readonly every_days: number;
  readonly next_at: number;
}

async function startDue(
  dependencies: MaintenanceDependencies,
  transaction: Transaction,
  { repository_id: repositoryId, kind, every_days: days, next_at: nextAt }: DueEntry,
): Promise<boolean> {
  const { clock } = dependencies;
  // Claimed by this update alone: another process has left another time there.
  const claimed = await transaction
    .updateTable("maintenance")
    .set({ next_at: clock.now() + days * DAY_MS })
    .where("repository_id", "=", repositoryId)
    .where("kind", "=", kind)
    .where("next_at", "=", nextAt)
    .executeTakeFirst();
  if (claimed.numUpdatedRows !== 1n) return false;
  const entry = transaction
    .updateTable("maintenance")
    .where("repository_id", "=", repositoryId)
    .where("kind", "=", kind);
  try {
    const task = await createDue(dependencies, transaction, repositoryId, kind);
    if (task !== undefined) await entry.set({ last_task_id: task }).execute();
    return task !== undefined;
  } catch (error) {
    if (!isAppError(error, "ERR_NO_DEVICE")) throw error;
    await entry.set({ next_at: clock.now() + NO_DEVICE_MS }).execute();
    return false;
  }
}

/** Returns the id of the task, or undefined when there is nothing to do. */
async function createDue(
  dependencies: MaintenanceDependencies,
  transaction: Transaction,
  repositoryId: string,
  kind: MaintenanceKind,
): Promise<string | undefined> {
  if (kind === "retention") {
    if (await isUnderWay(transaction, repositoryId, "forget")) return undefined;
    return forgetByRules(dependencies, transaction, repositoryId, () => deviceFor(transaction, repositoryId));
  }
  const task = await dueTask(transaction, repositoryId, kind);
  if (task === undefined) return undefined;
  return dependencies.queue.create(transaction, await taskFor(transaction, repositoryId, task, undefined));
}

async function dueTask(
  transaction: Transaction,
  repositoryId: string,
  kind: Exclude<MaintenanceKind, "retention">,
): Promise<RepositoryTask | undefined> {
  if (kind === "clean") {
    const isWorthIt =
      (await wasWritten(transaction, repositoryId)) &&
      !(await isUnderWay(transaction, repositoryId, "clean"));
    return isWorthIt ? { kind: "clean", input: {} } : undefined;
  }
  if (!(await hasCopies(transaction, repositoryId))) return undefined;
  return { kind: "verify", input: { readData: kind === "verify-data", copies: [] } };
}

/** What is waiting or at work does the same. */
async function isUnderWay(
  transaction: Transaction,
  repositoryId: string,
  kind: "forget" | "clean",
): Promise<boolean> {
  const some = await transaction
    .selectFrom("tasks")
    .select("id")
    .where("kind", "=", kind)
    .where("repository_id", "=", repositoryId)
    .where("state", "in", ["queued", "running"])
    .executeTakeFirst();
  return some !== undefined;
}

async function taskFor(
  transaction: Transaction,
  repositoryId: string,
  { kind, input }: RepositoryTask,
  device: string | undefined,
): Promise<NewTask> {
  const { storage_id: storageId } = await findRepository(transaction, repositoryId);
  return {
    kind,
    deviceId: device ?? (await deviceFor(transaction, repositoryId)),
    storageId,
    repositoryId,
    input,
    createdBy: "",
    attemptMax: 2,
  };
}

/** Who works on a repository for no plan. @throws AppError `ERR_NO_DEVICE`. */
export async function deviceFor(db: Db, repositoryId: string): Promise<string> {
  const { storage_id: storageId } = await findRepository(db, repositoryId);
  return chooseDevice(db, storageId, await lastWriter(db, repositoryId));
}

/** The device that made the newest copy, or filled the replica. */
async function lastWriter(db: Db, repositoryId: string): Promise<string | null> {
  const newest = await db
    .selectFrom("copies")
    .select("device_id")
    .where("repository_id", "=", repositoryId)
    .where("device_id", "is not", null)
    .orderBy("time", "desc")
    .limit(1)
    .executeTakeFirst();
  return writerOf(db, { repositoryId, deviceId: newest?.device_id ?? null });
}

async function hasCopies(transaction: Transaction, repositoryId: string): Promise<boolean> {
  const some = await copiesOf(transaction, repositoryId)
    .where("forgotten_at", "is", null)
    .limit(1)
    .executeTakeFirst();
  return some !== undefined;
}

/** Where nothing was ever stored, nothing can be given back. */
async function wasWritten(transaction: Transaction, repositoryId: string): Promise<boolean> {
  return (await copiesOf(transaction, repositoryId).limit(1).executeTakeFirst()) !== undefined;
}

function copiesOf(transaction: Transaction, repositoryId: string) {
  return transaction.selectFrom("copies").select("id").where("repository_id", "=", repositoryId);
}
