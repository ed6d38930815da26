/**
 * Gives queued tasks to devices, each exactly once: the row itself decides among several processes.
 *
 * @module
 */
import { suiteByCode } from "@holdfast/crypto";
import {
  AppError,
  type Clock,
  type ErrorRecord,
  newId,
  type Randomness,
  toErrorRecord,
} from "@holdfast/kernel";
import { agentTask, type AgentTask, FRAME_BYTES_MAX, TASK_LANES } from "@holdfast/protocol";
import { type RawBuilder, sql } from "kysely";
import type { Database, Transaction } from "../database/database.ts";
import { isOfDatabase } from "../database/failures.ts";
import { type DeviceRow, methodsOf } from "../devices/device-rows.ts";
import { type EndDependencies, endTask } from "./run-end.ts";
import type { TaskKinds, TaskRow } from "./task-kinds.ts";
import { tasksOfLane, type WaitingDevice, waitingFor } from "./waiting-tasks.ts";

export interface GiveOutDependencies extends EndDependencies {
  readonly database: Database;
  readonly kinds: TaskKinds;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Of this process. */
  readonly processId: string;
  /** Told of runs that were given out unless the database took that back, which was lost at its end: it is looked at later. */
  readonly maybeGiven?: (runs: readonly GivenRun[]) => void;
  /** Told what could not be given out to a device; the others get theirs. */
  readonly failed: (error: unknown) => void;
  /** Told how long a task waited from when it could be given out. */
  readonly handedOut?: (waitMs: number) => void;
}

export interface GivenRun {
  readonly run: string;
  readonly deviceId: string;
  readonly task: AgentTask;
}

/** A task that is to be given out. */
interface ChosenTask {
  readonly run: string;
  readonly task: TaskRow;
  readonly described: AgentTask;
}

/**
 * Gives devices as many tasks as they may have at a time, in one transaction: its end is what takes the time.
 *
 * @returns what the devices are to be told.
 */
export async function giveOutTo(
  dependencies: GiveOutDependencies,
  deviceIds: readonly string[],
): Promise<GivenRun[]> {
  const waiting = await waitingFor(dependencies, deviceIds);
  const chosen = await Promise.all(
    waiting.map(async (one) => {
      // What fails for one device is not in the way of the others.
      try {
        return await chooseFor(dependencies, one);
      } catch (error) {
        dependencies.failed(error);
        return [];
      }
    }),
  );
  return markAll(dependencies, chosen.flat());
}

/** What a device may have now. */
async function chooseFor(dependencies: GiveOutDependencies, waiting: WaitingDevice): Promise<ChosenTask[]> {
  const chosen: ChosenTask[] = [];
  for (const { name, runsMax } of TASK_LANES) {
    const free = runsMax - waiting.active.filter((lane) => lane === name).length;
    if (free <= 0) continue;
    for (const task of await tasksOfLane(dependencies, waiting, name, free)) {
      const one = await choose(dependencies, task, waiting.device);
      if (one !== undefined) chosen.push(one);
    }
  }
  return chosen;
}

/** @returns undefined when the task could not be given out: it has failed. */
async function choose(
  dependencies: GiveOutDependencies,
  task: TaskRow,
  device: DeviceRow,
): Promise<ChosenTask | undefined> {
  const { database, clock, randomness } = dependencies;
  try {
    const described = await describeFor(dependencies, task, device);
    return { run: newId("run", clock, randomness), task, described };
  } catch (error) {
    if (isOfDatabase(error)) throw error;
    await database.transaction((transaction) =>
      failQueued(dependencies, transaction, task, toErrorRecord(error)),
    );
    return undefined;
  }
}

/**
 * The task as its device will get it.
 *
 * @throws AppError what `TaskKinds.describe` throws; `ERR_METHOD_UNSUPPORTED`; `ERR_USAGE` when it is too large.
 */
export async function describeFor(
  { database, kinds }: Pick<GiveOutDependencies, "database" | "kinds">,
  task: TaskRow,
  device: DeviceRow,
): Promise<AgentTask> {
  const described = agentTask.parse(await kinds.describe(database.db, task));
  checkMethod(described, device);
  if (Buffer.byteLength(JSON.stringify(described)) > FRAME_BYTES_MAX - 1024) {
    throw new AppError("ERR_USAGE", "The task is too large to be sent to its device.", {
      subject: task.id,
      remedy: "Give fewer or shorter paths.",
    });
  }
  return described;
}

