/**
 * Backups that a plan asks for: by hand and by its schedule.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import { type Schedule, windowAt } from "@holdfast/scheduling";
import type { AuditActor, AuditLog } from "../audit/audit.ts";
import type { Database, Transaction } from "../database/database.ts";
import { isDatabaseAbsent, isDatabaseOverloaded } from "../database/failures.ts";
import { recordMissedRun } from "../notifications/missed-run.ts";
import type { TaskQueue } from "../tasks/task-kinds.ts";
import { devicesOf, findPlan, type PlanRow, scheduleOf } from "./plan-rows.ts";
import { nextPlanned, nextStart } from "./plan-times.ts";
import { attemptsOf } from "./plans.ts";

export interface RunDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly queue: TaskQueue;
  readonly clock: Clock;
  /** Told how long after its planned start a run became a task. */
  readonly scheduled?: (lateMs: number) => void;
}

/**
 * Starts the plan now.
 *
 * @param only these of its devices; all when undefined.
 * @returns ids of the tasks.
 * @throws AppError `ERR_NOT_FOUND`.
 */
export async function runPlan(
  { database, audit, queue }: RunDependencies,
  actor: AuditActor,
  planId: string,
  only: readonly string[] | undefined,
): Promise<string[]> {
  const tasks = await database.transaction(async (transaction) => {
    const plan = await findPlan(transaction, planId);
    const devices = await devicesOf(transaction, planId);
    const foreign = only?.find((id) => !devices.includes(id));
    if (foreign !== undefined) throw noDevice(plan, foreign);
    const ids: string[] = [];
    for (const device of only ?? devices) {
      ids.push(await createBackup(transaction, queue, plan, device, actor.id));
    }
    await audit.append(transaction, {
      actor,
      action: "plan.run",
      subject: { kind: "plan", id: planId },
      details: { tasks: ids },
    });
    return ids;
  });
  await database.notify("tasks");
  return tasks;
}

/**
 * Starts what schedules want started by now, each once however many processes of the service look.
 *
 * @param availableSince since when this service has been there: missed runs are spread from then on.
 * @returns how many were started.
 */
export async function runDuePlans(dependencies: RunDependencies, availableSince: number): Promise<number> {
  const { database, clock } = dependencies;
  const now = clock.now();
  const due = await database.db
    .selectFrom("plan_devices")
    .innerJoin("plans", "plans.id", "plan_devices.plan_id")
    .select([
      "plan_devices.plan_id as planId",
      "plan_devices.device_id as device",
      "next_start_at as startAt",
      "last_fired_at as lastFired",
    ])
    .where("plans.enabled", "=", 1)
    .where("next_start_at", "<=", now)
    .orderBy("next_start_at")
    .limit(DUE_MAX)
    .execute();
  let started = 0;
  const failures: unknown[] = [];
  for (let first = 0; first < due.length; first += TOGETHER) {
    const entries = due.slice(first, first + TOGETHER).map((entry) => ({ ...entry, now, availableSince }));
    const done = await startTogether(dependencies, entries, failures);
    if (done > 0) await database.notify("tasks");
    started += done;
  }
  if (failures.length > 0) throw new AggregateError(failures, "some plans could not be started");
  return started;
}

/** In one transaction; when something is wrong with one of them, each by itself. @returns how many were started. */
async function startTogether(
  { database, queue, clock, scheduled }: RunDependencies,
  entries: readonly DueEntry[],
  failures: unknown[],
): Promise<number> {
  const start = async (some: readonly DueEntry[]): Promise<number> => {
    const started = await database.transaction(async (transaction) => {
      const plans = await plansById(
        transaction,
        some.map(({ planId }) => planId),
      );
      const done: DueEntry[] = [];
      for (const entry of some) {
        const plan = plans.get(entry.planId);
        if (plan !== undefined && (await startDue(transaction, queue, plan, entry))) done.push(entry);
      }
      return done;
    });
    for (const { startAt } of started) scheduled?.(clock.now() - (startAt ?? clock.now()));
    return started.length;
  };
  try {
    return await start(entries);
  } catch (failure) {
    if (isDatabaseAbsent(failure) || isDatabaseOverloaded(failure)) throw failure;
    let count = 0;
    for (const entry of entries) {
      try {
        count += await start([entry]);
      } catch (error) {
        failures.push(error);
      }
    }
    return count;
  }
}

