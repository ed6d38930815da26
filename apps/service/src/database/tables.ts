/**
 * The tables of the service, the same on SQLite and PostgreSQL.
 *
 * Times are milliseconds since 1970; flags are 0 or 1; `json` columns are text whose shape the domain that owns the table
 * checks when it reads them; boxes are those of docs/security.md, section 1.
 *
 * @module
 */
import type {
  KeyringTermsTable,
  SecretExposuresTable,
  SecretProposalTestsTable,
  SecretProposalsTable,
  SecretsTable,
  UnlockSlotsTable,
  VaultTable,
  VaultValuesTable,
} from "./tables/secrets.ts";
import type { AuditCheckpointsTable, AuditRowsTable } from "./tables/audit.ts";
import type {
  ApiTokensTable,
  IdentitiesTable,
  IdentityProvidersTable,
  InvitationsTable,
  OneTimeTokensTable,
  PasskeysTable,
  SessionsTable,
  SignInFailuresTable,
  SignInFlowsTable,
  UserRightsTable,
  UsersTable,
} from "./tables/users.ts";
import type {
  CopiesTable,
  DevicesTable,
  LockChangesTable,
  LockClockTable,
  MaintenanceTable,
  PlanDevicesTable,
  PlansTable,
  PoliciesTable,
  ReplicationsTable,
  RepositoriesTable,
  StoragesTable,
} from "./tables/protection.ts";
import type { LeasesTable, RunEventsTable, RunsTable, TasksTable } from "./tables/tasks.ts";
import type {
  NotificationChannelsTable,
  NotificationDeliveriesTable,
  NotificationEventsTable,
  NotificationLooksTable,
  NotificationRulesTable,
} from "./tables/notifications.ts";
import type { HousekeepingTable, IdempotencyKeysTable, ProcessesTable } from "./tables/processes.ts";

export type * from "./tables/secrets.ts";
export type * from "./tables/audit.ts";
export type * from "./tables/users.ts";
export type * from "./tables/protection.ts";
export type * from "./tables/tasks.ts";
export type * from "./tables/notifications.ts";
export type * from "./tables/processes.ts";

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
