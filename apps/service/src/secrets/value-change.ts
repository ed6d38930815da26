/**
 * A new value of a password: a new version, which every lease from now on has.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { NewSecretValue, SecretView } from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import type { Transaction } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";
import { findSecret, nameSecret, showSecret } from "./secret-rows.ts";
import { describeUses, findUses } from "./secret-uses.ts";
import { checkNotTold, provenVersion, type SecretRow, typedValue, VALUE_FIELD } from "./secret-values.ts";
import type { SecretDependencies } from "./secrets.ts";

/**
 * Gives a password that nothing uses a new value at once. One that is in use takes it untested only when that is said; else it is
 * proposed (`proposals.ts`).
 *
 * @throws AppError `ERR_NOT_FOUND`, `ERR_SECRET_FROZEN` for an encryption key, `ERR_CONFIRMATION`, `ERR_USAGE`,
 * `ERR_SECRET_TEST` when it is in use, `ERR_CHANGED_MEANWHILE`.
 */
export async function changeValue(
  dependencies: SecretDependencies,
  actor: Actor,
  id: string,
  given: NewSecretValue,
  ifMatch: number | undefined,
): Promise<SecretView> {
  const { database, findUses: finders } = dependencies;
  return database.transaction(async (transaction) => {
    const row = await findSecret(transaction, id);
    checkNotFrozen(row);
    checkRevision(row, ifMatch);
    using value = typedValue("password", given.value, given.confirmation);
    checkNotTold(value, { name: row.name, description: row.description });
    const uses = await findUses(transaction, finders, id);
    if (uses.length > 0 && !given.despiteTests) {
      throw new AppError("ERR_SECRET_TEST", `The ${nameSecret(row)} is used by ${describeUses(uses)}.`, {
        subject: id,
        remedy: "Propose the value, which tests it there first; or save it untested (`despiteTests`).",
      });
    }
    return await storeValue(dependencies, transaction, actor, row, value.bytes, {
      untested: uses.map((use) => `${use.kind} ${use.id}`),
    });
  });
}

/** @throws AppError `ERR_SECRET_FROZEN`. */
export function checkNotFrozen(row: SecretRow): void {
  if (row.kind !== "encryption-key") return;
  throw new AppError("ERR_SECRET_FROZEN", `The value of the ${nameSecret(row)} never changes.`, {
    subject: row.id,
    remedy:
      "Add a new encryption key, clone the plans that use this one, and choose the new key in the clones.",
  });
}

/**
 * Stores the next version, and makes it current.
 *
 * @param details of the row in the audit log.
 */
export async function storeValue(
  { vault, audit, clock }: Pick<SecretDependencies, "vault" | "audit" | "clock">,
  transaction: Transaction,
  actor: Actor,
  row: SecretRow,
  value: Uint8Array,
  details: Readonly<Record<string, string | readonly string[]>>,
): Promise<SecretView> {
  const { id, kind } = row;
  const version = (await provenVersion(transaction, vault, row)) + 1;
  await vault.put(transaction, { kind, id, version, field: VALUE_FIELD }, value);
  await transaction
    .updateTable("secrets")
    .set({
      current_version: version,
      head_box: vault.sealHead(kind, id, version),
      generated: 0,
      updated_at: clock.now(),
      revision: row.revision + 1,
    })
    .where("id", "=", id)
    .execute();
  await audit.append(transaction, {
    actor: userActor(actor),
    action: "secret.value",
    subject: { kind, id },
    details: { name: row.name, version, ...details },
  });
  return showSecret(await findSecret(transaction, id));
}
