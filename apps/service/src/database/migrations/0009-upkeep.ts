/**
 * Retention and clean-up on schedules of their own, beside verification.
 *
 * @module
 */
import type { Database, Db } from "../database.ts";
import { runStatements } from "./dialect.ts";

const STATEMENTS: readonly string[] = [
  // SQLite cannot change a CHECK.
  `CREATE TABLE upkeep (
    repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('verify', 'verify-data', 'retention', 'clean')),
    every_days INTEGER NOT NULL CHECK (every_days BETWEEN 0 AND 3650),
    next_at INTEGER NOT NULL,
    last_task_id TEXT,
    PRIMARY KEY (repository_id, kind)
  )`,
  `INSERT INTO upkeep (repository_id, kind, every_days, next_at, last_task_id)
    SELECT repository_id, kind, every_days, next_at, last_task_id FROM maintenance`,
  // Begun with the verification, whose times are spread.
  `INSERT INTO upkeep (repository_id, kind, every_days, next_at)
    SELECT repository_id, 'retention', 1, next_at FROM maintenance WHERE kind = 'verify'`,
  `INSERT INTO upkeep (repository_id, kind, every_days, next_at)
    SELECT repository_id, 'clean', 7, next_at FROM maintenance WHERE kind = 'verify'`,
  `DROP TABLE maintenance`,
  `ALTER TABLE upkeep RENAME TO maintenance`,
  `CREATE INDEX maintenance_next ON maintenance (next_at)`,
];

export async function addUpkeep(db: Db, kind: Database["kind"]): Promise<void> {
  await runStatements(db, kind, STATEMENTS);
}
