/**
 * Backups that a schedule has made and that could not begin before their window closed: they have failed as missed. One that has
 * failed before, and whose next attempt would come too late, ends with what it failed with.
 *
 * @module
 */
import { AppError, type ErrorRecord, toErrorRecord } from "@holdfast/kernel";
import { errorRecord } from "@holdfast/protocol";
import type { Database } from "../database/database.ts";
import { type EndDependencies, endTask } from "../tasks/run-end.ts";
import type { TaskRow } from "../tasks/task-kinds.ts";

/** What one look ends; the rest comes with the next. */
const MISSED_MAX = 500;

/** @returns how many. */
export async function endMissedRuns(
  dependencies: EndDependencies & { readonly database: Database },
): Promise<number> {
  const { database, clock } = dependencies;
  const now = clock.now();
  const late = await database.db
    .selectFrom("tasks")
    .select("id")
    .where("state", "=", "queued")
    .where("start_before", "is not", null)
    .where((eb) => eb.or([eb("start_before", "<=", now), eb("not_before", ">=", eb.ref("start_before"))]))
    .limit(MISSED_MAX)
    .execute();
  let count = 0;
  for (const { id } of late) {
    const isEnded = await database.transaction(async (transaction) => {
      const task = await transaction
        .selectFrom("tasks")
        .selectAll()
        .where("id", "=", id)
        .where("state", "=", "queued")
        .executeTakeFirst();
      if (task === undefined) return false;
      await endTask(dependencies, transaction, task, { state: "failed", error: errorOf(task) });
      return true;
    });
    if (isEnded) count += 1;
  }
  return count;
}

function errorOf(task: TaskRow): ErrorRecord {
  if (task.attempt > 0 && task.error !== null) {
    const { subject, remedy, ...record } = errorRecord.parse(JSON.parse(task.error));
    return { ...record, subject, remedy };
  }
  return toErrorRecord(
    new AppError("ERR_RUN_MISSED", "The backup was missed: it could not begin before its window closed.", {
      subject: task.device_id,
      remedy:
        "The next regular run makes up for it. If this happens again: see that the device is online in these hours, or give the plan a longer window.",
    }),
  );
}
