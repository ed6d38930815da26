/**
 * The tables of the service, the same on SQLite and PostgreSQL.
 *
 * Times are milliseconds since 1970; flags are 0 or 1; `json` columns are text whose shape the domain that owns the table
 * checks when it reads them; boxes are those of docs/security.md, section 1.
 *
 * @module
 */
import type { Generated } from "kysely";

type Flag = 0 | 1;

/** One row. */
export interface VaultTable {
  readonly one: 1;
  readonly vault_id: Buffer;
  readonly created_at: number;
  readonly current_term: number;
  /** Of the recovery kit; null when there is none. */
  readonly recovery_public_key: Buffer | null;
  /** seal(V, `recovery`, SHA-256 of the public key). */
  readonly recovery_box: Buffer | null;
}

export interface UnlockSlotsTable {
  readonly id: string;
  readonly kind: "file" | "passphrase" | "recovery";
  readonly label: string;
  readonly created_at: number;
  /** JSON: salt and cost of a passphrase slot; null for others. */
  readonly parameters: string | null;
  readonly box: Buffer;
}

export interface KeyringTermsTable {
  readonly number: number;
  readonly created_at: number;
  readonly box: Buffer;
}

/** Never updated but for `term` and `key_box`: a trigger sees to it. */
export interface VaultValuesTable {
  readonly object_kind: string;
  readonly object_id: string;
  readonly version: number;
  readonly field: string;
  readonly term: number;
  readonly key_box: Buffer;
  readonly value_box: Buffer;
  readonly created_at: number;
}

/** What people keep in the Password Manager. */
export interface SecretsTable {
  readonly id: string;
  readonly kind: "password" | "encryption-key";
  readonly name: string;
  readonly description: string;
  readonly hint: string;
  readonly current_version: number;
  /** seal(V, `head`, kind and current version): shows a version that was put back. */
  readonly head_box: Buffer;
  readonly generated: Flag;
  readonly disabled: Flag;
  readonly created_at: number;
  readonly created_by: string;
  readonly updated_at: number;
  /** Counts changes, for If-Match. */
  readonly revision: number;
}

/** A new value of a password while it is tested; the value is the vault's `proposal` of this id as long as it is open. */
export interface SecretProposalsTable {
  readonly id: string;
  readonly secret_id: string;
  /** Version that it would replace. */
  readonly base_version: number;
  readonly state: "open" | "accepted" | "discarded" | "expired";
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number;
  readonly ended_at: number | null;
}

/** The test of a proposal at one place where the password is used. */
export interface SecretProposalTestsTable {
  readonly proposal_id: string;
  readonly use_kind: string;
  readonly use_id: string;
  readonly use_name: string;
  /** To whom the value is shown, such as a storage's location: it goes nowhere else. */
  readonly place: string;
  /** Of a device. */
  readonly task_id: string | null;
  /** `task`: as the task is. */
  readonly state: "task" | "running" | "succeeded" | "failed" | "untested";
  /** JSON or null. */
  readonly error: string | null;
}

/** Which device was ever given which version of what; rows stay. */
export interface SecretExposuresTable {
  readonly id: string;
  readonly device_id: string;
  readonly object_kind: string;
  readonly object_id: string;
  readonly version: number;
  readonly run_id: string;
  readonly lease_id: string;
  readonly at: number;
}

export interface AuditRowsTable {
  readonly number: number;
  readonly at: number;
  readonly actor_kind: "user" | "device" | "service" | "command";
  readonly actor_id: string;
  readonly action: string;
  readonly subject_kind: string;
  readonly subject_id: string;
  /** JSON with sorted keys; never a secret. */
  readonly details: string;
  readonly hash: Buffer;
}

export interface AuditCheckpointsTable {
  readonly number: number;
  readonly at: number;
  readonly hash: Buffer;
  readonly signature: Buffer;
}

