/**
 * What may be done with storages.
 *
 * @module
 */
import { AppError, type Clock, newId } from "@holdfast/kernel";
import type { NewStorage, StorageChange, StorageView } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";
import { checkNameFree } from "../resources.ts";
import { checkStoredPassword } from "../secrets/secret-rows.ts";
import type { Vault } from "../secrets/vault.ts";
import { checkLocation, recipientOf } from "./location.ts";
import { checkConfirmation, checkIdentity, sentAnew } from "./storage-credentials.ts";
import { findStorage, secretsOf, showStorage } from "./storage-rows.ts";

export interface StorageDependencies {
  readonly database: Database;
  readonly vault: Vault;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/** @throws AppError `ERR_USAGE`, `ERR_NAME_TAKEN`, `ERR_NOT_FOUND` for a secret, `ERR_CONFIRMATION`. */
export async function createStorage(
  { database, vault, audit, clock }: StorageDependencies,
  actor: Actor,
  given: NewStorage,
): Promise<StorageView> {
  checkLocation(given.location);
  checkIdentity(given.identity);
  const id = newId("sto", clock);
  return database.transaction(async (transaction) => {
    await checkNameFree(transaction, "storage", given.name, id);
    await checkSecrets(transaction, given.secrets);
    const anew = await sentAnew(transaction, recipientOf(given.location), given.secrets);
    await checkConfirmation(transaction, vault, given.name, anew, given.confirmation ?? {});
    await transaction
      .insertInto("storages")
      .values({
        id,
        name: given.name,
        description: given.description,
        location: given.location,
        identity: JSON.stringify(given.identity),
        secrets: JSON.stringify(given.secrets),
        created_at: clock.now(),
        created_by: actor.userId,
        revision: 1,
      })
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "storage.create",
      subject: { kind: "storage", id },
      details: { name: given.name, secrets: Object.values(given.secrets) },
    });
    return showStorage(transaction, await findStorage(transaction, id));
  });
}

/** @throws AppError as {@link createStorage}, `ERR_CHANGED_MEANWHILE`, `ERR_CONFIRMATION`. */
export async function changeStorage(
  { database, vault, audit }: StorageDependencies,
  actor: Actor,
  id: string,
  change: StorageChange,
  ifMatch: number | undefined,
): Promise<StorageView> {
  if (change.location !== undefined) checkLocation(change.location);
  if (change.identity !== undefined) checkIdentity(change.identity);
  return database.transaction(async (transaction) => {
    const row = await findStorage(transaction, id);
    checkRevision(row, ifMatch);
    if (change.name !== undefined) await checkNameFree(transaction, "storage", change.name, id);
    if (change.secrets !== undefined) await checkSecrets(transaction, change.secrets);
    const recipient = recipientOf(change.location ?? row.location);
    const anew = await sentAnew(transaction, recipient, change.secrets ?? secretsOf(row));
    await checkConfirmation(transaction, vault, row.name, anew, change.confirmation ?? {});
    await transaction
      .updateTable("storages")
      .set({
        name: change.name ?? row.name,
        description: change.description ?? row.description,
        location: change.location ?? row.location,
        identity: change.identity === undefined ? row.identity : JSON.stringify(change.identity),
        secrets: change.secrets === undefined ? row.secrets : JSON.stringify(change.secrets),
        revision: row.revision + 1,
      })
      .where("id", "=", id)
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "storage.change",
      subject: { kind: "storage", id },
      details: { fields: Object.keys(change).filter((field) => field !== "confirmation") },
    });
    return showStorage(transaction, await findStorage(transaction, id));
  });
}

/** @throws AppError `ERR_IN_USE` as long as plans or repositories are there. */
export async function deleteStorage(
  { database, audit }: StorageDependencies,
  actor: Actor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const row = await findStorage(transaction, id);
    const plans = await transaction.selectFrom("plans").select("name").where("storage_id", "=", id).execute();
    const { repositories } = await showStorage(transaction, row);
    if (plans.length > 0 || repositories > 0) {
      const users = [...plans.map(({ name }) => `the plan ${name}`), `${String(repositories)} repositories`];
      throw new AppError("ERR_IN_USE", `The storage ${row.name} is in use by ${users.join(", ")}.`, {
        subject: id,
        remedy: "Move or delete the plans first; its copies stay known as long as the storage is.",
      });
    }
    await transaction.deleteFrom("storages").where("id", "=", id).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "storage.delete",
      subject: { kind: "storage", id },
      details: { name: row.name },
    });
  });
}

async function checkSecrets(db: Db, secrets: Readonly<Record<string, string>>): Promise<void> {
  for (const id of Object.values(secrets)) {
    await checkStoredPassword(
      db,
      id,
      "Add it there first, as a password; encryption keys do not open storages.",
    );
  }
}
