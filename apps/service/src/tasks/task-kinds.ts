/**
 * What the queue has to know of a kind of task; the domains that know more implement it.
 *
 * @module
 */
import type { ErrorRecord } from "@holdfast/kernel";
import type { AgentTask, LeasePayload } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import type { Db, Transaction } from "../database/database.ts";
import type { TasksTable } from "../database/tables.ts";
import type { ObjectKind } from "../secrets/vault.ts";

export type TaskRow = Selectable<TasksTable>;

/** One version of a secret that a lease hands out, or that it is derived from. */
export interface Exposure {
  readonly kind: ObjectKind;
  readonly id: string;
  readonly version: number;
}

export interface Grant {
  readonly payload: LeasePayload;
  /** Passwords that the device learns, for `secret_exposures`; a capability counts as its repository. */
  readonly exposures: readonly Exposure[];
  /** For the audit row: what is given, such as `storage sto_...`, `write repository 0a1b...`. */
  readonly description: readonly string[];
}

/** How an attempt ended, checked against the schema of the kind. */
export type TaskEnd =
  | { readonly state: "succeeded"; readonly result: unknown; readonly warnings: number }
  | { readonly state: "failed"; readonly error: ErrorRecord }
  | { readonly state: "cancelled" };

export interface TaskKinds {
  /** The task as its device gets it. @throws AppError: the task fails with it. */
  readonly describe: (db: Db, task: TaskRow) => Promise<AgentTask>;
  /** What this task needs and no more. @throws AppError: the lease is refused with it. */
  readonly grant: (db: Db, task: TaskRow) => Promise<Grant>;
  /**
   * In the transaction that ends the task: records copies, starts what follows. A success is told again when a device that was given up
   * had finished its attempt nevertheless: recording has to bear that.
   */
  readonly ended: (transaction: Transaction, task: TaskRow, end: TaskEnd) => Promise<void>;
  /** How long a task that failed waits for its next attempt; `task.attempt` counts those made. Default: from 1 minute, doubled each time. */
  readonly retryDelayMs?: (db: Db, task: TaskRow) => Promise<number>;
}

export interface NewTask {
  readonly kind: AgentTask["kind"];
  readonly planId?: string;
  readonly deviceId: string;
  readonly storageId?: string;
  readonly repositoryId?: string;
  /** The kind's own fields, as JSON has them. */
  readonly input: unknown;
  readonly createdBy: string;
  /** Default: at once. */
  readonly notBefore?: number;
  /** Not given out from then on: it was missed. Default: there is always time. */
  readonly startBefore?: number;
  /** Default: 1. */
  readonly attemptMax?: number;
}

export interface TaskQueue {
  /** Returns the task's id. Processes are told after the transaction by `database.notify("tasks")`, which the caller does. */
  readonly create: (transaction: Transaction, task: NewTask) => Promise<string>;
  readonly requestCancel: (transaction: Transaction, taskId: string, reason: string) => Promise<void>;
}