/** Before anything is given out (docs/protocol.md, section 4). */
function checkMethod(task: AgentTask, device: DeviceRow): void {
  if (!("repository" in task)) return;
  const { method } = suiteByCode(task.repository.suite);
  if (method === null || methodsOf(device).has(method)) return;
  const name = method === "gcm" ? "AES-GCM" : "AES-CBC";
  const plan = task.plan === undefined ? "The task" : `The plan “${task.plan.name}”`;
  throw new AppError(
    "ERR_METHOD_UNSUPPORTED",
    `${plan} needs ${name}, which the device “${device.name}” does not support.`,
    {
      subject: device.id,
      remedy:
        method === "gcm"
          ? "Clone the plan, choose AES-CBC in the clone, and use the clone for this device; restore existing copies on another device."
          : "Update the agent on the device, or choose another device.",
    },
  );
}

/** Those that are given out by this; another process may have been faster. */
async function markAll(
  dependencies: GiveOutDependencies,
  chosen: readonly ChosenTask[],
): Promise<GivenRun[]> {
  if (chosen.length === 0) return [];
  const { database, clock, handedOut, maybeGiven } = dependencies;
  let marked: readonly ChosenTask[];
  try {
    marked = await database.transaction((transaction) => markGiven(dependencies, transaction, chosen));
  } catch (error) {
    maybeGiven?.(chosen.map(givenOf));
    throw error;
  }
  for (const { task } of marked) handedOut?.(clock.now() - task.not_before);
  return marked.map(givenOf);
}

function givenOf({ run, task, described }: ChosenTask): GivenRun {
  return { run, deviceId: task.device_id, task: described };
}

async function markGiven(
  { clock, processId }: GiveOutDependencies,
  transaction: Transaction,
  chosen: readonly ChosenTask[],
): Promise<ChosenTask[]> {
  const now = clock.now();
  const devices = await transaction
    .selectFrom("devices")
    .select("id")
    .where("id", "in", [...new Set(chosen.map(({ task }) => task.device_id))])
    // Another one has dialled another process, or may have nothing any more.
    .where("process_id", "=", processId)
    .where("disabled", "=", 0)
    .execute();
  const here = new Set(devices.map(({ id }) => id));
  const wanted = chosen.filter(({ task }) => here.has(task.device_id));
  if (wanted.length === 0) return [];
  const updated = await transaction
    .updateTable("tasks")
    .set((eb) => ({
      state: "running",
      run_id: byTask(wanted, ({ run }) => sql<string>`${run}`),
      attempt: eb("attempt", "+", 1),
      started_at: eb.fn.coalesce("started_at", eb.val(now)),
    }))
    .where(
      "id",
      "in",
      wanted.map(({ task }) => task.id),
    )
    .where("state", "=", "queued")
    // It was not given out, and taken back, meanwhile.
    .where(
      "attempt",
      "=",
      byTask(wanted, ({ task }) => sql<number>`cast(${task.attempt} as integer)`),
    )
    .returning("id")
    .execute();
  const ids = new Set(updated.map(({ id }) => id));
  const given = wanted.filter(({ task }) => ids.has(task.id));
  if (given.length > 0) await insertRuns(transaction, given, now);
  return given;
}

/** For each of these tasks its value. */
function byTask<T>(chosen: readonly ChosenTask[], value: (one: ChosenTask) => RawBuilder<T>): RawBuilder<T> {
  const cases = chosen.map((one) => sql`when ${one.task.id} then ${value(one)}`);
  return sql<T>`case id ${sql.join(cases, sql` `)} end`;
}

async function insertRuns(
  transaction: Transaction,
  given: readonly ChosenTask[],
  now: number,
): Promise<void> {
  await transaction
    .insertInto("runs")
    .values(
      given.map(({ run, task }) => ({
        id: run,
        task_id: task.id,
        device_id: task.device_id,
        state: "given" as const,
        given_at: now,
        started_at: null,
        ended_at: null,
        last_event: 0,
        progress: null,
      })),
    )
    .execute();
}

async function failQueued(
  dependencies: GiveOutDependencies,
  transaction: Transaction,
  { id }: TaskRow,
  error: ErrorRecord,
): Promise<void> {
  const task = await transaction
    .selectFrom("tasks")
    .selectAll()
    .where("id", "=", id)
    .where("state", "=", "queued")
    .executeTakeFirst();
  if (task !== undefined) await endTask(dependencies, transaction, task, { state: "failed", error });
}
