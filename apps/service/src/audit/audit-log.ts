/**
 * Writes the audit log: rows in the transaction of what they tell of, checkpoints every so many rows and on demand.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import { sql } from "kysely";
import { AUDIT_END_LOCK } from "../database/audit-end-lock.ts";
import type { Database, Transaction } from "../database/database.ts";
import type { Vault } from "../secrets/vault.ts";
import type { AuditEntry, AuditLog } from "./audit.ts";
import {
  CHAIN_START,
  CHECKPOINT_ROWS,
  type Checkpoint,
  checkpointBytes,
  detailsText,
  rowHash,
} from "./chain.ts";

export interface SignedCheckpoint extends Checkpoint {
  readonly signature: Buffer;
}

export interface AuditLogDependencies {
  readonly database: Database;
  readonly vault: Pick<Vault, "vaultId" | "signAudit">;
  readonly clock: Pick<Clock, "now">;
  /** Called with the newest checkpoint, after it is stored for good: keep it elsewhere. */
  readonly onCheckpoint?: (checkpoint: SignedCheckpoint) => void;
}

export interface WrittenAuditLog extends AuditLog {
  /** Signs the newest row unless it is signed; to be called every hour and at each stop. Undefined: there is no row. */
  readonly checkpoint: () => Promise<SignedCheckpoint | undefined>;
}

export function createAuditLog(dependencies: AuditLogDependencies): WrittenAuditLog {
  const { database } = dependencies;
  return {
    append: (transaction, entry) => append(dependencies, transaction, entry),
    checkpoint: async () => {
      const newest = await database.transaction((transaction) => checkpointNewest(dependencies, transaction));
      if (newest !== undefined) dependencies.onCheckpoint?.(newest);
      return newest;
    },
  };
}

async function append(
  dependencies: AuditLogDependencies,
  transaction: Transaction,
  entry: AuditEntry,
): Promise<void> {
  await lockChain(dependencies.database, transaction);
  const last = await transaction
    .selectFrom("audit_rows")
    .select(["number", "hash"])
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  const row = {
    number: (last?.number ?? 0) + 1,
    at: dependencies.clock.now(),
    actor_kind: entry.actor.kind,
    actor_id: entry.actor.id,
    action: entry.action,
    subject_kind: entry.subject.kind,
    subject_id: entry.subject.id,
    details: detailsText(entry.details ?? {}),
  };
  const hash = rowHash(last?.hash ?? CHAIN_START, row);
  await transaction
    .insertInto("audit_rows")
    .values({ ...row, hash })
    .execute();
  if (row.number % CHECKPOINT_ROWS === 0) {
    await insertCheckpoint(dependencies, transaction, { number: row.number, hash });
  }
}

/**
 * On PostgreSQL transactions are serializable: of two that append at once one is repeated. The lock lets it wait for the other
 * instead of doing all its work in vain; when it is repeated it has the lock from its beginning (open-postgres.ts).
 */
async function lockChain(database: Database, transaction: Transaction): Promise<void> {
  if (database.kind !== "postgres") return;
  await sql`select pg_advisory_xact_lock(${AUDIT_END_LOCK})`.execute(transaction);
}

async function checkpointNewest(
  dependencies: AuditLogDependencies,
  transaction: Transaction,
): Promise<SignedCheckpoint | undefined> {
  await lockChain(dependencies.database, transaction);
  const last = await transaction
    .selectFrom("audit_rows")
    .select(["number", "hash"])
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  if (last === undefined) return undefined;
  const signed = await transaction
    .selectFrom("audit_checkpoints")
    .selectAll()
    .where("number", "=", last.number)
    .executeTakeFirst();
  return signed ?? insertCheckpoint(dependencies, transaction, last);
}

async function insertCheckpoint(
  { vault, clock }: AuditLogDependencies,
  transaction: Transaction,
  { number, hash }: Pick<Checkpoint, "number" | "hash">,
): Promise<SignedCheckpoint> {
  const checkpoint = { number, at: clock.now(), hash };
  const signature = vault.signAudit(checkpointBytes(vault.vaultId, checkpoint));
  const signed = { ...checkpoint, signature };
  await transaction.insertInto("audit_checkpoints").values(signed).execute();
  return signed;
}
