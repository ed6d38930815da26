/**
 * The end of proposals: the value goes, and with it the leases and tasks that test it.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { type AuditLog, SERVICE_ACTOR } from "../audit/audit.ts";
import type { Database, Transaction } from "../database/database.ts";
import type { TaskQueue } from "../tasks/task-kinds.ts";
import type { ProposalRow } from "./proposal-rows.ts";

interface EndDependencies {
  readonly queue: TaskQueue;
  readonly clock: Clock;
}

/** A value that nobody can be given any more is not kept. */
export async function endProposal(
  { queue, clock }: EndDependencies,
  transaction: Transaction,
  proposal: Pick<ProposalRow, "id">,
  state: "accepted" | "discarded" | "expired",
): Promise<void> {
  await transaction
    .updateTable("secret_proposals")
    .set({ state, ended_at: clock.now() })
    .where("id", "=", proposal.id)
    .execute();
  await dropValue(transaction, [proposal.id]);
  const tasks = await transaction
    .selectFrom("secret_proposal_tests")
    .innerJoin("tasks", "tasks.id", "secret_proposal_tests.task_id")
    .select("tasks.id")
    .where("proposal_id", "=", proposal.id)
    .where("tasks.state", "in", ["queued", "running"])
    .execute();
  for (const { id } of tasks) {
    await queue.requestCancel(transaction, id, `The proposed value that it tests was ${state}.`);
  }
}

/** Makes room for another one. */
export async function dropOpenProposal(
  dependencies: EndDependencies,
  transaction: Transaction,
  secretId: string,
): Promise<void> {
  const open = await transaction
    .selectFrom("secret_proposals")
    .select("id")
    .where("secret_id", "=", secretId)
    .where("state", "=", "open")
    .execute();
  for (const proposal of open) await endProposal(dependencies, transaction, proposal, "discarded");
}

/** Of a secret that is deleted: its proposals go with it. */
export async function dropProposalValues(transaction: Transaction, secretId: string): Promise<void> {
  const rows = await transaction
    .selectFrom("secret_proposals")
    .select("id")
    .where("secret_id", "=", secretId)
    .where("state", "=", "open")
    .execute();
  await dropValue(
    transaction,
    rows.map(({ id }) => id),
  );
}

async function dropValue(transaction: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await transaction
    .deleteFrom("vault_values")
    .where("object_kind", "=", "proposal")
    .where("object_id", "in", [...ids])
    .execute();
}

/** Ends those whose time is over. @returns how many. */
export async function endOldProposals(
  dependencies: EndDependencies & { readonly database: Database; readonly audit: AuditLog },
): Promise<number> {
  const { database, audit, clock } = dependencies;
  const over = database.db
    .selectFrom("secret_proposals")
    .select(["id"])
    .where("state", "=", "open")
    .where("expires_at", "<=", clock.now());
  const rows = await over.execute();
  for (const { id } of rows) {
    await database.transaction(async (transaction) => {
      const row = await transaction
        .selectFrom("secret_proposals")
        .selectAll()
        .where("id", "=", id)
        .where("state", "=", "open")
        .executeTakeFirst();
      if (row === undefined) return;
      await endProposal(dependencies, transaction, row, "expired");
      await audit.append(transaction, {
        actor: SERVICE_ACTOR,
        action: "secret.proposal-expire",
        subject: { kind: "password", id: row.secret_id },
        details: { proposal: id },
      });
    });
  }
  if (rows.length > 0) await database.notify("tasks");
  return rows.length;
}
