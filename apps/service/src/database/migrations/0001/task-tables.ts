// Tasks, their runs, leases, and the processes of the service.

export const TASK_TABLES: readonly string[] = [
  `CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'warnings', 'failed', 'cancelled')),
    plan_id TEXT,
    device_id TEXT NOT NULL,
    storage_id TEXT,
    repository_id TEXT,
    input TEXT NOT NULL,
    result TEXT,
    error TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    cancel_requested_at INTEGER,
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    attempt_max INTEGER NOT NULL CHECK (attempt_max > 0),
    run_id TEXT
  )`,
  `CREATE INDEX tasks_queue ON tasks (state, device_id, not_before)`,
  `CREATE INDEX tasks_created ON tasks (created_at, id)`,
  `CREATE INDEX tasks_plan ON tasks (plan_id, created_at)`,
  `CREATE INDEX tasks_device ON tasks (device_id, created_at)`,
  `CREATE INDEX tasks_repository ON tasks (repository_id, state)`,
  `CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('given', 'running', 'succeeded', 'failed', 'cancelled')),
    given_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    last_event INTEGER NOT NULL CHECK (last_event >= 0),
    progress TEXT
  )`,
  `CREATE INDEX runs_task ON runs (task_id)`,
  `CREATE INDEX runs_device ON runs (device_id, state)`,
  // An attempt is given out once, to one device, until it has ended.
  `CREATE UNIQUE INDEX runs_one_at_a_time ON runs (task_id) WHERE state IN ('given', 'running')`,
  `CREATE TABLE run_events (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
  )`,
  `CREATE TABLE leases (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL,
    public_key_hash TEXT NOT NULL CHECK (length(public_key_hash) = 64),
    given_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (run_id, public_key_hash)
  )`,
  `CREATE INDEX leases_device ON leases (device_id, ended_at)`,
  `CREATE TABLE processes (
    id TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL
  )`,
];
