import type { Clock, Randomness } from "@holdfast/kernel";
import type { AuditLog } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import type { Vault } from "../secrets/vault.ts";
import type { PasswordWork } from "./password-work.ts";

export interface UserDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Keeps second factors, and client secrets of providers. */
  readonly vault: Pick<Vault, "get" | "put" | "checkHead" | "sealHead">;
  /** One for the process. */
  readonly passwords: PasswordWork;
}
