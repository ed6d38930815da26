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
import {
  agentTask,
  type AgentTask,
  DOWNLOAD_KINDS,
  FRAME_BYTES_MAX,
  SHORT_KINDS,
  TASK_LANES,
  type TaskKind,
  type TaskLane,
} from "@holdfast/protocol";
import type { Database, Transaction } from "../database/database.ts";
import { type DeviceRow, findDevice, methodsOf } from "../devices/device-rows.ts";
import { ACTIVE_RUN_STATES, type EndDependencies, endTask, isOfDatabase } from "./run-end.ts";
import type { TaskKinds, TaskRow } from "./task-kinds.ts";

export interface GiveOutDependencies extends EndDependencies {
  readonly database: Database;
  readonly kinds: TaskKinds;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Of this process. */
  readonly processId: string;
  /** Told how long a task waited from when it could be given out. */
  readonly handedOut?: (waitMs: number) => void;
}

export interface GivenRun {
  readonly run: string;
  readonly deviceId: string;
  readonly task: AgentTask;
}

/** Of the kinds that have a lane of their own; the others share the first one. */
const KINDS_OF_LANES: Readonly<Record<Exclude<TaskLane, "long">, readonly TaskKind[]>> = {
  short: SHORT_KINDS,
  download: DOWNLOAD_KINDS,
};

type KindCondition = readonly [operator: "in" | "not in", kinds: readonly TaskKind[]];

function kindsOf(lane: TaskLane): KindCondition {
  return lane === "long" ? ["not in", Object.values(KINDS_OF_LANES).flat()] : ["in", KINDS_OF_LANES[lane]];
}

/** What newer versions have left is long, as it is in the queries. */
function laneOfKind(kind: string): TaskLane {
  const lane = TASK_LANES.find(
    ({ name }) => name !== "long" && KINDS_OF_LANES[name].some((known) => known === kind),
  );
  return lane?.name ?? "long";
}

/** So many tasks are looked at before it is asked for those of each lane. */
const TOGETHER = 20;

/** Those of these devices for which tasks wait. */
export async function devicesWithTasks(
  { database, clock }: GiveOutDependencies,
  connected: ReadonlySet<string>,
): Promise<string[]> {
  if (connected.size === 0) return [];
  const waiting = await database.db
    .selectFrom("tasks")
    .select("device_id")
    .distinct()
    .where("state", "=", "queued")
    .where("not_before", "<=", clock.now())
    .execute();
  return waiting.map(({ device_id: id }) => id).filter((id) => connected.has(id));
}

/** Gives a device as many tasks as it may have at a time. @returns what the device is to be told. */
export async function giveOutTo(dependencies: GiveOutDependencies, deviceId: string): Promise<GivenRun[]> {
  const first = await nextTasks(dependencies, deviceId, undefined, TOGETHER);
  if (first.length === 0) return [];
  const active = await lanesOfRuns(dependencies, deviceId);
  const given: GivenRun[] = [];
  for (const { name, runsMax } of TASK_LANES) {
    const free = runsMax - active.filter((lane) => lane === name).length;
    if (free <= 0) continue;
    // Those of one lane may be so many that they hide the others.
    const tasks =
      first.length < TOGETHER
        ? first.filter(({ kind }) => laneOfKind(kind) === name).slice(0, free)
        : await nextTasks(dependencies, deviceId, name, free);
    for (const task of tasks) {
      const run = await giveOut(dependencies, task);
      if (run === undefined) continue;
      given.push(run);
      dependencies.handedOut?.(dependencies.clock.now() - task.not_before);
    }
  }
  return given;
}

/** The lane of each run that the device carries out. */
async function lanesOfRuns({ database }: GiveOutDependencies, deviceId: string): Promise<TaskLane[]> {
  const rows = await database.db
    .selectFrom("runs")
    .innerJoin("tasks", "tasks.id", "runs.task_id")
    .select("tasks.kind")
    .where("runs.device_id", "=", deviceId)
    .where("runs.state", "in", ACTIVE_RUN_STATES)
    .execute();
  return rows.map(({ kind }) => laneOfKind(kind));
}

/** @param lane only its tasks. */
async function nextTasks(
  { database, clock }: GiveOutDependencies,
  deviceId: string,
  lane: TaskLane | undefined,
  limit: number,
): Promise<TaskRow[]> {
  const tasks = database.db
    .selectFrom("tasks")
    .selectAll()
    .where("state", "=", "queued")
    .where("device_id", "=", deviceId)
    .where("not_before", "<=", clock.now())
    .where((eb) => eb.or([eb("start_before", "is", null), eb("start_before", ">", clock.now())]))
    .orderBy("not_before")
    .orderBy("id")
    .limit(limit);
  return (lane === undefined ? tasks : tasks.where("kind", ...kindsOf(lane))).execute();
}

/** @returns undefined when the task could not be given out: it has failed, or another process was faster. */
async function giveOut(dependencies: GiveOutDependencies, task: TaskRow): Promise<GivenRun | undefined> {
  const { database, clock, randomness } = dependencies;
  let described: AgentTask;
  try {
    described = await describeFor(dependencies, task);
  } catch (error) {
    if (isOfDatabase(error)) throw error;
    await database.transaction((transaction) =>
      failQueued(dependencies, transaction, task, toErrorRecord(error)),
    );
    return undefined;
  }
  const run = newId("run", clock, randomness);
  const isGiven = await database.transaction((transaction) =>
    markGiven(dependencies, transaction, task, run),
  );
  return isGiven ? { run, deviceId: task.device_id, task: described } : undefined;
}

/**
 * The task as its device will get it.
 *
 * @throws AppError what `TaskKinds.describe` throws; `ERR_METHOD_UNSUPPORTED`; `ERR_USAGE` when it is too large.
 */
export async function describeFor(
  { database, kinds }: Pick<GiveOutDependencies, "database" | "kinds">,
  task: TaskRow,
): Promise<AgentTask> {
  const described = agentTask.parse(await kinds.describe(database.db, task));
  checkMethod(described, await findDevice(database.db, task.device_id));
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

async function markGiven(
  { clock, processId }: GiveOutDependencies,
  transaction: Transaction,
  task: TaskRow,
  run: string,
): Promise<boolean> {
  const now = clock.now();
  const device = await transaction
    .selectFrom("devices")
    .select(["process_id", "disabled"])
    .where("id", "=", task.device_id)
    .executeTakeFirst();
  // The device has dialled another process, or may have nothing any more.
  if (device?.process_id !== processId || device.disabled === 1) return false;
  const updated = await transaction
    .updateTable("tasks")
    .set({ state: "running", run_id: run, attempt: task.attempt + 1, started_at: task.started_at ?? now })
    .where("id", "=", task.id)
    .where("state", "=", "queued")
    .where("attempt", "=", task.attempt)
    .executeTakeFirst();
  if (updated.numUpdatedRows !== 1n) return false;
  await transaction
    .insertInto("runs")
    .values({
      id: run,
      task_id: task.id,
      device_id: task.device_id,
      state: "given",
      given_at: now,
      started_at: null,
      ended_at: null,
      last_event: 0,
      progress: null,
    })
    .execute();
  return true;
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
