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
  TASK_STATES,
  type TaskEventView,
  type taskEventQuery,
  type TaskQuery,
  type TaskView,
} from "@holdfast/protocol";
import { type SelectQueryBuilder, sql, type SqlBool } from "kysely";
import type { z } from "zod";
import type { Db } from "../database/database.ts";
import type { Tables } from "../database/tables.ts";
import { nextPage, startAfter, startAfterNumber } from "../http/paging.ts";
import type { TaskRow } from "./task-kinds.ts";
import { findTask } from "./task-queue.ts";

/** The newest first: ids of tasks sort by their birth. */
export async function listTasks(db: Db, query: TaskQuery): Promise<Page<TaskView>> {
  const page = nextPage(await newestIds(db, query), query.limit, (id) => id);
  if (page.items.length === 0) return { ...page, items: [] };
  const rows = await views(db).where("tasks.id", "in", page.items).execute();
  return { ...page, items: rows.toSorted((one, other) => (one.id < other.id ? 1 : -1)).map(viewOf) };
}

/**
 * One more than a page. An index has the tasks of one state in this order, so each state is looked for by itself: in a year there are
 * a million that have succeeded, and no more of another state than an index finds at once.
 */
async function newestIds(db: Db, { state, limit, cursor, ...filters }: TaskQuery): Promise<string[]> {
  const isFiltered = Object.values(filters).some((filter) => filter !== undefined);
  const states = state ?? (isFiltered ? TASK_STATES : [undefined]);
  const before = startAfter(cursor);
  const found: string[] = [];
  for (const one of new Set(states)) {
    let rows = filteredIds(db, filters)
      .orderBy("tasks.id", "desc")
      .limit(limit + 1);
    if (before !== undefined) rows = rows.where("tasks.id", "<", before);
    if (one !== undefined) rows = rows.where("tasks.state", "=", one);
    for (const { id } of await rows.execute()) found.push(id);
  }
  return found.toSorted((one, other) => (one < other ? 1 : -1)).slice(0, limit + 1);
}

type Filters = Pick<TaskQuery, "plan" | "device" | "kind">;
const FILTERS = [
  ["plan", "tasks.plan_id"],
  ["device", "tasks.device_id"],
  ["kind", "tasks.kind"],
] as const;

/** By the index of the first filter, which leaves the fewest; without statistics SQLite would take any of them. */
function filteredIds(db: Db, filters: Filters) {
  let rows = db.selectFrom("tasks").select("tasks.id");
  let isIndexed = false;
  for (const [name, column] of FILTERS) {
    const { [name]: wanted } = filters;
    if (wanted === undefined) continue;
    rows = isIndexed
      ? rows.where(sql<SqlBool>`${sql.ref(column)} || '' = ${wanted}`)
      : rows.where(column, "=", wanted);
    isIndexed = true;
  }
  return rows;
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
      // Only those that run have one; the others are not looked for.
      eb
        .case()
        .when("tasks.state", "=", "running")
        .then(eb.selectFrom("runs").whereRef("runs.id", "=", "tasks.run_id").select("runs.progress"))
        .end()
        .as("progress"),
    );
}

/** The schema of the answer looks at all of it. */
function stored(text: string): z.core.util.JSONType {
  // oxlint-disable-next-line typescript/no-unsafe-return -- what is parsed is JSON
  return JSON.parse(text);
}

/** Their results say what is in a copy: who may see tasks may not see that. */
const SHOWS_COPIES: ReadonlySet<string> = new Set(["browse", "search", "versions", "compare"]);

function viewOf(row: ViewRow): TaskView {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    plan: row.plan_id,
    device: row.device_id,
    storage: row.storage_id,
    repository: row.repository_id,
    input: stored(row.input),
    result: row.result === null || SHOWS_COPIES.has(row.kind) ? null : stored(row.result),
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