/** So many share one transaction, whose end is what takes the time. */
const TOGETHER = 50;
/** What one look starts; the rest is due at the next. */
const DUE_MAX = 500;

interface DueEntry {
  readonly planId: string;
  readonly device: string;
  readonly startAt: number | null;
  readonly lastFired: number;
  readonly now: number;
  readonly availableSince: number;
}

async function plansById(transaction: Transaction, ids: readonly string[]): Promise<Map<string, PlanRow>> {
  const rows = await transaction
    .selectFrom("plans")
    .selectAll()
    .where("id", "in", [...new Set(ids)])
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

async function startDue(
  transaction: Transaction,
  queue: TaskQueue,
  plan: PlanRow,
  entry: DueEntry,
): Promise<boolean> {
  const { planId, device, now, availableSince } = entry;
  const times = { planId, schedule: scheduleOf(plan), now, availableSince };
  const run = nextPlanned(times, device, entry.lastFired);
  if (run === undefined || run.startAt > now) {
    // What was due is too old by now to be made up for.
    const claimed = await claim(transaction, entry, { next_start_at: run?.startAt ?? null });
    // Not one that is only put off, so that not all devices start at once.
    if (claimed && entry.startAt !== null && (run === undefined || run.at > now)) {
      const { startAt } = entry;
      await recordMissedRun({ now: () => now }, transaction, { plan, deviceId: device, startAt });
    }
    return false;
  }
  const next = { last_fired_at: run.at, next_start_at: nextStart(times, device, run.at) };
  if (!(await claim(transaction, entry, next))) return false;
  // A backup that still waits or runs will see everything that this one would.
  if (await isBackupOpen(transaction, planId, device)) return false;
  await createBackup(transaction, queue, plan, device, "", windowEnd(times.schedule, now));
  return true;
}

/** When the window closes in which the run is. */
function windowEnd(schedule: Schedule | undefined, now: number): number | undefined {
  if (schedule === undefined) return undefined;
  const state = windowAt(schedule, now);
  return state.open ? state.closesAt : undefined;
}

/** False when another process, or a change of the plan, has left another time there. */
async function claim(
  transaction: Transaction,
  { planId, device, startAt }: DueEntry,
  next: { readonly last_fired_at?: number; readonly next_start_at: number | null },
): Promise<boolean> {
  const { numUpdatedRows } = await transaction
    .updateTable("plan_devices")
    .set(next)
    .where("plan_id", "=", planId)
    .where("device_id", "=", device)
    .where("next_start_at", "=", startAt)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

async function isBackupOpen(transaction: Transaction, planId: string, device: string): Promise<boolean> {
  const open = await transaction
    .selectFrom("tasks")
    .select("id")
    .where("kind", "=", "backup")
    .where("plan_id", "=", planId)
    .where("device_id", "=", device)
    .where("state", "in", ["queued", "running"])
    .executeTakeFirst();
  return open !== undefined;
}

function createBackup(
  transaction: Transaction,
  queue: TaskQueue,
  plan: PlanRow,
  device: string,
  createdBy: string,
  startBefore?: number,
): Promise<string> {
  return queue.create(transaction, {
    kind: "backup",
    planId: plan.id,
    deviceId: device,
    storageId: plan.storage_id,
    repositoryId: plan.repository_id,
    input: {},
    createdBy,
    attemptMax: attemptsOf(plan),
    ...(startBefore === undefined ? {} : { startBefore }),
  });
}

function noDevice(plan: PlanRow, device: string): AppError {
  return new AppError("ERR_NOT_FOUND", `The plan ${plan.name} has no device ${device}.`, {
    subject: device,
    remedy: "Add the device to the plan first.",
  });
}
