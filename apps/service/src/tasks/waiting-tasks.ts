/**
 * What waits for devices, and how much of it they may have: looked up for many devices at once, since each query costs more than what it
 * finds.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { DOWNLOAD_KINDS, SHORT_KINDS, TASK_LANES, type TaskKind, type TaskLane } from "@holdfast/protocol";
import type { Database } from "../database/database.ts";
import type { DeviceRow } from "../devices/device-rows.ts";
import { ACTIVE_RUN_STATES } from "./run-end.ts";
import type { TaskRow } from "./task-kinds.ts";

interface WaitingDependencies {
  readonly database: Database;
  readonly clock: Clock;
}

/** A device for which tasks wait. */
export interface WaitingDevice {
  readonly device: DeviceRow;
  /** The oldest of its tasks; when they are {@link FIRST}, there may be more. */
  readonly first: readonly TaskRow[];
  /** The lane of each run that it carries out. */
  readonly active: readonly TaskLane[];
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

/** So many tasks of a device are looked at before it is asked for those of each lane. */
const FIRST = 20;

/** Those of these devices for which tasks wait. */
export async function devicesWithTasks(
  { database, clock }: WaitingDependencies,
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

/** Those of these devices for which tasks wait, with what they have to do. */
export async function waitingFor(
  dependencies: WaitingDependencies,
  deviceIds: readonly string[],
): Promise<WaitingDevice[]> {
  const { db } = dependencies.database;
  const first = Map.groupBy(await firstTasks(dependencies, deviceIds), ({ device_id: id }) => id);
  if (first.size === 0) return [];
  const devices = await db
    .selectFrom("devices")
    .selectAll()
    .where("id", "in", [...first.keys()])
    .execute();
  const active = await activeLanes(dependencies, [...first.keys()]);
  return devices.map((device) => ({
    device,
    first: first.get(device.id) ?? [],
    active: active.get(device.id) ?? [],
  }));
}

/** The tasks that a device may have in one lane. */
export async function tasksOfLane(
  dependencies: WaitingDependencies,
  { device, first }: WaitingDevice,
  lane: TaskLane,
  count: number,
): Promise<readonly TaskRow[]> {
  if (first.length < FIRST) return first.filter(({ kind }) => laneOfKind(kind) === lane).slice(0, count);
  // Those of one lane may be so many that they hide the others.
  return waitingTasks(dependencies, [device.id])
    .where("kind", ...kindsOf(lane))
    .limit(count)
    .execute();
}

/** Of each device the oldest, {@link FIRST} of them at most. */
async function firstTasks(
  dependencies: WaitingDependencies,
  deviceIds: readonly string[],
): Promise<TaskRow[]> {
  if (deviceIds.length === 0) return [];
  const limit = FIRST * deviceIds.length;
  const together = await waitingTasks(dependencies, deviceIds).limit(limit).execute();
  if (deviceIds.length === 1 || together.length < limit) return together;
  // Those of one device may be so many that they hide the others.
  const each: TaskRow[] = [];
  for (const id of deviceIds) each.push(...(await waitingTasks(dependencies, [id]).limit(FIRST).execute()));
  return each;
}

function waitingTasks({ database, clock }: WaitingDependencies, deviceIds: readonly string[]) {
  const now = clock.now();
  return database.db
    .selectFrom("tasks")
    .selectAll()
    .where("state", "=", "queued")
    .where("device_id", "in", [...deviceIds])
    .where("not_before", "<=", now)
    .where((eb) => eb.or([eb("start_before", "is", null), eb("start_before", ">", now)]))
    .orderBy("not_before")
    .orderBy("id");
}

async function activeLanes(
  { database }: WaitingDependencies,
  deviceIds: readonly string[],
): Promise<Map<string, TaskLane[]>> {
  const rows = await database.db
    .selectFrom("runs")
    .innerJoin("tasks", "tasks.id", "runs.task_id")
    .select(["runs.device_id as device", "tasks.kind as kind"])
    .where("runs.device_id", "in", [...deviceIds])
    .where("runs.state", "in", ACTIVE_RUN_STATES)
    .execute();
  const lanes = new Map<string, TaskLane[]>();
  for (const { device, kind } of rows) {
    const known = lanes.get(device);
    if (known === undefined) lanes.set(device, [laneOfKind(kind)]);
    else known.push(laneOfKind(kind));
  }
  return lanes;
}
