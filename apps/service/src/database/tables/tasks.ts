/** What devices are told to do. */
import type { Generated } from "kysely";

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