export interface UsersTable {
  readonly id: string;
  readonly name: string;
  readonly role: "administrator" | "backup-operator" | "restore-operator" | "viewer";
  /** PHC string of Argon2id; empty: none, who was invited or signs in elsewhere only. */
  readonly password: string;
  readonly password_changed_at: number;
  /** Version of the vault's `totp` of this user that signs in; null: no second factor. */
  readonly totp_version: number | null;
  /** Of a secret that was shown and is not confirmed. */
  readonly totp_pending_version: number | null;
  /** Step of the last code that was taken: it is not taken again. */
  readonly totp_last_step: Generated<number>;
  /** seal(V, `head`, `totp`, user and `totp_version`); null: no second factor. */
  readonly totp_head_box: Generated<Buffer | null>;
  readonly last_sign_in_at: Generated<number | null>;
  readonly disabled: Flag;
  readonly created_at: number;
  readonly revision: number;
}

/** Rights on secrets beyond the role. */
export interface UserRightsTable {
  readonly user_id: string;
  readonly right: string;
}

export interface SessionsTable {
  /** Hex SHA-256 of the token. */
  readonly id: string;
  readonly user_id: string;
  readonly created_at: number;
  readonly used_at: number;
  readonly expires_at: number;
  readonly address: string;
  readonly user_agent: string;
  readonly method: Generated<SignInMethod>;
  /** The last fresh sign-in at a provider that nothing has used yet. */
  readonly confirmed_at: Generated<number | null>;
}

export type SignInMethod = "password" | "passkey" | "single-sign-on" | "set-up" | "invitation";

/** Providers of single sign-on (OpenID Connect). */
export interface IdentityProvidersTable {
  readonly id: string;
  readonly name: string;
  /** URL; never changes, since subjects are those of the issuer. */
  readonly issuer: string;
  readonly client_id: string;
  /** Password of the Password Manager; null for a public client. */
  readonly secret_id: string | null;
  /** JSON: texts. */
  readonly scopes: string;
  /** Null: the provider says nothing of roles. */
  readonly groups_claim: string | null;
  /** JSON: pairs of group and role, the first that fits counts. */
  readonly role_mapping: string;
  /** Of those in no mapped group; null: they do not get in. */
  readonly default_role: UsersTable["role"] | null;
  readonly creates_users: Flag;
  /** JSON: texts; empty: any, or none. */
  readonly email_domains: string;
  readonly enabled: Flag;
  readonly created_at: number;
  readonly created_by: string;
  readonly revision: number;
}

/** Whom a provider means by a subject. */
export interface IdentitiesTable {
  readonly provider_id: string;
  readonly subject: string;
  readonly user_id: string;
  /** Whether the user was made by the first sign-in, or has linked an account. */
  readonly origin: "creation" | "link";
  /** For people: what the provider calls the account. */
  readonly label: string;
  readonly created_at: number;
  readonly used_at: number;
}

/** A browser that was sent to a provider, and is expected back. */
export interface SignInFlowsTable {
  /** Hex SHA-256 of the state. */
  readonly state_hash: string;
  /** Hex SHA-256 of the cookie that the browser has. */
  readonly browser_hash: string;
  readonly provider_id: string;
  readonly purpose: "sign-in" | "link" | "confirm";
  /** Of who links or confirms. */
  readonly session_id: string | null;
  readonly redirect_uri: string;
  readonly created_at: number;
  readonly expires_at: number;
}

/** Links with which people choose their first password. */
export interface InvitationsTable {
  readonly user_id: string;
  /** Hex SHA-256 of the token. */
  readonly hash: string;
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number;
}

export interface ApiTokensTable {
  readonly id: string;
  /** Hex SHA-256 of the token. */
  readonly hash: string;
  readonly user_id: string;
  readonly name: string;
  /** JSON: texts. */
  readonly scopes: string;
  readonly created_at: number;
  readonly used_at: number | null;
  readonly expires_at: number | null;
}

export interface PasskeysTable {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  /** base64url. */
  readonly credential_id: string;
  /** COSE. */
  readonly public_key: Buffer;
  /** Of signatures; 0 for authenticators that do not count. */
  readonly counter: number;
  readonly created_at: number;
  readonly used_at: number | null;
}

/** Single-use tokens: the first administrator's set-up, enrolment codes of devices, challenges for passkeys. */
export interface OneTimeTokensTable {
  /** Hex SHA-256 of the token. */
  readonly hash: string;
  readonly purpose: "setup" | "enrolment" | "passkey";
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number;
  readonly used_at: number | null;
  /** JSON. */
  readonly details: string;
}

