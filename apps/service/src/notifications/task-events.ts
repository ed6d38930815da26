/**
 * Ends of tasks that people are told of, recorded in the transaction that ends the task.
 *
 * @module
 */
import { type Clock, type ErrorRecord, isAppError, toErrorRecord } from "@holdfast/kernel";
import { type NotificationKind, taskResults } from "@holdfast/protocol";
import type { Db, Transaction } from "../database/database.ts";
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
  const outcome = await outcomeOf(transaction, task, end, aftermath);
  if (outcome === undefined) return;
  const { kind, error, facts } = outcome;
  const names = await namesOf(transaction, task);
  await recordEvent(dependencies, transaction, {
    kind,
    // A storage that is nearly full is told of once a day.
    happening:
      kind === "storage.low" ? `${task.storage_id ?? ""}:${dayOf(dependencies.clock.now())}` : task.id,
    plans: task.plan_id === null ? [] : [task.plan_id],
    details: {
      ...names,
      task: task.id,
      ...(error === undefined ? {} : { error: plainError(error) }),
      ...(facts === undefined ? {} : { facts: facts.map(([label, value]) => [label, value]) }),
    },
  });
}

function plainError({ code, message, remedy }: NonNullable<Outcome["error"]>): EventDetails["error"] {
  return { code, message, ...(remedy === undefined ? {} : { remedy }) };
}

async function outcomeOf(
  db: Db,
  task: TaskRow,
  end: TaskEnd,
  aftermath: ErrorRecord | undefined,
): Promise<Outcome | undefined> {
  if (end.state === "cancelled") return undefined;
  switch (task.kind) {
    case "backup":
      return backupOutcome(end, aftermath);
    case "verify":
      return verifyOutcome(end);
    case "storage.test":
      return end.state === "succeeded" ? storageOutcome(db, end.result) : undefined;
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

async function storageOutcome(db: Db, result: unknown): Promise<Outcome | undefined> {
  const free = taskResults["storage.test"].safeParse(result).data?.freeBytes;
  if (free === undefined) return undefined;
  const { freeGibibytes } = await readSettings(db);
  const left = free / 2 ** 30;
  return left >= freeGibibytes
    ? undefined
    : { kind: "storage.low", facts: [["Free", `${left.toFixed(1)} GiB`]] };
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

async function storageOfRepository(db: Db, id: string | null): Promise<string | undefined> {
  if (id === null) return undefined;
  const row = await db
    .selectFrom("repositories")
    .select("storage_id")
    .where("id", "=", id)
    .executeTakeFirst();
  return row?.storage_id;
}

export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
