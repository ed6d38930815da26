/** The vault and the Password Manager. */
import type { Flag } from "./values.ts";

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