export interface SignInFailuresTable {
  /** `name:...` or `address:...`. */
  readonly subject: string;
  readonly count: number;
  readonly last_at: number;
}

export interface DevicesTable {
  readonly id: string;
  readonly name: string;
  /** JSON: Platform of the protocol. */
  readonly platform: string;
  /** JSON: methods announced. */
  readonly methods: string;
  readonly version: string;
  /** Carries out tasks that belong to no device. */
  readonly worker: Flag;
  readonly disabled: Flag;
  readonly created_at: number;
  readonly created_by: string;
  readonly certificate_serial: string;
  readonly next_certificate_serial: string | null;
  readonly certificate_expires_at: number;
  /** Process of the service that holds the channel. */
  readonly process_id: string | null;
  readonly connected_at: number | null;
  readonly seen_at: number | null;
  readonly revision: number;
}

export interface StoragesTable {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Without credentials. */
  readonly location: string;
  /** JSON: what is not secret of the credentials, such as `user` or `accessKeyId`. */
  readonly identity: string;
  /** JSON: name of the credential -> id of the secret. */
  readonly secrets: string;
  readonly created_at: number;
  readonly created_by: string;
  readonly revision: number;
}

export interface RepositoriesTable {
  /** The repository's own id, 32 hex digits. Its root secret is the vault's `repository` of this id. */
  readonly id: string;
  readonly storage_id: string;
  /** Where below the storage's location. */
  readonly folder: string;
  readonly suite: number;
  /** Encryption key; null when the suite is 0. */
  readonly secret_id: string | null;
  /** JSON: objects for the first agent to store. */
  readonly prepared: string;
  readonly created_at: number;
  /** Of a replica: the id that is in its objects, which is its source's; the row's own id names it here only. */
  readonly origin_id: Generated<string | null>;
  /** Of a replica: the device that wrote to it last. */
  readonly writer_id: Generated<string | null>;
}

/** What is done with a repository every so often, besides backups. */
export interface MaintenanceTable {
  readonly repository_id: string;
  /** `verify`: every object's own checksum, without a key; `verify-data`: every byte. */
  readonly kind: "verify" | "verify-data";
  /** 0: never. */
  readonly every_days: number;
  readonly next_at: number;
  readonly last_task_id: string | null;
}

export interface PlansTable {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** JSON: paths, exclude, oneFileSystem, tags, compression, bytesPerSecond, bandwidth, before, after. */
  readonly selection: string;
  readonly storage_id: string;
  /** Follows the storage; always of the encryption below. */
  readonly repository_id: string;
  /** Method, level and key are fixed when the plan is made: a trigger sees to it. */
  readonly method: "gcm" | "cbc" | null;
  readonly level: "low" | "normal" | "high" | null;
  readonly secret_id: string | null;
  /** JSON or null. */
  readonly schedule: string | null;
  /** JSON or null. */
  readonly retention: string | null;
  /** JSON: count and delay. */
  readonly retries: string;
  readonly enabled: Flag;
  readonly created_at: number;
  readonly created_by: string;
  readonly revision: number;
  /** Retention lock: minimum age of the plan's copies. Lowered by `lock_changes` only. */
  readonly lock_days: Generated<number>;
}

/** A device of a plan, and when the plan's schedule runs on it. */
export interface PlanDevicesTable {
  readonly plan_id: string;
  readonly device_id: string;
  readonly added_at: number;
  /** `at` of the last scheduled run that was started; `added_at` before the first. */
  readonly last_fired_at: number;
  /** When to start the next one; null without a schedule. */
  readonly next_start_at: number | null;
  /** End of the last backup that succeeded, with or without warnings. */
  readonly last_success_at: Generated<number | null>;
}

export type TaskState = "queued" | "running" | "succeeded" | "warnings" | "failed" | "cancelled";

