/**
 * This service as a client of a provider, with its secret from the vault.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Db } from "../../database/database.ts";
import type { Vault } from "../../secrets/vault.ts";
import { openCurrentValue } from "../../secrets/secret-values.ts";
import type { SingleSignOnDependencies } from "./dependencies.ts";
import type { IssuerClient } from "./issuer.ts";
import { type ProviderRow, scopesOf } from "./provider-rows.ts";

/** @throws AppError `ERR_SECRET_DISABLED`, `ERR_NOT_FOUND`, `ERR_VAULT_DAMAGED`. */
export async function clientOf(
  { database, vault }: Pick<SingleSignOnDependencies, "database" | "vault">,
  row: ProviderRow,
): Promise<IssuerClient> {
  return clientWith(
    row,
    row.secret_id === null ? undefined : await clientSecret(database.db, vault, row.secret_id),
  );
}

export function clientWith(row: ProviderRow, secret: string | undefined): IssuerClient {
  return {
    providerName: row.name,
    issuer: row.issuer,
    clientId: row.client_id,
    secret,
    scopes: scopesOf(row),
  };
}

async function clientSecret(db: Db, vault: Pick<Vault, "get" | "checkHead">, id: string): Promise<string> {
  const secret = await db.selectFrom("secrets").selectAll().where("id", "=", id).executeTakeFirst();
  if (secret === undefined || secret.disabled === 1) {
    const name = secret?.name ?? id;
    throw new AppError("ERR_SECRET_DISABLED", `The client secret ${name} is disabled.`, {
      subject: id,
      remedy: "Enable it in the Password Manager, or choose another one for the provider.",
    });
  }
  using value = await openCurrentValue(db, vault, secret);
  // The library of OpenID Connect takes text: see docs/security.md, section 5.
  return Buffer.from(value.bytes).toString("utf8");
}
