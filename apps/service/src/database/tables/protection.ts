/** What is protected, how, where, and the copies of it. */
import type { Generated } from "kysely";
import type { Flag } from "./values.ts";

export interface DevicesTable {
  readonly id: string;
  readonly name: string;
  /** JSON: Platform of the protocol. */
  readonly platform: string;
  /** JSON: methods announced. */
  readonly methods: string;
  /** JSON: disks announced. */
  readonly disks: Generated<string>;
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
  /** As its last test or backup found it; null where the storage does not tell. */
  readonly free_bytes: Generated<number | null>;
  readonly free_at: Generated<number | null>;
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
  /** `verify`: every object's own checksum, without a key; `verify-data`: every byte; `retention`: what rules do not keep is forgotten. */
  readonly kind: "verify" | "verify-data" | "retention" | "clean";
  /** 0: never. */
  readonly every_days: number;
  readonly next_at: number;
  readonly last_task_id: string | null;
}

export interface PlansTable {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** JSON: paths, exclude, oneFileSystem, snapshot, tags, compression, bytesPerSecond, bandwidth, before, after. */
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
