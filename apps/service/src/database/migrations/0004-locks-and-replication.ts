/**
 * Retention locks with the clock that they go by, replications with the repositories that they fill, and how long a task may
 * wait for its beginning.
 *
 * @module
 */
import type { Database, Db } from "../database.ts";
import { runStatements } from "./dialect.ts";

const STATEMENTS: readonly string[] = [
  `ALTER TABLE plans ADD COLUMN lock_days INTEGER NOT NULL DEFAULT 0 CHECK (lock_days BETWEEN 0 AND 3650)`,
  `ALTER TABLE copies ADD COLUMN lock_days INTEGER NOT NULL DEFAULT 0 CHECK (lock_days BETWEEN 0 AND 3650)`,
  `ALTER TABLE copies ADD COLUMN recorded_at INTEGER NOT NULL DEFAULT 0`,
  // When the service came to know of them was not kept until now.
  `UPDATE copies SET recorded_at = time`,
  `ALTER TABLE repositories ADD COLUMN origin_id TEXT`,
  `ALTER TABLE repositories ADD COLUMN writer_id TEXT`,
  `ALTER TABLE tasks ADD COLUMN start_before INTEGER`,
  `CREATE INDEX tasks_start_before ON tasks (start_before) WHERE state = 'queued' AND start_before IS NOT NULL`,
  `CREATE TABLE lock_changes (
    id TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    days_before INTEGER NOT NULL,
    days INTEGER NOT NULL CHECK (days BETWEEN 0 AND 3650),
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'withdrawn')),
    requested_at INTEGER NOT NULL,
    requested_by TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    ended_at INTEGER
  )`,
  `CREATE UNIQUE INDEX lock_changes_one_pending ON lock_changes (target) WHERE state = 'pending'`,
  `CREATE INDEX lock_changes_due ON lock_changes (state, due_at)`,
  `CREATE TABLE lock_clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL,
    allowance INTEGER NOT NULL,
    behind_since INTEGER
  )`,
  `CREATE TABLE replications (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    source_id TEXT NOT NULL REFERENCES repositories (id),
    target_id TEXT NOT NULL UNIQUE REFERENCES repositories (id),
    plans TEXT NOT NULL,
    schedule TEXT,
    after_backup INTEGER NOT NULL CHECK (after_backup IN (0, 1)),
    retention TEXT,
    device_id TEXT,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    last_fired_at INTEGER NOT NULL,
    next_start_at INTEGER,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revision INTEGER NOT NULL
  )`,
  `CREATE INDEX replications_source ON replications (source_id)`,
  `CREATE INDEX replications_next ON replications (next_start_at)`,
];

export async function addLocksAndReplication(db: Db, kind: Database["kind"]): Promise<void> {
  await runStatements(db, kind, STATEMENTS);
}
