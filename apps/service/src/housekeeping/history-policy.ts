/**
 * How long tasks and their events are kept: as an administrator sets it.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { type HistoryPolicy, historyPolicy, type HistoryPolicyView } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";

export interface HistoryPolicyDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Pick<Clock, "now">;
}

const NAME = "history";
/** A year can be compared with the one before; nobody reads what a backup said three months ago. */
const DEFAULT: HistoryPolicy = { taskDays: 400, eventDays: 90 };

export async function readHistoryPolicy(db: Db): Promise<HistoryPolicyView> {
  const row = await db.selectFrom("policies").selectAll().where("name", "=", NAME).executeTakeFirst();
  if (row === undefined) return { ...DEFAULT, changedAt: null, changedBy: null, revision: 0 };
  const policy = historyPolicy.parse(JSON.parse(row.value));
  return { ...policy, changedAt: row.changed_at, changedBy: row.changed_by, revision: row.revision };
}

/** @throws AppError `ERR_CHANGED_MEANWHILE`. */
export async function setHistoryPolicy(
  { database, audit, clock }: HistoryPolicyDependencies,
  actor: Actor,
  { taskDays, eventDays }: HistoryPolicy,
  ifMatch: number | undefined,
): Promise<HistoryPolicyView> {
  return database.transaction(async (transaction) => {
    const before = await readHistoryPolicy(transaction);
    checkRevision(before, ifMatch);
    const row = {
      name: NAME,
      value: JSON.stringify({ taskDays, eventDays }),
      changed_at: clock.now(),
      changed_by: actor.userId,
      revision: before.revision + 1,
    };
    await transaction.deleteFrom("policies").where("name", "=", NAME).execute();
    await transaction.insertInto("policies").values(row).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "policy.change",
      subject: { kind: "policy", id: NAME },
      details: { taskDays, eventDays },
    });
    return readHistoryPolicy(transaction);
  });
}
