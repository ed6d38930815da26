/**
 * What was given for a task is taken back while it runs (docs/protocol.md, section 5.5): its leases end with the transaction, and its
 * device is told to end the run. For domains in which something is disabled; they tell the processes afterwards, by
 * `database.notify("tasks")`.
 *
 * @module
 */
import type { Transaction } from "../database/database.ts";
import type { TaskQueue } from "./task-kinds.ts";

/** Tasks that were given a secret, or a capability that was derived from it. @returns their ids. */
export async function cancelTasksWithSecret(
  queue: Pick<TaskQueue, "requestCancel">,
  transaction: Transaction,
  secretId: string,
  reason: string,
): Promise<string[]> {
  const rows = await transaction
    .selectFrom("tasks")
    .innerJoin("leases", "leases.run_id", "tasks.run_id")
    .innerJoin("secret_exposures", "secret_exposures.lease_id", "leases.id")
    .leftJoin("repositories", "repositories.id", "secret_exposures.object_id")
    .select("tasks.id")
    .distinct()
    .where("tasks.state", "=", "running")
    .where("leases.ended_at", "is", null)
    .where((eb) =>
      eb.or([eb("secret_exposures.object_id", "=", secretId), eb("repositories.secret_id", "=", secretId)]),
    )
    .execute();
  return cancelAll(queue, transaction, rows, reason);
}

/** Backups of a plan, such as of one that is switched off. @returns their ids. */
export async function cancelBackupsOfPlan(
  queue: Pick<TaskQueue, "requestCancel">,
  transaction: Transaction,
  planId: string,
  { reason, states }: { readonly reason: string; readonly states: readonly ("queued" | "running")[] },
): Promise<string[]> {
  const rows = await transaction
    .selectFrom("tasks")
    .select("id")
    .where("plan_id", "=", planId)
    .where("kind", "=", "backup")
    .where("state", "in", states)
    .execute();
  return cancelAll(queue, transaction, rows, reason);
}

/** Tasks of a plan, queued and running. @returns their ids. */
export async function cancelTasksOfPlan(
  queue: Pick<TaskQueue, "requestCancel">,
  transaction: Transaction,
  planId: string,
  reason: string,
): Promise<string[]> {
  const rows = await transaction
    .selectFrom("tasks")
    .select("id")
    .where("plan_id", "=", planId)
    .where("state", "in", ["queued", "running"])
    .execute();
  return cancelAll(queue, transaction, rows, reason);
}

async function cancelAll(
  queue: Pick<TaskQueue, "requestCancel">,
  transaction: Transaction,
  rows: readonly { readonly id: string }[],
  reason: string,
): Promise<string[]> {
  for (const { id } of rows) await queue.requestCancel(transaction, id, reason);
  return rows.map(({ id }) => id);
}
