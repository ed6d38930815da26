/**
 * What keeps a long history fast, and lets go of it: indexes in the order of the lists, the last success of each plan and device, and
 * how far the housekeeping is.
 *
 * @module
 */
import type { Database, Db } from "../database.ts";
import { runStatements } from "./dialect.ts";

const STATEMENTS: readonly string[] = [
  // Lists of tasks: the newest first, which is the order of the ids.
  `DROP INDEX tasks_plan`,
  `DROP INDEX tasks_device`,
  `CREATE INDEX tasks_state ON tasks (state, id)`,
  `CREATE INDEX tasks_kind ON tasks (kind, state, id)`,
  `CREATE INDEX tasks_plan ON tasks (plan_id, state, id)`,
  `CREATE INDEX tasks_device ON tasks (device_id, state, id)`,
  // Lists of copies: those that are there, the newest first.
  `DROP INDEX copies_time`,
  `DROP INDEX copies_plan`,
  `DROP INDEX copies_device`,
  `CREATE INDEX copies_id ON copies (id)`,
  `CREATE INDEX copies_task ON copies (task_id) WHERE task_id IS NOT NULL`,
  `CREATE INDEX copies_time ON copies (time, id, repository_id) WHERE forgotten_at IS NULL`,
  `CREATE INDEX copies_plan ON copies (plan_id, time, id, repository_id) WHERE forgotten_at IS NULL`,
  `CREATE INDEX copies_device ON copies (device_id, time, id, repository_id) WHERE forgotten_at IS NULL`,
  `CREATE INDEX copies_present ON copies (repository_id, time, id, stored) WHERE forgotten_at IS NULL`,
  // What retention looks at after each backup.
  `CREATE INDEX copies_plan_device ON copies (plan_id, device_id, repository_id) WHERE forgotten_at IS NULL`,
  `CREATE INDEX leases_key ON leases (public_key_hash)`,
  `CREATE INDEX secret_exposures_lease ON secret_exposures (lease_id)`,
  `CREATE INDEX runs_ended ON runs (ended_at, id) WHERE ended_at IS NOT NULL`,
  `ALTER TABLE plan_devices ADD COLUMN last_success_at INTEGER`,
  // In one pass over the tasks: looking for each plan and device takes minutes when there are a million.
  `UPDATE plan_devices SET last_success_at = newest.at FROM (
    SELECT plan_id, device_id, MAX(ended_at) AS at FROM tasks
      WHERE kind || '' = 'backup' AND state || '' IN ('succeeded', 'warnings') AND plan_id IS NOT NULL GROUP BY plan_id, device_id
  ) AS newest WHERE newest.plan_id = plan_devices.plan_id AND newest.device_id = plan_devices.device_id`,
  `CREATE TABLE housekeeping (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    next_at INTEGER NOT NULL,
    process_id TEXT,
    -- The last run whose events are gone.
    events_ended_at INTEGER NOT NULL,
    events_run_id TEXT NOT NULL
  )`,
  `INSERT INTO housekeeping (one, next_at, events_ended_at, events_run_id) VALUES (1, 0, 0, '')`,
];

export async function addHistory(db: Db, kind: Database["kind"]): Promise<void> {
  await runStatements(db, kind, STATEMENTS);
}
