// Vault, Password Manager, audit log.

export const VAULT_TABLES: readonly string[] = [
  `CREATE TABLE vault (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    vault_id BLOB NOT NULL CHECK (length(vault_id) = 16),
    created_at INTEGER NOT NULL,
    current_term INTEGER NOT NULL CHECK (current_term > 0),
    recovery_public_key BLOB,
    recovery_box BLOB,
    CHECK ((recovery_public_key IS NULL) = (recovery_box IS NULL))
  )`,
  `CREATE TABLE unlock_slots (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'passphrase', 'recovery')),
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    parameters TEXT,
    box BLOB NOT NULL
  )`,
  `CREATE TABLE keyring_terms (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    created_at INTEGER NOT NULL,
    box BLOB NOT NULL
  )`,
  `CREATE TABLE vault_values (
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    field TEXT NOT NULL,
    term INTEGER NOT NULL REFERENCES keyring_terms (number),
    key_box BLOB NOT NULL,
    value_box BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (object_kind, object_id, version, field),
    CHECK (object_kind <> 'encryption-key' OR version = 1)
  )`,
  `CREATE INDEX vault_values_term ON vault_values (term)`,
  `CREATE TABLE secrets (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('password', 'encryption-key')),
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    hint TEXT NOT NULL,
    current_version INTEGER NOT NULL CHECK (current_version > 0),
    head_box BLOB NOT NULL,
    generated INTEGER NOT NULL CHECK (generated IN (0, 1)),
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    CHECK (kind <> 'encryption-key' OR current_version = 1)
  )`,
  // Names devices and secrets that may be gone: it tells of them for ever.
  `CREATE TABLE secret_exposures (
    id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    run_id TEXT NOT NULL,
    lease_id TEXT NOT NULL,
    at INTEGER NOT NULL
  )`,
  `CREATE INDEX secret_exposures_device ON secret_exposures (device_id, at)`,
  `CREATE INDEX secret_exposures_object ON secret_exposures (object_kind, object_id, at)`,
  `CREATE TABLE audit_rows (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    at INTEGER NOT NULL,
    actor_kind TEXT NOT NULL CHECK (actor_kind IN ('user', 'device', 'service', 'command')),
    actor_id TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    details TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
  )`,
  `CREATE INDEX audit_rows_at ON audit_rows (at)`,
  `CREATE INDEX audit_rows_actor ON audit_rows (actor_kind, actor_id, number)`,
  `CREATE INDEX audit_rows_action ON audit_rows (action, number)`,
  `CREATE INDEX audit_rows_subject ON audit_rows (subject_kind, subject_id, number)`,
  `CREATE TABLE audit_checkpoints (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    signature BLOB NOT NULL
  )`,
];
