/**
 * A new password for somebody, by who has the service's machine.
 *
 * @module
 */
import { systemClock, systemRandomness } from "@holdfast/kernel";
import { createAuditLog } from "../audit/audit-log.ts";
import { openServiceDatabase } from "./service-database.ts";
import { openVault, type Unlock } from "../secrets/open-vault.ts";
import { createPasswordWork } from "../users/password-work.ts";
import { resetPasswordByCommand } from "../users/reset-by-command.ts";

const PORTS = { clock: systemClock, randomness: systemRandomness };

/** @throws AppError `ERR_NOT_FOUND`, `ERR_PASSWORD_WEAK`, what opening database and vault throws. */
export async function resetPassword(
  url: string,
  unlock: Unlock,
  user: string,
  password: string,
): Promise<void> {
  await using database = await openServiceDatabase(url);
  using vault = await openVault(database.db, unlock, PORTS);
  const audit = createAuditLog({ database, vault, clock: systemClock });
  const passwords = createPasswordWork(systemRandomness);
  await resetPasswordByCommand({ ...PORTS, database, vault, audit, passwords }, user, password);
}
