/**
 * The ways to open the vault, by who has the service's machine.
 *
 * @module
 */
import { AppError, systemClock, systemRandomness } from "@holdfast/kernel";
import { newVaultSlot, type VaultSlot } from "@holdfast/protocol";
import { createAuditLog } from "../audit/audit-log.ts";
import { openVault, type Unlock } from "../secrets/open-vault.ts";
import { COMMAND_ACTOR } from "../secrets/replace-unlock-file.ts";
import { secretText } from "../secrets/secret-values.ts";
import { strengthOf, warningsOfKey } from "../secrets/strength/strength.ts";
import { createStrengthThread } from "../secrets/strength/strength-thread.ts";
import { insertPassphraseSlot, removeSlot, showSlot, type SlotDependencies } from "../secrets/vault-slots.ts";
import { openServiceDatabase } from "./service-database.ts";

const PORTS = { clock: systemClock, randomness: systemRandomness };

/** Oldest first. @param url of the database. */
export async function listUnlockSlots(url: string): Promise<readonly VaultSlot[]> {
  await using database = await openServiceDatabase(url);
  const rows = await database.db
    .selectFrom("unlock_slots")
    .selectAll()
    .orderBy("created_at")
    .orderBy("id")
    .execute();
  return rows.map(showSlot);
}

export interface AddedSlot {
  readonly slot: VaultSlot;
  /** What is to be said of the passphrase. */
  readonly warnings: readonly { readonly code: string; readonly message: string; readonly remedy: string }[];
}

/**
 * Adds a passphrase that opens the vault.
 *
 * @param unlock opens it now.
 * @throws AppError `ERR_PASSWORD_WEAK`, `ERR_USAGE` when there are too many, and what opening database and vault throws.
 */
export async function addUnlockPassphrase(
  url: string,
  unlock: Unlock,
  given: { readonly label: string; readonly passphrase: string },
): Promise<AddedSlot> {
  if (!newVaultSlot.safeParse({ ...given, confirmation: given.passphrase }).success) {
    throw new AppError("ERR_PASSWORD_WEAK", "A passphrase of the vault has 12 to 1024 characters.", {
      remedy: "Take five words or more that have nothing to do with each other.",
    });
  }
  const warnings = warningsOfKey(
    await strengthOf(createStrengthThread(), given.passphrase),
    "This passphrase",
  );
  using passphrase = secretText(given.passphrase);
  const slot = await withVault(url, unlock, (dependencies) =>
    insertPassphraseSlot(dependencies, COMMAND_ACTOR, given.label, passphrase.bytes),
  );
  return { slot, warnings };
}

/** @throws AppError `ERR_SLOT_NOT_FOUND`, `ERR_LAST_SLOT`, and what opening database and vault throws. */
export async function removeUnlockSlot(url: string, unlock: Unlock, id: string): Promise<void> {
  await withVault(url, unlock, (dependencies) => removeSlot(dependencies, COMMAND_ACTOR, id));
}

async function withVault<Result>(
  url: string,
  unlock: Unlock,
  work: (dependencies: SlotDependencies) => Promise<Result>,
): Promise<Result> {
  await using database = await openServiceDatabase(url);
  using vault = await openVault(database.db, unlock, PORTS);
  const audit = createAuditLog({ ...PORTS, database, vault });
  const result = await work({ ...PORTS, database, vault, audit });
  await audit.checkpoint();
  return result;
}
