/** The processes of the service itself. */

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
  /** Of the answer; less than 100 as long as there is none (http/idempotency.ts). */
  readonly status: number;
  readonly body: string;
  readonly created_at: number;
}
