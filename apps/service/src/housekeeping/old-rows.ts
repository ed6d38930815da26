/**
 * Deletes what is too old, some rows at a time: each call is one short transaction, so that nobody waits long for the database.
 * The audit log and what tells which device was given which secret are never shortened.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { Database, Transaction } from "../database/database.ts";
import { KEPT_MS } from "../http/idempotency.ts";
import { readHistoryPolicy } from "./history-policy.ts";

export interface OldRowDependencies {
  readonly database: Database;
  readonly clock: Pick<Clock, "now">;
}

/** @returns how many rows it deleted; 0 when there are no more. */
export type DeleteSome = (dependencies: OldRowDependencies) => Promise<number>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A task goes with some ten other rows. */
const TASKS_AT_ONCE = 50;
const RUNS_AT_ONCE = 100;
const ROWS_AT_ONCE = 500;
/** Ended sessions tell so long from where somebody signs in; ended API tokens, which one it was that no longer works. */
const REMEMBERED_MS = 30 * DAY_MS;

/** Tasks that ended, with their attempts; copies and verifications that name them let go of the name. */
const deleteTasks: DeleteSome = async ({ database, clock }) => {
  const { taskDays } = await readHistoryPolicy(database.db);
  const before = clock.now() - taskDays * DAY_MS;
  return database.transaction(async (transaction) => {
    const rows = await transaction
      .selectFrom("tasks")
      .select("id")
      .where("created_at", "<", before)
      .where("ended_at", "<", before)
      .where("state", "not in", ["queued", "running"])
      .orderBy("created_at")
      .orderBy("id")
      .limit(TASKS_AT_ONCE)
      .execute();
    if (rows.length === 0) return 0;
    const ids = rows.map(({ id }) => id);
    await transaction.updateTable("copies").set({ task_id: null }).where("task_id", "in", ids).execute();
    await transaction
      .updateTable("maintenance")
      .set({ last_task_id: null })
      .where("last_task_id", "in", ids)
      .execute();
    await transaction.deleteFrom("tasks").where("id", "in", ids).execute();
    return ids.length;
  });
};

/** Events and leases of runs, in the order in which the runs ended; the table keeps the place. @returns how many runs. */
const deleteEvents: DeleteSome = async ({ database, clock }) => {
  const { eventDays } = await readHistoryPolicy(database.db);
  const before = clock.now() - eventDays * DAY_MS;
  return database.transaction(async (transaction) => {
    const place = await transaction
      .selectFrom("housekeeping")
      .select(["events_ended_at as endedAt", "events_run_id as runId"])
      .executeTakeFirstOrThrow();
    const runs = await transaction
      .selectFrom("runs")
      .select(["id", "ended_at"])
      .where("ended_at", ">=", place.endedAt)
      .where("ended_at", "<", before)
      .where((eb) => eb.or([eb("ended_at", ">", place.endedAt), eb("id", ">", place.runId)]))
      .orderBy("ended_at")
      .orderBy("id")
      .limit(RUNS_AT_ONCE)
      .execute();
    const last = runs.at(-1);
    if (last?.ended_at === undefined || last.ended_at === null) return 0;
    const ids = runs.map(({ id }) => id);
    await transaction.deleteFrom("run_events").where("run_id", "in", ids).execute();
    await transaction.deleteFrom("leases").where("run_id", "in", ids).execute();
    await transaction
      .updateTable("housekeeping")
      .set({ events_ended_at: last.ended_at, events_run_id: last.id })
      .execute();
    return ids.length;
  });
};

/** Answers of requests that nobody repeats any more. */
const deleteIdempotencyKeys: DeleteSome = ({ database, clock }) =>
  database.transaction(async (transaction) => {
    const rows = await transaction
      .selectFrom("idempotency_keys")
      .select(["user_id", "key"])
      .where("created_at", "<", clock.now() - KEPT_MS)
      .orderBy("created_at")
      .limit(ROWS_AT_ONCE)
      .execute();
    for (const [userId, keys] of Map.groupBy(rows, ({ user_id: id }) => id)) {
      await transaction
        .deleteFrom("idempotency_keys")
        .where("user_id", "=", userId)
        .where(
          "key",
          "in",
          keys.map(({ key }) => key),
        )
        .execute();
    }
    return rows.length;
  });

const deleteSessions: DeleteSome = ({ database, clock }) =>
  database.transaction((transaction) =>
    deleteByKey(
      transaction
        .selectFrom("sessions")
        .select("id")
        .where("expires_at", "<", clock.now() - REMEMBERED_MS)
        .limit(ROWS_AT_ONCE)
        .execute(),
      (ids) => transaction.deleteFrom("sessions").where("id", "in", ids).execute(),
    ),
  );

const deleteApiTokens: DeleteSome = ({ database, clock }) =>
  database.transaction((transaction) =>
    deleteByKey(
      transaction
        .selectFrom("api_tokens")
        .select("id")
        .where("expires_at", "<", clock.now() - REMEMBERED_MS)
        .limit(ROWS_AT_ONCE)
        .execute(),
      (ids) => transaction.deleteFrom("api_tokens").where("id", "in", ids).execute(),
    ),
  );

/** Enrolment codes and challenges, used or not; a day later, so that the reason of a refusal can still be found. */
const deleteOneTimeTokens: DeleteSome = ({ database, clock }) =>
  database.transaction((transaction) =>
    deleteByKey(
      transaction
        .selectFrom("one_time_tokens")
        .select("hash as id")
        .where("expires_at", "<", clock.now() - DAY_MS)
        .limit(ROWS_AT_ONCE)
        .execute(),
      (hashes) => transaction.deleteFrom("one_time_tokens").where("hash", "in", hashes).execute(),
    ),
  );

/** Forgiven ones: users/attempts.ts begins to count anew after an hour. */
const deleteSignInFailures: DeleteSome = ({ database, clock }) =>
  database.transaction((transaction: Transaction) =>
    deleteByKey(
      transaction
        .selectFrom("sign_in_failures")
        .select("subject as id")
        .where("last_at", "<", clock.now() - HOUR_MS)
        .limit(ROWS_AT_ONCE)
        .execute(),
      (subjects) => transaction.deleteFrom("sign_in_failures").where("subject", "in", subjects).execute(),
    ),
  );

async function deleteByKey(
  found: Promise<readonly { readonly id: string }[]>,
  remove: (ids: readonly string[]) => Promise<unknown>,
): Promise<number> {
  const ids = (await found).map(({ id }) => id);
  if (ids.length > 0) await remove(ids);
  return ids.length;
}

/** By what metrics call them. */
export const OLD_ROWS: Readonly<Record<string, DeleteSome>> = {
  tasks: deleteTasks,
  "events-of-runs": deleteEvents,
  "idempotency-keys": deleteIdempotencyKeys,
  sessions: deleteSessions,
  "api-tokens": deleteApiTokens,
  "one-time-tokens": deleteOneTimeTokens,
  "sign-in-failures": deleteSignInFailures,
};
