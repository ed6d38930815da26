/**
 * Recomputes the whole audit log and says where it stops being what was written.
 *
 * @module
 */
import { verifySignature } from "@holdfast/crypto";
import type { Db } from "../database/database.ts";
import { type AuditRow, CHAIN_START, CHECKPOINT_ROWS, checkpointBytes, rowHash } from "./chain.ts";

export interface AuditVerification {
  /** Rows that were looked at. */
  readonly rows: number;
  readonly checkpoints: number;
  /** Number of the newest good checkpoint, 0 without one: what came later is only held together by hashes. */
  readonly signedTo: number;
  /** The first that is wrong; undefined: everything is as it was written. */
  readonly problem: AuditProblem | undefined;
}

export interface AuditProblem {
  /** The first row that is not as it was written, as far as that can be told. */
  readonly number: number;
  readonly reason: string;
}

interface StoredCheckpoint {
  readonly number: number;
  readonly at: number;
  readonly hash: Buffer;
  readonly signature: Buffer;
}

interface Progress {
  rows: number;
  checkpoints: number;
  signedTo: number;
  previous: Buffer;
}

const PAGE_ROWS = 1000;

/**
 * @param publicKey of the audit key, from a place that whoever changed the database could not reach.
 * @param head a checkpoint kept elsewhere: shows an end that was cut off together with its checkpoints.
 */
export async function verifyAudit(
  db: Db,
  publicKey: Uint8Array,
  head?: { readonly number: number; readonly hash: Uint8Array },
): Promise<AuditVerification> {
  const vault = await db.selectFrom("vault").select("vault_id").executeTakeFirst();
  const vaultId = vault?.vault_id ?? Buffer.alloc(0);
  const progress: Progress = { rows: 0, checkpoints: 0, signedTo: 0, previous: CHAIN_START };
  let problem: AuditProblem | undefined;
  for (;;) {
    const page = await readPage(db, progress.rows);
    problem = checkPage(page, progress, vaultId, publicKey, head);
    if (problem !== undefined || page.rows.length < PAGE_ROWS) break;
  }
  problem ??= await checkEnd(db, progress.rows, head);
  return {
    rows: progress.rows,
    checkpoints: progress.checkpoints,
    signedTo: progress.signedTo,
    problem,
  };
}

interface Page {
  readonly rows: readonly AuditRow[];
  readonly checkpoints: ReadonlyMap<number, StoredCheckpoint>;
}

async function readPage(db: Db, after: number): Promise<Page> {
  const rows = await db
    .selectFrom("audit_rows")
    .selectAll()
    .where("number", ">", after)
    .orderBy("number")
    .limit(PAGE_ROWS)
    .execute();
  const checkpoints = await db
    .selectFrom("audit_checkpoints")
    .selectAll()
    .where("number", ">", after)
    .where("number", "<=", rows.at(-1)?.number ?? after)
    .execute();
  return { rows, checkpoints: new Map(checkpoints.map((checkpoint) => [checkpoint.number, checkpoint])) };
}

function checkPage(
  { rows, checkpoints }: Page,
  progress: Progress,
  vaultId: Uint8Array,
  publicKey: Uint8Array,
  head: { readonly number: number; readonly hash: Uint8Array } | undefined,
): AuditProblem | undefined {
  for (const row of rows) {
    const expected = progress.rows + 1;
    if (row.number !== expected) {
      return { number: expected, reason: `Row ${String(expected)} is missing.` };
    }
    if (!rowHash(progress.previous, row).equals(row.hash)) {
      return {
        number: expected,
        reason: `Row ${String(expected)} was changed, inserted or moved, or the hash of the row before it was.`,
      };
    }
    const checkpoint = checkpoints.get(row.number);
    const wrong =
      checkpoint === undefined
        ? missingCheckpoint(row.number, progress.signedTo)
        : wrongCheckpoint(checkpoint, row, progress.signedTo, vaultId, publicKey);
    if (wrong !== undefined) return wrong;
    if (head?.number === row.number && !row.hash.equals(head.hash))
      return rewritten(row.number, progress.signedTo);
    if (checkpoint !== undefined) {
      progress.checkpoints += 1;
      progress.signedTo = row.number;
    }
    progress.rows = row.number;
    progress.previous = row.hash;
  }
  return undefined;
}

function missingCheckpoint(number: number, signedTo: number): AuditProblem | undefined {
  if (number % CHECKPOINT_ROWS !== 0) return undefined;
  return {
    number: signedTo + 1,
    reason: `The checkpoint at row ${String(number)} is missing: rows ${span(signedTo + 1, number)} may be forged.`,
  };
}

function wrongCheckpoint(
  checkpoint: StoredCheckpoint,
  row: AuditRow,
  signedTo: number,
  vaultId: Uint8Array,
  publicKey: Uint8Array,
): AuditProblem | undefined {
  const bytes = checkpointBytes(vaultId, checkpoint);
  if (!verifySignature(publicKey, bytes, checkpoint.signature)) {
    return {
      number: signedTo + 1,
      reason: `The checkpoint at row ${String(row.number)} is not signed by the audit key: rows ${span(signedTo + 1, row.number)} may be forged.`,
    };
  }
  return checkpoint.hash.equals(row.hash) ? undefined : rewritten(row.number, signedTo);
}

/** Every hash fits, and yet not to what was signed: somebody has computed them anew. */
function rewritten(number: number, signedTo: number): AuditProblem {
  return {
    number: signedTo + 1,
    reason: `A row of ${span(signedTo + 1, number)} was changed and the hashes after it were computed again.`,
  };
}

/** Checkpoints of rows that are not there: the end was cut off. Rows that came meanwhile have theirs. */
async function checkEnd(
  db: Db,
  rows: number,
  head: { readonly number: number } | undefined,
): Promise<AuditProblem | undefined> {
  const beyond = await db
    .selectFrom("audit_checkpoints")
    .leftJoin("audit_rows", "audit_rows.number", "audit_checkpoints.number")
    .select("audit_checkpoints.number")
    .where("audit_rows.number", "is", null)
    .orderBy("audit_checkpoints.number", "desc")
    .limit(1)
    .executeTakeFirst();
  const number = Math.max(beyond?.number ?? 0, head !== undefined && head.number > rows ? head.number : 0);
  if (beyond === undefined && number === 0) return undefined;
  return {
    number: rows + 1,
    reason: `The end is missing: rows ${span(rows + 1, Math.max(number, rows + 1))} were there once.`,
  };
}

function span(from: number, to: number): string {
  return from === to ? String(from) : `${String(from)} to ${String(to)}`;
}