export interface TasksTable {
  readonly id: string;
  readonly kind: string;
  readonly state: TaskState;
  readonly plan_id: string | null;
  readonly device_id: string;
  readonly storage_id: string | null;
  readonly repository_id: string | null;
  /** JSON: the kind's own fields. */
  readonly input: string;
  /** JSON or null. */
  readonly result: string | null;
  /** JSON or null. */
  readonly error: string | null;
  readonly created_at: number;
  readonly created_by: string;
  /** Not given out before. */
  readonly not_before: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly cancel_requested_at: number | null;
  readonly attempt: number;
  readonly attempt_max: number;
  /** The attempt that runs or ran last. */
  readonly run_id: string | null;
  /** Not given out from then on; it counts as missed. */
  readonly start_before: Generated<number | null>;
}

/** One attempt at a task by a device. */
export interface RunsTable {
  readonly id: string;
  readonly task_id: string;
  readonly device_id: string;
  readonly state: "given" | "running" | "succeeded" | "failed" | "cancelled";
  readonly given_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  /** Number of the last stored event. */
  readonly last_event: number;
  /** JSON or null; the newest. */
  readonly progress: string | null;
}

export interface RunEventsTable {
  readonly run_id: string;
  readonly number: number;
  readonly at: number;
  readonly received_at: number;
  /** JSON: RunEvent of the protocol. */
  readonly event: string;
}

export interface LeasesTable {
  readonly id: string;
  readonly run_id: string;
  readonly device_id: string;
  /** Hex SHA-256 of the public key that it was sealed to. */
  readonly public_key_hash: string;
  readonly given_at: number;
  readonly until: number;
  readonly ended_at: number | null;
}

export interface CopiesTable {
  readonly id: string;
  readonly repository_id: string;
  readonly plan_id: string | null;
  readonly device_id: string | null;
  readonly task_id: string | null;
  readonly time: number;
  readonly host: string;
  readonly kind: string;
  /** JSON: texts. */
  readonly paths: string;
  /** JSON: texts. */
  readonly tags: string;
  readonly size: number;
  readonly files: number;
  readonly stored: number | null;
  readonly forgotten_at: number | null;
  /** Retention lock that it was made under. */
  readonly lock_days: Generated<number>;
  /** When the service came to know of it, by the lock clock: the age of a locked copy counts from then. */
  readonly recorded_at: Generated<number>;
}

/** Lowering a retention lock, its waiting period, or setting the lock clock: asked for, and in effect later. */
export interface LockChangesTable {
  readonly id: string;
  /** `plan:ID`, `minimum`, `waiting` or `clock`. */
  readonly target: string;
  readonly days_before: number;
  readonly days: number;
  readonly state: "pending" | "done" | "withdrawn";
  /** By the lock clock, as is `due_at`. */
  readonly requested_at: number;
  readonly requested_by: string;
  readonly due_at: number;
  readonly ended_at: number | null;
}

/** One row: the time that retention locks go by. */
export interface LockClockTable {
  readonly one: 1;
  readonly at: number;
  /** So many milliseconds it may still jump to catch up with the system's clock at a start. */
  readonly allowance: number;
  /** Its own time when it fell behind the system's clock for longer than that; null as long as it did not. */
  readonly behind_since: number | null;
}

/** Copies of one repository, brought into another storage. */
export interface ReplicationsTable {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly source_id: string;
  readonly target_id: string;
  /** JSON: ids of plans; empty: copies of all. */
  readonly plans: string;
  /** JSON or null. */
  readonly schedule: string | null;
  readonly after_backup: Flag;
  /** JSON or null. */
  readonly retention: string | null;
  /** Who does it; null: a worker. */
  readonly device_id: string | null;
  readonly enabled: Flag;
  readonly last_fired_at: number;
  readonly next_start_at: number | null;
  readonly created_at: number;
  readonly created_by: string;
  readonly revision: number;
}

/** Rules of the company that an administrator may change; one that has no row is as it came. */
export interface PoliciesTable {
  readonly name: string;
  /** JSON. */
  readonly value: string;
  readonly changed_at: number;
  readonly changed_by: string;
  readonly revision: number;
}

/** Where notifications go. */
export interface NotificationChannelsTable {
  readonly id: string;
  readonly name: string;
  readonly kind: "mail" | "webhook" | "slack";
  /** JSON: the kind's own fields, without the secret. */
  readonly settings: string;
  readonly secret_id: string | null;
  readonly enabled: Flag;
  readonly created_at: number;
  readonly created_by: string;
  readonly revision: number;
}

