/**
 * Proposed values of passwords, which are tested before they replace the old ones; and what shows that an older second factor
 * was put back.
 *
 * @module
 */
import type { Database, Db } from "../database.ts";
import { runStatements } from "./dialect.ts";

const STATEMENTS: readonly string[] = [
  `CREATE TABLE secret_proposals (
    id TEXT PRIMARY KEY,
    secret_id TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    base_version INTEGER NOT NULL CHECK (base_version > 0),
    state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'discarded', 'expired')),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER
  )`,
  `CREATE UNIQUE INDEX secret_proposals_one_open ON secret_proposals (secret_id) WHERE state = 'open'`,
  `CREATE INDEX secret_proposals_secret ON secret_proposals (secret_id, created_at)`,
  `CREATE TABLE secret_proposal_tests (
    proposal_id TEXT NOT NULL REFERENCES secret_proposals (id) ON DELETE CASCADE,
    use_kind TEXT NOT NULL,
    use_id TEXT NOT NULL,
    use_name TEXT NOT NULL,
    place TEXT NOT NULL,
    task_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('task', 'running', 'succeeded', 'failed', 'untested')),
    error TEXT,
    PRIMARY KEY (proposal_id, use_kind, use_id)
  )`,
  `CREATE INDEX secret_proposal_tests_task ON secret_proposal_tests (task_id)`,
  `ALTER TABLE users ADD COLUMN totp_head_box BLOB`,
];

export async function addProposals(db: Db, kind: Database["kind"]): Promise<void> {
  await runStatements(db, kind, STATEMENTS);
}
