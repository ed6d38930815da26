/**
 * Opening boxes of the vault: whatever is wrong with one that the vault itself sealed means damage.
 *
 * @module
 */
import { openSecretBox } from "@holdfast/crypto";
import { AppError, isAppError } from "@holdfast/kernel";

export const VAULT_KEY_BYTES = 32;

/** @throws AppError `ERR_VAULT_DAMAGED` naming `what`. */
export function openVaultBox(key: Uint8Array, context: Uint8Array, box: Uint8Array, what: string): Buffer {
  try {
    return openSecretBox(key, context, box, what);
  } catch (error) {
    if (isAppError(error))
      throw vaultDamaged(what, "does not open: it was changed, or comes from another place");
    throw error;
  }
}

/** Of a box that holds a key. */
export function openKeyBox(key: Uint8Array, context: Uint8Array, box: Uint8Array, what: string): Buffer {
  const opened = openVaultBox(key, context, box, what);
  if (opened.length === VAULT_KEY_BYTES) return opened;
  opened.fill(0);
  throw vaultDamaged(what, "has a wrong length");
}

export function vaultDamaged(what: string, reason: string): AppError {
  return new AppError("ERR_VAULT_DAMAGED", `${what} in the vault ${reason}.`, {
    subject: what,
    remedy:
      "Put the database back from its backup; `holdfast admin verify` names everything that is damaged.",
  });
}
