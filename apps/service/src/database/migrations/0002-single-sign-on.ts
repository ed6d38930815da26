/**
 * Providers of single sign-on, whom they know, sign-ins that are under way, and invitations.
 *
 * @module
 */
import type { Database, Db } from "../database.ts";
import { runStatements } from "./dialect.ts";

const STATEMENTS: readonly string[] = [
  `CREATE TABLE identity_providers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    secret_id TEXT REFERENCES secrets (id),
    scopes TEXT NOT NULL,
    groups_claim TEXT,
    role_mapping TEXT NOT NULL,
    default_role TEXT,
    creates_users INTEGER NOT NULL CHECK (creates_users IN (0, 1)),
    email_domains TEXT NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revision INTEGER NOT NULL
  )`,
  `CREATE TABLE identities (
    provider_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    origin TEXT NOT NULL CHECK (origin IN ('creation', 'link')),
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (provider_id, subject),
    UNIQUE (provider_id, user_id)
  )`,
  `CREATE INDEX identities_user ON identities (user_id)`,
  `CREATE TABLE sign_in_flows (
    state_hash TEXT PRIMARY KEY CHECK (length(state_hash) = 64),
    browser_hash TEXT NOT NULL CHECK (length(browser_hash) = 64),
    provider_id TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('sign-in', 'link', 'confirm')),
    session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  )`,
  `CREATE INDEX sign_in_flows_expiry ON sign_in_flows (expires_at)`,
  `CREATE TABLE invitations (
    user_id TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  )`,
  `ALTER TABLE sessions ADD COLUMN method TEXT NOT NULL DEFAULT 'password'`,
  `ALTER TABLE sessions ADD COLUMN confirmed_at INTEGER`,
  `ALTER TABLE users ADD COLUMN last_sign_in_at INTEGER`,
];

export async function addSingleSignOn(db: Db, kind: Database["kind"]): Promise<void> {
  await runStatements(db, kind, STATEMENTS);
}
