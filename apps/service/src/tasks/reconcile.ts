/**
 * What a device that connects says it holds, against what the service gave it (docs/protocol.md, section 3).
 *
 * @module
 */
import type { AgentMessage, ServiceMessage } from "@holdfast/protocol";
import { toErrorRecord } from "@holdfast/kernel";
import type { Database, Db } from "../database/database.ts";
import { isOfDatabase } from "../database/failures.ts";
import { findDevice } from "../devices/device-rows.ts";
import { describeFor, type GiveOutDependencies } from "./give-out.ts";
import { lostError } from "./lost-runs.ts";
import { ACTIVE_RUN_STATES, endRun, type RunRow } from "./run-end.ts";

export type Hello = Extract<AgentMessage, { type: "hello" }>;
type Start = Extract<ServiceMessage, { type: "start" }>;

/** What the device is told after `welcome`, in this order. */
export interface Reconciled {
  readonly messages: readonly ServiceMessage[];
  /** Repeated until their first event is stored. */
  readonly starts: readonly Start[];
}

export async function reconcile(
  dependencies: GiveOutDependencies,
  deviceId: string,
  hello: Hello,
): Promise<Reconciled> {
  const { database } = dependencies;
  const active = await activeRuns(database.db, deviceId);
  const held = new Set(hello.runs.map(({ run }) => run));
  const messages: ServiceMessage[] = [];
  const starts: Start[] = [];
  for (const run of active) {
    if (held.has(run.id)) {
      if (run.last_event > 0) messages.push({ type: "acknowledge", run: run.id, number: run.last_event });
    } else if (await hasBegun(database.db, run)) {
      await endAsLost(dependencies, run);
    } else {
      const start = await startAgain(dependencies, run);
      if (start !== undefined) starts.push(start);
    }
  }
  const known = new Set(active.map(({ id }) => id));
  for (const { run } of hello.runs) {
    if (!known.has(run)) messages.push({ type: "cancel", run, reason: "The service has given up this run." });
  }
  return { messages, starts };
}

/** Runs of which the agent may have done something: it has sent an event, or was given a lease. */
async function hasBegun(db: Db, run: RunRow): Promise<boolean> {
  if (run.last_event > 0) return true;
  const lease = await db.selectFrom("leases").select("id").where("run_id", "=", run.id).executeTakeFirst();
  return lease !== undefined;
}

async function endAsLost(dependencies: GiveOutDependencies, run: RunRow): Promise<void> {
  const error = lostError(run, "it came back without it");
  await dependencies.database.transaction((transaction) =>
    endRun(dependencies, transaction, run, { state: "failed", error }),
  );
}

/** A run that never reached the device is sent again, as it would be on the connection that broke. */
async function startAgain(dependencies: GiveOutDependencies, run: RunRow): Promise<Start | undefined> {
  const { database } = dependencies;
  try {
    const task = await database.db
      .selectFrom("tasks")
      .selectAll()
      .where("id", "=", run.task_id)
      .executeTakeFirstOrThrow();
    const device = await findDevice(database.db, task.device_id);
    return { type: "start", run: run.id, task: await describeFor(dependencies, task, device) };
  } catch (error) {
    if (isOfDatabase(error)) throw error;
    await database.transaction((transaction) =>
      endRun(dependencies, transaction, run, { state: "failed", error: toErrorRecord(error) }),
    );
    return undefined;
  }
}

async function activeRuns(db: Database["db"], deviceId: string): Promise<RunRow[]> {
  return db
    .selectFrom("runs")
    .selectAll()
    .where("device_id", "=", deviceId)
    .where("state", "in", ACTIVE_RUN_STATES)
    .orderBy("given_at")
    .orderBy("id")
    .execute();
}

/** Runs of these devices that were asked to end, with the reason. */
export async function cancelledRuns(
  db: Db,
  devices: ReadonlySet<string>,
): Promise<{ readonly run: string; readonly deviceId: string; readonly reason: string }[]> {
  if (devices.size === 0) return [];
  const rows = await db
    .selectFrom("tasks")
    .innerJoin("runs", "runs.id", "tasks.run_id")
    .select(["runs.id", "runs.device_id", "tasks.error"])
    .where("tasks.state", "=", "running")
    .where("tasks.cancel_requested_at", "is not", null)
    .where("runs.state", "in", ACTIVE_RUN_STATES)
    .execute();
  return rows
    .filter(({ device_id: id }) => devices.has(id))
    .map(({ id, device_id: deviceId, error }) => ({ run: id, deviceId, reason: reasonOf(error) }));
}

function reasonOf(error: string | null): string {
  const parsed: unknown = error === null ? undefined : JSON.parse(error);
  if (typeof parsed === "object" && parsed !== null && "message" in parsed) {
    if (typeof parsed.message === "string") return parsed.message.replaceAll(/\p{Cc}/gu, " ").slice(0, 400);
  }
  return "The task was cancelled.";
}
