/**
 * Rules of the company that an administrator may change: one row each, and none as long as a rule is as it came.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { type AuditDetails, type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db, Transaction } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";

export interface PolicyDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Pick<Clock, "now">;
}

export interface PolicyKind<T extends object> {
  readonly name: string;
  readonly schema: { readonly parse: (value: unknown) => T };
  readonly asItComes: T;
}

/** The rule with who made it so; never changed: 0, null and null. */
export type Policy<T> = T & {
  readonly revision: number;
  readonly changedAt: number | null;
  readonly changedBy: string | null;
};

export async function readPolicy<T extends object>(db: Db, kind: PolicyKind<T>): Promise<Policy<T>> {
  const row = await db.selectFrom("policies").selectAll().where("name", "=", kind.name).executeTakeFirst();
  if (row === undefined) return { ...kind.asItComes, revision: 0, changedAt: null, changedBy: null };
  const value = kind.schema.parse(JSON.parse(row.value));
  return { ...value, revision: row.revision, changedAt: row.changed_at, changedBy: row.changed_by };
}

/** Without a word in the audit log, which the caller has to say. */
export async function putPolicy<T extends object>(
  transaction: Transaction,
  kind: PolicyKind<T>,
  value: T,
  change: { readonly at: number; readonly by: string },
): Promise<void> {
  const { revision } = await readPolicy(transaction, kind);
  const row = {
    name: kind.name,
    value: JSON.stringify(value),
    changed_at: change.at,
    changed_by: change.by,
    revision: revision + 1,
  };
  await transaction.deleteFrom("policies").where("name", "=", kind.name).execute();
  await transaction.insertInto("policies").values(row).execute();
}

/**
 * Changes a rule for a person, and writes that down.
 *
 * @param details of the new value, for the audit log.
 * @throws AppError `ERR_CHANGED_MEANWHILE`.
 */
export async function changePolicy<T extends object>(
  { database, audit, clock }: PolicyDependencies,
  actor: Actor,
  kind: PolicyKind<T>,
  change: { readonly value: T; readonly ifMatch: number | undefined; readonly details: AuditDetails },
): Promise<Policy<T>> {
  const { value, ifMatch, details } = change;
  return database.transaction(async (transaction) => {
    checkRevision(await readPolicy(transaction, kind), ifMatch);
    await putPolicy(transaction, kind, value, { at: clock.now(), by: actor.userId });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "policy.change",
      subject: { kind: "policy", id: kind.name },
      details,
    });
    return readPolicy(transaction, kind);
  });
}
