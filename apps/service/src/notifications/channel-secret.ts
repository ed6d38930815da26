// The secret of a channel, for the moment in which it is used.
import type { SecretBytes } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import { openCurrentValue } from "../secrets/secret-values.ts";
import type { Vault } from "../secrets/vault.ts";

/** @throws AppError `ERR_NOT_FOUND`, `ERR_SECRET_DISABLED`, `ERR_VAULT_DAMAGED`. */
export async function readSecret(db: Db, vault: Vault, id: string): Promise<SecretBytes> {
  const secret = await db
    .selectFrom("secrets")
    .select(["id", "name", "disabled"])
    .where("id", "=", id)
    .where("kind", "=", "password")
    .executeTakeFirst();
  if (secret?.disabled !== 1) return openCurrentValue(db, vault, { id, kind: "password" });
  throw new AppError("ERR_SECRET_DISABLED", `The password ${secret.name} is disabled.`, {
    subject: id,
    remedy: "Enable it in the Password Manager, or choose another one for the channel.",
  });
}