export interface NotificationRulesTable {
  readonly id: string;
  readonly channel_id: string;
  /** Null: whatever plan it concerns, or none. */
  readonly plan_id: string | null;
  /** JSON: texts. */
  readonly kinds: string;
  readonly created_at: number;
  readonly created_by: string;
  readonly revision: number;
}

/** Only what some channel is told of. */
export interface NotificationEventsTable {
  readonly id: string;
  /** What happened, in a form that is the same each time it is noticed: it is told once. */
  readonly happening: string;
  readonly kind: string;
  readonly at: number;
  /** JSON: names, ids and the error; never a secret. */
  readonly details: string;
}

/** The outbox: written with what happened, worked off afterwards. */
export interface NotificationDeliveriesTable {
  readonly id: string;
  readonly event_id: string;
  readonly channel_id: string;
  readonly state: "waiting" | "delivered" | "failed";
  readonly attempts: number;
  /** While it waits: when it is tried; a process that tries sets it ahead, so that no other one does. */
  readonly next_at: number;
  readonly tried_at: number | null;
  /** JSON or null; of the last attempt. */
  readonly error: string | null;
}

/** When something was looked at last, by any process. */
export interface NotificationLooksTable {
  readonly name: string;
  readonly at: number;
}

/** Running processes of the service. */
export interface ProcessesTable {
  readonly id: string;
  readonly started_at: number;
  readonly beat_at: number;
}

/** One row: the housekeeping, which one process does at a time. */
export interface HousekeepingTable {
  readonly one: 1;
  /** Not before; while a process is at it, when another one may take over. */
  readonly next_at: number;
  readonly process_id: string | null;
  /** The last run whose events are gone. */
  readonly events_ended_at: number;
  readonly events_run_id: string;
}

export interface IdempotencyKeysTable {
  readonly user_id: string;
  readonly key: string;
  /** Hex SHA-256 of method, path and body. */
  readonly request_hash: string;
  readonly status: number;
  readonly body: string;
  readonly created_at: number;
}

export interface Tables {
  readonly vault: VaultTable;
  readonly unlock_slots: UnlockSlotsTable;
  readonly keyring_terms: KeyringTermsTable;
  readonly vault_values: VaultValuesTable;
  readonly secrets: SecretsTable;
  readonly secret_proposals: SecretProposalsTable;
  readonly secret_proposal_tests: SecretProposalTestsTable;
  readonly secret_exposures: SecretExposuresTable;
  readonly audit_rows: AuditRowsTable;
  readonly audit_checkpoints: AuditCheckpointsTable;
  readonly users: UsersTable;
  readonly user_rights: UserRightsTable;
  readonly sessions: SessionsTable;
  readonly api_tokens: ApiTokensTable;
  readonly passkeys: PasskeysTable;
  readonly identity_providers: IdentityProvidersTable;
  readonly identities: IdentitiesTable;
  readonly sign_in_flows: SignInFlowsTable;
  readonly invitations: InvitationsTable;
  readonly one_time_tokens: OneTimeTokensTable;
  readonly sign_in_failures: SignInFailuresTable;
  readonly devices: DevicesTable;
  readonly storages: StoragesTable;
  readonly repositories: RepositoriesTable;
  readonly maintenance: MaintenanceTable;
  readonly plans: PlansTable;
  readonly plan_devices: PlanDevicesTable;
  readonly tasks: TasksTable;
  readonly runs: RunsTable;
  readonly run_events: RunEventsTable;
  readonly leases: LeasesTable;
  readonly copies: CopiesTable;
  readonly policies: PoliciesTable;
  readonly lock_changes: LockChangesTable;
  readonly lock_clock: LockClockTable;
  readonly replications: ReplicationsTable;
  readonly notification_channels: NotificationChannelsTable;
  readonly notification_rules: NotificationRulesTable;
  readonly notification_events: NotificationEventsTable;
  readonly notification_deliveries: NotificationDeliveriesTable;
  readonly notification_looks: NotificationLooksTable;
  readonly processes: ProcessesTable;
  readonly housekeeping: HousekeepingTable;
  readonly idempotency_keys: IdempotencyKeysTable;
}
