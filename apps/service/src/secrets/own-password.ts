import type { Clock } from "@holdfast/kernel";
import type { AuditLog } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import type { Actor } from "../http/route.ts";

export interface OwnPasswordDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /**
   * Before what is worth more than a session: asks for the person's own password, or for what takes its place.
   *
   * @param what for the audit log: what it was asked for, such as `secret.reveal`.
   * @throws AppError `ERR_PASSWORD_WRONG`, `ERR_FRESH_SIGN_IN_NEEDED`, `ERR_TOO_MANY_ATTEMPTS`.
   */
  readonly requireOwnPassword: (actor: Actor, password: string | undefined, what: string) => Promise<void>;
}
