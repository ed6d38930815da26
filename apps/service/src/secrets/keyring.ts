/**
 * Rotation of the keyring: a new term, under which the keys of all values are sealed again. Values stay as they are.
 *
 * Every step is a transaction of its own, and every state between two steps opens: new term written and read back; made
 * current; keys moved, one each; terms deleted that nothing needs. {@link finishRotation} goes on after a kill.
 *
 * @module
 */
import { sealBox, SecretBytes } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import { type AuditActor, type AuditLog, SERVICE_ACTOR } from "../audit/audit.ts";
import type { Database, Transaction } from "../database/database.ts";
import { isForeignKeyViolation } from "../database/failures.ts";
import { sealNewTerm } from "./create-vault.ts";
import { openKeyBox, vaultDamaged } from "./vault-boxes.ts";
import { type StoredName, valueContext, vaultContext } from "./vault-context.ts";
import { forgetTerm, openTerm, type VaultKeys } from "./vault-keys.ts";
import { nameOfValue, type ValuePorts } from "./vault-values.ts";

const ATTEMPTS_MAX = 5;

export interface KeyringDependencies extends ValuePorts {
  readonly database: Database;
  readonly vault: { readonly keys: VaultKeys };
  readonly audit: AuditLog;
}

export interface Rotation {
  /** The current term. */
  readonly term: number;
  /** Values whose keys were sealed again. */
  readonly moved: number;
}

export async function rotateKeyring(dependencies: KeyringDependencies, actor: AuditActor): Promise<Rotation> {
  const { database, vault } = dependencies;
  const term = await writeTerm(dependencies);
  await readBack(database, vault.keys, term);
  await makeCurrent(dependencies, actor, term);
  return finishRotation(dependencies);
}

/** Moves what an older rotation left, and deletes terms that nothing needs. To be called at each start. */
export async function finishRotation(dependencies: KeyringDependencies): Promise<Rotation> {
  const { database, vault } = dependencies;
  for (let moved = 0, attempt = 1; ; attempt += 1) {
    while (await moveOne(dependencies)) moved += 1;
    try {
      const deleted = await database.transaction((transaction) => deleteUnneeded(dependencies, transaction));
      for (const number of deleted) forgetTerm(vault.keys, number);
      return { term: await currentNumber(database.db), moved };
    } catch (error) {
      // A value that another process had begun to store before the new term was current.
      if (!isForeignKeyViolation(error) || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** Returns the number of the new term, which nothing uses yet. */
async function writeTerm(dependencies: KeyringDependencies): Promise<number> {
  const { database, vault, clock } = dependencies;
  return database.transaction(async (transaction) => {
    const newest = await transaction
      .selectFrom("keyring_terms")
      .select("number")
      .orderBy("number", "desc")
      .limit(1)
      .executeTakeFirst();
    const number = (newest?.number ?? 0) + 1;
    await transaction
      .insertInto("keyring_terms")
      .values({ number, created_at: clock.now(), box: sealNewTerm(vault.keys, number, dependencies) })
      .execute();
    return number;
  });
}

/** What was written is what opens. */
async function readBack({ db }: Database, keys: VaultKeys, number: number): Promise<void> {
  const row = await db
    .selectFrom("keyring_terms")
    .select("box")
    .where("number", "=", number)
    .executeTakeFirst();
  if (row === undefined) throw goneMeanwhile(number);
  openTerm(keys, number, row.box);
}

async function makeCurrent(
  { database, audit }: KeyringDependencies,
  actor: AuditActor,
  number: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    // Another process that finished a rotation may have taken it for a leftover.
    const row = await transaction
      .selectFrom("keyring_terms")
      .select("number")
      .where("number", "=", number)
      .executeTakeFirst();
    if (row === undefined) throw goneMeanwhile(number);
    await transaction
      .updateTable("vault")
      .set({ current_term: number })
      .where("current_term", "<", number)
      .execute();
    await audit.append(transaction, {
      actor,
      action: "keyring.rotate",
      subject: { kind: "vault", id: "" },
      details: { term: number },
    });
  });
}

/** Seals one value's key under the current term. False: there is none that needs it. */
async function moveOne({ database, vault: { keys }, randomness }: KeyringDependencies): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const current = await currentNumber(transaction);
    const row = await transaction
      .selectFrom("vault_values")
      .innerJoin("keyring_terms", "keyring_terms.number", "vault_values.term")
      .select(["object_kind", "object_id", "version", "field", "term", "key_box", "keyring_terms.box"])
      .where("term", "<", current)
      .orderBy("term")
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return false;
    const name: StoredName = {
      kind: row.object_kind,
      id: row.object_id,
      version: row.version,
      field: row.field,
    };
    const context = valueContext("key", keys.vaultId, name);
    const oldTerm = openTerm(keys, row.term, row.box);
    using key = new SecretBytes(openKeyBox(oldTerm.bytes, context, row.key_box, nameOfValue(name)));
    const newTerm = await termOf(transaction, keys, current);
    const key_box = sealBox(newTerm.bytes, context, key.bytes, randomness);
    openKeyBox(newTerm.bytes, context, key_box, nameOfValue(name)).fill(0);
    await transaction
      .updateTable("vault_values")
      .set({ term: current, key_box })
      .where("object_kind", "=", row.object_kind)
      .where("object_id", "=", row.object_id)
      .where("version", "=", row.version)
      .where("field", "=", row.field)
      .execute();
    return true;
  });
}

async function deleteUnneeded(
  { audit }: KeyringDependencies,
  transaction: Transaction,
): Promise<readonly number[]> {
  const current = await currentNumber(transaction);
  const rows = await transaction
    .selectFrom("keyring_terms")
    .select("number")
    .where("number", "!=", current)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom("vault_values")
            .select("vault_values.term")
            .whereRef("vault_values.term", "=", "keyring_terms.number"),
        ),
      ),
    )
    .execute();
  const numbers = rows.map(({ number }) => number);
  if (numbers.length === 0) return [];
  await transaction.deleteFrom("keyring_terms").where("number", "in", numbers).execute();
  await audit.append(transaction, {
    actor: SERVICE_ACTOR,
    action: "keyring.retire",
    subject: { kind: "vault", id: "" },
    details: { terms: numbers.map(String) },
  });
  return numbers;
}

async function currentNumber(db: Database["db"]): Promise<number> {
  const row = await db.selectFrom("vault").select("current_term").executeTakeFirst();
  if (row === undefined) throw vaultDamaged("The head of the vault", "is missing");
  return row.current_term;
}

async function termOf(db: Database["db"], keys: VaultKeys, number: number): Promise<SecretBytes> {
  const row = await db
    .selectFrom("keyring_terms")
    .select("box")
    .where("number", "=", number)
    .executeTakeFirst();
  if (row === undefined) throw vaultDamaged(`Term ${String(number)} of the keyring`, "is missing");
  return openTerm(keys, number, row.box);
}

/** Whether the box is that of the term: without the memory of {@link openTerm}. @throws AppError `ERR_VAULT_DAMAGED`. */
export function checkTermBox(keys: VaultKeys, number: number, box: Uint8Array): void {
  const what = `Term ${String(number)} of the keyring`;
  openKeyBox(keys.root.bytes, vaultContext("term", keys.vaultId, number), box, what).fill(0);
}

function goneMeanwhile(number: number): AppError {
  return new AppError(
    "ERR_CHANGED_MEANWHILE",
    `Term ${String(number)} of the keyring was removed meanwhile.`,
    {
      remedy: "Rotate again: two processes did it at once.",
    },
  );
}
