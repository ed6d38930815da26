/** The audit log. */

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
