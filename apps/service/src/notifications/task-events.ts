/**
 * Ends of tasks that people are told of, recorded in the transaction that ends the task.
 *
 * @module
 */
import { type Clock, type ErrorRecord, isAppError, toErrorRecord } from "@holdfast/kernel";
import { type NotificationKind, taskResults } from "@holdfast/protocol";
import type { Db, Transaction } from "../database/database.ts";
import { seenSpace, storageOfRepository } from "../storages/free-space.ts";
import type { TaskEnd, TaskKinds, TaskRow } from "../tasks/task-kinds.ts";
import { type EventDetails, recordEvent } from "./events.ts";
import { readSettings } from "./settings.ts";

interface Dependencies {
  readonly clock: Pick<Clock, "now">;
}

interface Outcome {
  readonly kind: NotificationKind;
  readonly error?: Pick<ErrorRecord, "code" | "message" | "remedy"> | undefined;
  readonly facts?: readonly (readonly [string, string])[];
}

/** `ended`, and then a record of it, in the same transaction. */
export function withNotifications(dependencies: Dependencies, ended: TaskKinds["ended"]): TaskKinds["ended"] {
  return async (transaction, task, end) => {
    try {
      await ended(transaction, task, end);
    } catch (error) {
      // The task ends nevertheless, with this as a warning (run-end.ts); after a failure of the database it does not.
      if (isAppError(error) && !error.code.startsWith("ERR_DATABASE_")) {
        await recordTaskEnd(dependencies, transaction, task, end, toErrorRecord(error));
      }
      throw error;
    }
    await recordTaskEnd(dependencies, transaction, task, end, undefined);
  };
}

async function recordTaskEnd(
  dependencies: Dependencies,
  transaction: Transaction,
  task: TaskRow,
  end: TaskEnd,
  aftermath: ErrorRecord | undefined,
): Promise<void> {
  await recordLowStorage(dependencies, transaction, task, end);
  const outcome = outcomeOf(task, end, aftermath);
  if (outcome === undefined) return;
  const { kind, error, facts } = outcome;
  const names = await namesOf(transaction, task);
  await recordEvent(dependencies, transaction, {
    kind,
    happening: task.id,
    plans: task.plan_id === null ? [] : [task.plan_id],
    details: {
      ...names,
      task: task.id,
      ...(error === undefined ? {} : { error: plainError(error) }),
      ...(facts === undefined ? {} : { facts: facts.map(([label, value]) => [label, value]) }),
    },
  });
}

/** A storage that is nearly full is told of once a day, whoever has seen it, and concerns all plans that write to it. */
async function recordLowStorage(
  dependencies: Dependencies,
  transaction: Transaction,
  task: TaskRow,
  end: TaskEnd,
): Promise<void> {
  const seen = await seenSpace(transaction, task, end);
  if (seen === undefined) return;
  const { freeGibibytes } = await readSettings(transaction);
  const left = seen.freeBytes / 2 ** 30;
  if (left >= freeGibibytes) return;
  const storage = await nameIn(transaction, "storages", seen.storageId);
  await recordEvent(dependencies, transaction, {
    kind: "storage.low",
    happening: `${seen.storageId}:${dayOf(dependencies.clock.now())}`,
    plans: await plansWithRules(transaction, seen.storageId),
    details: {
      ...(storage === undefined ? {} : { storage }),
      task: task.id,
      facts: [["Free", `${left.toFixed(1)} GiB`]],
    },
  });
}

/** Those plans of the storage that have rules of their own: there may be thousands without. */
async function plansWithRules(db: Db, storageId: string): Promise<string[]> {
  const rows = await db
    .selectFrom("plans")
    .innerJoin("notification_rules", "notification_rules.plan_id", "plans.id")
    .select("plans.id")
    .distinct()
    .where("plans.storage_id", "=", storageId)
    .execute();
  return rows.map(({ id }) => id);
}

function plainError({ code, message, remedy }: NonNullable<Outcome["error"]>): EventDetails["error"] {
  return { code, message, ...(remedy === undefined ? {} : { remedy }) };
}

function outcomeOf(task: TaskRow, end: TaskEnd, aftermath: ErrorRecord | undefined): Outcome | undefined {
  if (end.state === "cancelled") return undefined;
  switch (task.kind) {
    case "backup":
      return backupOutcome(end, aftermath);
    case "verify":
      return verifyOutcome(end);
    default:
      return undefined;
  }
}

function backupOutcome(
  end: Exclude<TaskEnd, { state: "cancelled" }>,
  aftermath: ErrorRecord | undefined,
): Outcome {
  if (end.state === "failed") {
    return {
      kind: end.error.code === "ERR_RUN_MISSED" ? "backup.missed" : "backup.failed",
      error: end.error,
    };
  }
  if (end.warnings === 0 && aftermath === undefined) return { kind: "backup.succeeded" };
  return {
    kind: "backup.warnings",
    error: aftermath,
    ...(end.warnings === 0 ? {} : { facts: [["Warnings", String(end.warnings)]] }),
  };
}

function verifyOutcome(end: Exclude<TaskEnd, { state: "cancelled" }>): Outcome | undefined {
  if (end.state === "failed") return { kind: "verification.failed", error: end.error };
  const damaged = taskResults.verify.safeParse(end.result).data?.damagedCount ?? 0;
  if (damaged === 0) return undefined;
  return { kind: "verification.failed", facts: [["Damaged objects", String(damaged)]] };
}

async function namesOf(db: Db, task: TaskRow): Promise<Pick<EventDetails, "plan" | "device" | "storage">> {
  const { plan_id: planId, device_id: deviceId } = task;
  const storageId = task.storage_id ?? (await storageOfRepository(db, task.repository_id));
  const [plan, device, storage] = [
    planId === null ? undefined : await nameIn(db, "plans", planId),
    await nameIn(db, "devices", deviceId),
    storageId === undefined ? undefined : await nameIn(db, "storages", storageId),
  ];
  return {
    ...(plan === undefined ? {} : { plan }),
    ...(device === undefined ? {} : { device }),
    ...(storage === undefined ? {} : { storage }),
  };
}

async function nameIn(
  db: Db,
  table: "plans" | "devices" | "storages",
  id: string,
): Promise<{ id: string; name: string } | undefined> {
  return db.selectFrom(table).select(["id", "name"]).where("id", "=", id).executeTakeFirst();
}

export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
