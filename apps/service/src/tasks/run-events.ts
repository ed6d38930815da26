/**
 * Events of runs are stored once and in order, whatever is repeated or comes late (docs/protocol.md, section 3).
 *
 * @module
 */
import { AppError, type ErrorRecord, isAppError } from "@holdfast/kernel";
import {
  type AgentMessage,
  EVENTS_UNACKNOWLEDGED_MAX,
  type RunEvent,
  runEvent,
  type TaskKind,
  taskResults,
} from "@holdfast/protocol";
import type { Database, Transaction } from "../database/database.ts";
import { isOfDatabase } from "../database/failures.ts";
import { type EndDependencies, endRun, recordLateSuccess, type RunRow } from "./run-end.ts";
import type { TaskEnd } from "./task-kinds.ts";

export type EventMessage = Extract<AgentMessage, { type: "event" }>;

/** So many events of a run are kept; logs and warnings after them are only counted. */
const EVENTS_KEPT_MAX = EVENTS_UNACKNOWLEDGED_MAX;
/** SQLite takes 32,766 values in a statement. */
const ROWS_PER_INSERT = 1000;

export interface StoredEvents {
  readonly run: string;
  /** Events to this number need not be sent again. */
  readonly acknowledged: number;
  /** The service has given up the run, or never gave it to this device. */
  readonly unwanted: boolean;
  readonly ended: boolean;
}

export interface EventDependencies extends EndDependencies {
  readonly database: Database;
  /** Told what nobody foresaw. */
  readonly failed: (error: unknown) => void;
}

/**
 * Stores events that one device sent, of any of its runs, in one transaction.
 *
 * What a kind of task does at its end may fail in ways that nobody foresaw. The device would send the end for ever: so the run
 * ends without it, and the task says what happened.
 *
 * @throws AppError `ERR_PROTOCOL` when a number is missing between events.
 */
export async function storeEvents(
  dependencies: EventDependencies,
  deviceId: string,
  messages: readonly EventMessage[],
): Promise<StoredEvents[]> {
  try {
    return await store(dependencies, deviceId, messages);
  } catch (error) {
    const hasEnd = messages.some(({ event }) => isEnd(event));
    if (!hasEnd || isAppError(error, "ERR_PROTOCOL") || isOfDatabase(error)) throw error;
    dependencies.failed(error);
    const ended = async (): Promise<never> => {
      throw new AppError("ERR_FAILED", "The run was done, but what should follow it failed.", {
        remedy: "The log of the service says more. Start the task again if nothing of it is to be seen.",
        cause: error,
      });
    };
    return store({ ...dependencies, kinds: { ...dependencies.kinds, ended } }, deviceId, messages);
  }
}

async function store(
  dependencies: EventDependencies,
  deviceId: string,
  messages: readonly EventMessage[],
): Promise<StoredEvents[]> {
  const byRun = Map.groupBy(messages, ({ run }) => run);
  return dependencies.database.transaction(async (transaction) => {
    const stored: StoredEvents[] = [];
    for (const [run, events] of byRun)
      stored.push(await storeEventsOfRun(dependencies, transaction, { deviceId, run, events }));
    return stored;
  });
}

interface Batch {
  readonly deviceId: string;
  readonly run: string;
  readonly events: readonly EventMessage[];
}

async function storeEventsOfRun(
  dependencies: EventDependencies,
  transaction: Transaction,
  { deviceId, run: runId, events }: Batch,
): Promise<StoredEvents> {
  const run = await transaction.selectFrom("runs").selectAll().where("id", "=", runId).executeTakeFirst();
  const newest = Math.max(...events.map(({ number }) => number));
  // Another device's run looks like one that was never there.
  if (run === undefined || run.device_id !== deviceId)
    return { run: runId, acknowledged: newest, unwanted: true, ended: false };
  if (run.ended_at !== null) {
    const success = events.find(({ event }) => event.kind === "succeeded");
    if (success !== undefined) await storeLateSuccess(dependencies, transaction, run, success);
    return { run: runId, acknowledged: newest, unwanted: true, ended: false };
  }
  const fresh = inOrder(run, events);
  const end = fresh.find(({ event }) => isEnd(event));
  const kept = end === undefined ? fresh : fresh.slice(0, fresh.indexOf(end) + 1);
  const last = kept.at(-1)?.number ?? run.last_event;
  if (kept.length > 0) {
    // First: who stores the same of a newer channel, at another process, loses the race for this row.
    await transaction
      .updateTable("runs")
      .set({ last_event: last, state: "running", started_at: run.started_at ?? dependencies.clock.now() })
      .where("id", "=", runId)
      .execute();
    await insertEvents(dependencies, transaction, kept);
  }
  if (end === undefined) return { run: runId, acknowledged: last, unwanted: false, ended: false };
  await endRun(dependencies, transaction, run, await endOf(transaction, run, end.event));
  return { run: runId, acknowledged: newest, unwanted: false, ended: true };
}

