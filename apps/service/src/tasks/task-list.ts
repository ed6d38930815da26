/**
 * Tasks and their events as the API shows them.
 *
 * @module
 */
import {
  errorRecord,
  type Page,
  runEvent,
  runProgress,
  type TaskEventView,
  type taskEventQuery,
  type TaskQuery,
  type TaskView,
} from "@holdfast/protocol";
import type { SelectQueryBuilder } from "kysely";
import { z } from "zod";
import type { Db } from "../database/database.ts";
import type { Tables } from "../database/tables.ts";
import { nextPage, startAfter, startAfterNumber } from "../http/paging.ts";
import type { TaskRow } from "./task-kinds.ts";
import { findTask } from "./task-queue.ts";

/** The newest first: ids of tasks sort by their birth. */
export async function listTasks(db: Db, query: TaskQuery): Promise<Page<TaskView>> {
  const before = startAfter(query.cursor);
  let rows = views(db)
    .orderBy("tasks.id", "desc")
    .limit(query.limit + 1);
  if (before !== undefined) rows = rows.where("tasks.id", "<", before);
  if (query.state !== undefined) rows = rows.where("tasks.state", "in", query.state);
  if (query.plan !== undefined) rows = rows.where("tasks.plan_id", "=", query.plan);
  if (query.device !== undefined) rows = rows.where("tasks.device_id", "=", query.device);
  if (query.kind !== undefined) rows = rows.where("tasks.kind", "=", query.kind);
  const page = nextPage(await rows.execute(), query.limit, ({ id }) => id);
  return { ...page, items: page.items.map(viewOf) };
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function showTask(db: Db, id: string): Promise<TaskView> {
  await findTask(db, id);
  return viewOf(await views(db).where("tasks.id", "=", id).executeTakeFirstOrThrow());
}

/** In order. @throws AppError `ERR_NOT_FOUND`. */
export async function listTaskEvents(
  db: Db,
  id: string,
  query: z.infer<typeof taskEventQuery>,
): Promise<Page<TaskEventView>> {
  const task = await findTask(db, id);
  const run = query.run ?? task.run_id;
  if (run === null) return { items: [] };
  const rows = await db
    .selectFrom("run_events")
    .innerJoin("runs", "runs.id", "run_events.run_id")
    .selectAll("run_events")
    .where("runs.task_id", "=", id)
    .where("run_events.run_id", "=", run)
    .where("run_events.number", ">", startAfterNumber(query.cursor) ?? 0)
    .orderBy("run_events.number")
    .limit(query.limit + 1)
    .execute();
  const page = nextPage(rows, query.limit, ({ number }) => String(number));
  return {
    ...page,
    items: page.items.map((row) => ({
      run: row.run_id,
      number: row.number,
      at: row.at,
      receivedAt: row.received_at,
      event: runEvent.parse(JSON.parse(row.event)),
    })),
  };
}

type ViewRow = TaskRow & { readonly progress: string | null };

function views(db: Db): SelectQueryBuilder<Tables, "tasks", ViewRow> {
  return db
    .selectFrom("tasks")
    .selectAll("tasks")
    .select((eb) =>
      eb.selectFrom("runs").whereRef("runs.id", "=", "tasks.run_id").select("runs.progress").as("progress"),
    );
}

const json = z.json();

function viewOf(row: ViewRow): TaskView {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    plan: row.plan_id,
    device: row.device_id,
    storage: row.storage_id,
    repository: row.repository_id,
    input: json.parse(JSON.parse(row.input)),
    result: row.result === null ? null : json.parse(JSON.parse(row.result)),
    error: row.error === null ? null : errorRecord.parse(JSON.parse(row.error)),
    progress: row.progress === null ? null : runProgress.parse(JSON.parse(row.progress)),
    createdAt: row.created_at,
    createdBy: row.created_by,
    notBefore: row.not_before,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    cancelRequestedAt: row.cancel_requested_at,
    attempt: row.attempt,
    attemptMax: row.attempt_max,
    run: row.run_id,
  };
}
