/**
 * Opens the vault at each start.
 *
 * @module
 */
import { signingKeyFromSeed } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import type { ValueName } from "./vault.ts";
import { readUnlockFile, type UnlockFilePlace } from "./unlock-file.ts";
import { openAnySlot, type SlotRow, type SlotSecret } from "./unlock-slots.ts";
import { currentTerm, type VaultKeys, wipeVaultKeys } from "./vault-keys.ts";
import { type OpenedVault, vaultOfKeys } from "./vault-of-keys.ts";
import { getValue, type ValuePorts } from "./vault-values.ts";

/** Passphrase and seed stay the caller's to wipe. */
export type Unlock =
  | ({ readonly kind: "file" } & UnlockFilePlace)
  | { readonly kind: "passphrase"; readonly passphrase: Uint8Array }
  | { readonly kind: "recovery"; readonly seed: Uint8Array };

export const AUDIT_KEY_NAME: ValueName = { kind: "audit", id: "audit", version: 1, field: "value" };

/** Each may cost an Argon2id; nobody needs so many. */
export const SLOTS_MAX = 16;

/**
 * @throws AppError `ERR_VAULT_MISSING`, `ERR_UNLOCK_FILE`, `ERR_KEY_WRONG` when no slot opens with this,
 * `ERR_VAULT_DAMAGED`.
 */
export async function openVault(db: Db, unlock: Unlock, ports: ValuePorts): Promise<OpenedVault> {
  const row = await db.selectFrom("vault").select("vault_id").executeTakeFirst();
  if (row === undefined) {
    throw new AppError("ERR_VAULT_MISSING", "The database has no vault.", {
      remedy: "Check that it is the right database; the first start of `holdfast serve` makes a vault.",
    });
  }
  const slots = await db.selectFrom("unlock_slots").selectAll().orderBy("id").limit(SLOTS_MAX).execute();
  const keys: VaultKeys = {
    vaultId: row.vault_id,
    root: await openRoot(row.vault_id, slots, unlock),
    terms: new Map(),
  };
  try {
    await currentTerm(db, keys);
    using seed = await getValue(db, keys, AUDIT_KEY_NAME);
    return vaultOfKeys(keys, signingKeyFromSeed(seed.bytes), ports);
  } catch (error) {
    wipeVaultKeys(keys);
    throw error;
  }
}

async function openRoot(
  vaultId: Buffer,
  slots: readonly SlotRow[],
  unlock: Unlock,
): Promise<VaultKeys["root"]> {
  if (unlock.kind !== "file") return openAnySlot(vaultId, slots, unlock satisfies SlotSecret);
  using key = await readUnlockFile(unlock);
  return await openAnySlot(vaultId, slots, { kind: "file", key: key.bytes });
}
