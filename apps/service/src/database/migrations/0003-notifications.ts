/**
 * Channels, rules, and the outbox of notifications.
 *
 * @module
 */
import type { Database, Db } from "../database.ts";
import { runStatements } from "./dialect.ts";

const STATEMENTS: readonly string[] = [
  `CREATE TABLE notification_channels (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('mail', 'webhook', 'slack')),
    settings TEXT NOT NULL,
    secret_id TEXT REFERENCES secrets (id),
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revision INTEGER NOT NULL
  )`,
  `CREATE TABLE notification_rules (
    id TEXT PRIMARY KEY,
    channel_id TEXT NOT NULL REFERENCES notification_channels (id) ON DELETE CASCADE,
    plan_id TEXT REFERENCES plans (id) ON DELETE CASCADE,
    kinds TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revision INTEGER NOT NULL
  )`,
  `CREATE INDEX notification_rules_channel ON notification_rules (channel_id)`,
  `CREATE INDEX notification_rules_plan ON notification_rules (plan_id)`,
  `CREATE TABLE notification_events (
    id TEXT PRIMARY KEY,
    happening TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    details TEXT NOT NULL
  )`,
  `CREATE INDEX notification_events_at ON notification_events (at)`,
  `CREATE TABLE notification_deliveries (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES notification_events (id) ON DELETE CASCADE,
    channel_id TEXT NOT NULL REFERENCES notification_channels (id) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    next_at INTEGER NOT NULL,
    tried_at INTEGER,
    error TEXT,
    UNIQUE (event_id, channel_id)
  )`,
  `CREATE INDEX notification_deliveries_due ON notification_deliveries (state, next_at)`,
  `CREATE INDEX notification_deliveries_channel ON notification_deliveries (channel_id, tried_at)`,
  `CREATE TABLE notification_looks (
    name TEXT PRIMARY KEY,
    at INTEGER NOT NULL
  )`,
];

export async function addNotifications(db: Db, kind: Database["kind"]): Promise<void> {
  await runStatements(db, kind, STATEMENTS);
}
