/** Whom to tell of what, and what was told. */
import type { Flag } from "./values.ts";

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
