/**
 * What may be done with secrets of the Password Manager (docs/security.md, section 1).
 *
 * @module
 */
import { generatePassphrase, type SecretBytes } from "@holdfast/crypto";
import { AppError, type Clock, newId, type Randomness } from "@holdfast/kernel";
import type {
  CreatedSecret,
  NewSecret,
  SecretChange,
  SecretUse,
  SecretView,
  SecretWarning,
} from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Transaction } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";
import { dropProposalValues } from "./proposal-end.ts";
import { checkNameFree, findSecret, nameSecret, showSecret } from "./secret-rows.ts";
import { describeUses, type FindUses, findUses } from "./secret-uses.ts";
import {
  checkNotTold,
  openCurrentValue,
  type SecretRow,
  secretText,
  typedValue,
  VALUE_FIELD,
} from "./secret-values.ts";
import { strengthOf, warningsOfKey } from "./strength/strength.ts";
import type { EstimateText } from "./strength/strength-thread.ts";
import type { Vault } from "./vault.ts";

export interface SecretDependencies {
  readonly database: Database;
  readonly vault: Vault;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly findUses: readonly FindUses[];
  /** How hard a value is to guess. */
  readonly estimate: EstimateText;
  /** In the transaction that disables a secret: ends the leases that were given of it. */
  readonly endLeases?: (transaction: Transaction, secretId: string) => Promise<unknown>;
}

/** @throws AppError `ERR_NAME_TAKEN`, `ERR_CONFIRMATION`, `ERR_USAGE`, `ERR_PASSWORD_WEAK` for an encryption key that is guessed at once. */
export async function createSecret(
  dependencies: SecretDependencies,
  actor: Actor,
  given: NewSecret,
): Promise<CreatedSecret> {
  const { database, vault, audit, clock } = dependencies;
  if (given.kind === "password" && given.hint !== "") {
    throw new AppError("ERR_USAGE", "A password has no hint.", {
      subject: "hint",
      remedy: "Hints are for encryption keys, which people have to remember.",
    });
  }
  using value = newValue(dependencies, given);
  checkNotTold(value, { name: given.name, description: given.description, hint: given.hint });
  const warnings = await warningsOf(dependencies, given);
  const id = newId("sec", clock);
  const now = clock.now();
  return await database.transaction(async (transaction) => {
    await checkNameFree(transaction, given.name, id);
    await vault.put(transaction, { kind: given.kind, id, version: 1, field: VALUE_FIELD }, value.bytes);
    await transaction
      .insertInto("secrets")
      .values({
        id,
        kind: given.kind,
        name: given.name,
        description: given.description,
        hint: given.hint,
        current_version: 1,
        head_box: vault.sealHead(given.kind, id, 1),
        generated: given.generate ? 1 : 0,
        disabled: 0,
        created_at: now,
        created_by: actor.userId,
        updated_at: now,
        revision: 1,
      })
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "secret.create",
      subject: { kind: given.kind, id },
      details: { name: given.name, generated: given.generate },
    });
    return { ...showSecret(await findSecret(transaction, id)), warnings };
  });
}

/** Passwords of others are as others made them; what a key is made from is decided here. */
async function warningsOf(
  { estimate }: SecretDependencies,
  { kind, value }: NewSecret,
): Promise<SecretWarning[]> {
  if (kind !== "encryption-key" || value === undefined) return [];
  return warningsOfKey(await strengthOf(estimate, value), "This encryption key");
}

function newValue({ randomness }: SecretDependencies, given: NewSecret): SecretBytes {
  const { kind, generate, value, confirmation } = given;
  if (generate && value === undefined && confirmation === undefined) {
    return secretText(generatePassphrase(randomness));
  }
  if (!generate && value !== undefined) return typedValue(kind, value, confirmation ?? "");
  throw new AppError("ERR_USAGE", "A secret has either a value with its confirmation, or `generate`.", {
    subject: "value",
    remedy: "Type the value twice, or let the service generate one.",
  });
}

/** Changes everything but the value. @throws AppError `ERR_NOT_FOUND`, `ERR_NAME_TAKEN`, `ERR_CHANGED_MEANWHILE`. */
export async function changeSecret(
  { database, vault, audit, clock, endLeases }: SecretDependencies,
  actor: Actor,
  id: string,
  change: SecretChange,
  ifMatch: number | undefined,
): Promise<SecretView> {
  const changed = await database.transaction(async (transaction) => {
    const row = await findSecret(transaction, id);
    checkRevision(row, ifMatch);
    const { name = row.name, description = row.description, hint = row.hint } = change;
    const disabled = change.disabled ?? row.disabled === 1;
    if (row.kind === "password" && hint !== "") {
      throw new AppError("ERR_USAGE", "A password has no hint.", { subject: "hint" });
    }
    if (name !== row.name) await checkNameFree(transaction, name, id);
    await checkStillNotTold(transaction, vault, row, change);
    await transaction
      .updateTable("secrets")
      .set({
        name,
        description,
        hint,
        disabled: disabled ? 1 : 0,
        updated_at: clock.now(),
        revision: row.revision + 1,
      })
      .where("id", "=", id)
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "secret.change",
      subject: { kind: row.kind, id },
      details: {
        fields: Object.keys(change).toSorted(),
        name,
        ...(name === row.name ? {} : { before: row.name }),
        disabled,
      },
    });
    if (disabled && row.disabled === 0) await endLeases?.(transaction, id);
    return showSecret(await findSecret(transaction, id));
  });
  if (change.disabled === true) await database.notify("tasks");
  return changed;
}

async function checkStillNotTold(
  db: Database["db"],
  vault: Vault,
  row: SecretRow,
  { name, description, hint }: SecretChange,
): Promise<void> {
  if (name === undefined && description === undefined && hint === undefined) return;
  using value = await openCurrentValue(db, vault, row);
  checkNotTold(value, { name, description, hint });
}

/**
 * Deletes a secret with all its values. That it was there, and which devices had it, stays known.
 *
 * @throws AppError `ERR_NOT_FOUND`, `ERR_SECRET_IN_USE` naming what uses it.
 */
export async function deleteSecret(
  { database, audit, findUses: finders }: SecretDependencies,
  actor: Actor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const row = await findSecret(transaction, id);
    const uses = await findUses(transaction, finders, id);
    if (uses.length > 0) throw inUse(row, uses);
    await dropProposalValues(transaction, id);
    await transaction.deleteFrom("secrets").where("id", "=", id).execute();
    await transaction
      .deleteFrom("vault_values")
      .where("object_kind", "=", row.kind)
      .where("object_id", "=", id)
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "secret.delete",
      subject: { kind: row.kind, id },
      details: { name: row.name },
    });
  });
}

function inUse(row: SecretRow, uses: readonly SecretUse[]): AppError {
  const remedy =
    row.kind === "encryption-key"
      ? "Delete the plans that use it, forget the copies that need it, and remove their repositories first."
      : "Choose another password there first.";
  return new AppError("ERR_SECRET_IN_USE", `The ${nameSecret(row)} is used by ${describeUses(uses)}.`, {
    subject: row.id,
    remedy,
  });
}
