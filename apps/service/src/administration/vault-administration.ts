/**
 * What is done on the machine of the service, by its command, whether the service runs or not.
 *
 * @module
 */
import { systemClock, systemRandomness } from "@holdfast/kernel";
import { type AuditVerification, verifyAudit } from "../audit/verify-audit.ts";
import { openServiceDatabase } from "./service-database.ts";
import { openVault, type Unlock } from "../secrets/open-vault.ts";
import { replaceUnlockFile } from "../secrets/replace-unlock-file.ts";
import type { UnlockFilePlace } from "../secrets/unlock-file.ts";
import { type VaultVerification, verifyVault } from "../secrets/verify-vault.ts";

const PORTS = { clock: systemClock, randomness: systemRandomness };

/**
 * Makes a new unlock file with a passphrase of the vault or the recovery kit.
 *
 * @param url of the database.
 * @throws AppError `ERR_KEY_WRONG`, `ERR_UNLOCK_FILE`, `ERR_VAULT_MISSING`, `ERR_VAULT_DAMAGED`, and those of the database.
 */
export async function makeNewUnlockFile(
  url: string,
  unlock: Exclude<Unlock, { kind: "file" }>,
  place: UnlockFilePlace,
): Promise<void> {
  await using database = await openServiceDatabase(url);
  await replaceUnlockFile(database, unlock, place, PORTS);
}

export interface Verification {
  readonly vault: VaultVerification;
  readonly audit: AuditVerification;
}

/**
 * Opens every value of the vault and recomputes the audit log.
 *
 * @param url of the database.
 * @param auditKey 32 bytes, kept elsewhere; default: the one in the vault, which whoever has the unlock file could have exchanged.
 */
export async function verifyDatabase(
  url: string,
  unlock: Unlock,
  auditKey?: Uint8Array,
): Promise<Verification> {
  await using database = await openServiceDatabase(url);
  using vault = await openVault(database.db, unlock, PORTS);
  return {
    vault: await verifyVault(database.db, vault),
    audit: await verifyAudit(database.db, auditKey ?? vault.auditPublicKey),
  };
}
