/**
 * The audit log as the other domains see it (docs/security.md, section 4).
 *
 * @module
 */
import type { Transaction } from "../database/database.ts";
import type { Actor } from "../http/route.ts";

export interface AuditActor {
  readonly kind: "user" | "device" | "service" | "command";
  /** Id of the user or device; `""` for the service itself. */
  readonly id: string;
}

export type AuditDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface AuditEntry {
  readonly actor: AuditActor;
  /** `secret.create`, `lease.give`, ... */
  readonly action: string;
  readonly subject: { readonly kind: string; readonly id: string };
  /** Never a secret. */
  readonly details?: AuditDetails;
}

export interface AuditLog {
  /** Adds a row in the transaction of what it tells of: neither is stored without the other. */
  readonly append: (transaction: Transaction, entry: AuditEntry) => Promise<void>;
}

export const SERVICE_ACTOR: AuditActor = { kind: "service", id: "" };

export function userActor(actor: Actor): AuditActor {
  return { kind: "user", id: actor.userId };
}
