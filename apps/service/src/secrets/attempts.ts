/**
 * Limits of attempts that are counted in the audit log: they hold for all processes of the service and across restarts.
 *
 * @module
 */
import type { AuditEntry } from "../audit/audit.ts";
import type { Db } from "../database/database.ts";

export interface AttemptLimit {
  /** So many in the window. */
  readonly count: number;
  readonly windowMs: number;
}

export async function countAttempts(
  db: Db,
  { actor, action, subject }: Pick<AuditEntry, "actor" | "action" | "subject">,
  { windowMs }: AttemptLimit,
  now: number,
): Promise<number> {
  const { attempts } = await db
    .selectFrom("audit_rows")
    .select(({ fn }) => fn.countAll<number>().as("attempts"))
    .where("actor_kind", "=", actor.kind)
    .where("actor_id", "=", actor.id)
    .where("action", "=", action)
    .where("subject_kind", "=", subject.kind)
    .where("subject_id", "=", subject.id)
    .where("at", ">", now - windowMs)
    .executeTakeFirstOrThrow();
  return attempts;
}