/** Those that are not stored yet. */
function inOrder(run: RunRow, events: readonly EventMessage[]): EventMessage[] {
  const fresh: EventMessage[] = [];
  let next = run.last_event + 1;
  for (const event of events) {
    if (event.number < next) continue;
    if (event.number > next) {
      throw new AppError("ERR_PROTOCOL", `An event of the run ${run.id} is missing.`, {
        subject: `event ${String(next)}`,
        remedy: "The agent connects again and sends it.",
      });
    }
    fresh.push(event);
    next += 1;
  }
  return fresh;
}

async function insertEvents(
  { clock }: EventDependencies,
  transaction: Transaction,
  events: readonly EventMessage[],
): Promise<void> {
  const rows = events
    .filter(({ number, event }) => number <= EVENTS_KEPT_MAX || isEnd(event))
    .map(({ run, number, at, event }) => ({
      run_id: run,
      number,
      at,
      received_at: clock.now(),
      event: JSON.stringify(event),
    }));
  for (let start = 0; start < rows.length; start += ROWS_PER_INSERT)
    await transaction
      .insertInto("run_events")
      .values(rows.slice(start, start + ROWS_PER_INSERT))
      .execute();
}

function isEnd({ kind }: RunEvent): boolean {
  return kind === "succeeded" || kind === "failed" || kind === "cancelled";
}

/** A success counts only when its result is one that this kind of task has. */
async function endOf(transaction: Transaction, run: RunRow, event: RunEvent): Promise<TaskEnd> {
  if (event.kind === "cancelled") return { state: "cancelled" };
  if (event.kind === "failed") return { state: "failed", error: recordOf(event.error) };
  if (event.kind === "succeeded") return successOf(transaction, run, event.result);
  throw new TypeError(`${event.kind} is no end`);
}

async function successOf(transaction: Transaction, run: RunRow, result: unknown): Promise<TaskEnd> {
  const task = await transaction
    .selectFrom("tasks")
    .select("kind")
    .where("id", "=", run.task_id)
    .executeTakeFirstOrThrow();
  const schemas: Readonly<Record<string, (typeof taskResults)[TaskKind] | undefined>> = taskResults;
  const checked = schemas[task.kind]?.safeParse(result);
  if (checked?.success !== true) {
    const error: ErrorRecord = {
      code: "ERR_PROTOCOL",
      message: "The device sent a result that a task of this kind does not have.",
      subject: run.id,
      remedy: "Update the agent or the service: their versions do not fit each other.",
    };
    return { state: "failed", error };
  }
  const warnings = Math.max(await countWarnings(transaction, run.id), ownWarnings(checked.data));
  return { state: "succeeded", result: checked.data, warnings };
}

async function countWarnings(transaction: Transaction, runId: string): Promise<number> {
  const { count } = await transaction
    .selectFrom("run_events")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("run_id", "=", runId)
    // Written by `JSON.stringify` of what the schema made: `kind` comes first.
    .where("event", "like", '{"kind":"warning"%')
    .executeTakeFirstOrThrow();
  return count;
}

/** What a result itself says of warnings; found damage is one. */
function ownWarnings(result: object): number {
  let count = 0;
  if ("warnings" in result && typeof result.warnings === "number") count += result.warnings;
  if ("damagedCount" in result && typeof result.damagedCount === "number") count += result.damagedCount;
  return count;
}

async function storeLateSuccess(
  dependencies: EventDependencies,
  transaction: Transaction,
  run: RunRow,
  message: EventMessage,
): Promise<void> {
  if (run.state !== "failed" || (await hasOwnEnd(transaction, run)) || message.number <= run.last_event)
    return;
  if (message.event.kind !== "succeeded") return;
  const end = await successOf(transaction, run, message.event.result);
  if (end.state !== "succeeded") return;
  await transaction
    .updateTable("runs")
    .set({ last_event: message.number })
    .where("id", "=", run.id)
    .execute();
  await insertEvents(dependencies, transaction, [message]);
  await recordLateSuccess(dependencies, transaction, run, end);
}

/** The device itself has said how the run ended: nothing can follow. */
async function hasOwnEnd(transaction: Transaction, run: RunRow): Promise<boolean> {
  const last = await transaction
    .selectFrom("run_events")
    .select("event")
    .where("run_id", "=", run.id)
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  return last !== undefined && isEnd(runEvent.parse(JSON.parse(last.event)));
}

function recordOf(error: Extract<RunEvent, { kind: "failed" }>["error"]): ErrorRecord {
  return { code: error.code, message: error.message, subject: error.subject, remedy: error.remedy };
}
