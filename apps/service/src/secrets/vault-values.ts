/**
 * Values of the vault: each has a key of its own, which a term of the keyring seals, so that the keyring can be rotated
 * without touching a value.
 *
 * @module
 */
import { type Argon2Parameters, sealBox, SecretBytes } from "@holdfast/crypto";
import type { Clock, Randomness } from "@holdfast/kernel";
import type { Selectable } from "kysely";
import type { Db, Transaction } from "../database/database.ts";
import type { VaultValuesTable } from "../database/tables.ts";
import type { ValueName } from "./vault.ts";
import { openKeyBox, openVaultBox, VAULT_KEY_BYTES, vaultDamaged } from "./vault-boxes.ts";
import { type StoredName, valueContext } from "./vault-context.ts";
import { currentTerm, openTerm, type VaultKeys } from "./vault-keys.ts";

export type ValueRow = Selectable<VaultValuesTable>;

export interface ValuePorts {
  readonly clock: Pick<Clock, "now">;
  readonly randomness: Randomness;
  /** Of new passphrase slots. For tests, which would take minutes otherwise: nothing else gives it. */
  readonly passphraseCost?: Argon2Parameters;
}

/** Plaintext of a value, in bytes. */
export const VALUE_BYTES_MAX = 64 * 1024;

export async function putValue(
  transaction: Transaction,
  keys: VaultKeys,
  { clock, randomness }: ValuePorts,
  name: ValueName,
  value: Uint8Array,
): Promise<void> {
  const term = await currentTerm(transaction, keys);
  using valueKey = new SecretBytes(randomness(new Uint8Array(VAULT_KEY_BYTES)));
  await transaction
    .insertInto("vault_values")
    .values({
      object_kind: name.kind,
      object_id: name.id,
      version: name.version,
      field: name.field,
      term: term.number,
      key_box: sealBox(term.key.bytes, valueContext("key", keys.vaultId, name), valueKey.bytes, randomness),
      value_box: sealBox(valueKey.bytes, valueContext("value", keys.vaultId, name), value, randomness),
      created_at: clock.now(),
    })
    .execute();
}

export async function getValue(db: Db, keys: VaultKeys, name: ValueName): Promise<SecretBytes> {
  // One statement: between two, a rotation could move the value and delete its term.
  const row = await db
    .selectFrom("vault_values")
    .innerJoin("keyring_terms", "keyring_terms.number", "vault_values.term")
    .select(["vault_values.term", "vault_values.key_box", "vault_values.value_box", "keyring_terms.box"])
    .where("object_kind", "=", name.kind)
    .where("object_id", "=", name.id)
    .where("version", "=", name.version)
    .where("field", "=", name.field)
    .executeTakeFirst();
  const what = nameOfValue(name);
  if (row === undefined) throw vaultDamaged(what, "is missing");
  return openValue(keys, name, row);
}

export function openValue(
  keys: VaultKeys,
  name: StoredName,
  row: {
    readonly term: number;
    readonly box: Uint8Array;
    readonly key_box: Uint8Array;
    readonly value_box: Uint8Array;
  },
): SecretBytes {
  const what = nameOfValue(name);
  const term = openTerm(keys, row.term, row.box);
  using valueKey = new SecretBytes(
    openKeyBox(term.bytes, valueContext("key", keys.vaultId, name), row.key_box, what),
  );
  return new SecretBytes(
    openVaultBox(valueKey.bytes, valueContext("value", keys.vaultId, name), row.value_box, what),
  );
}

/** For errors. */
export function nameOfValue(name: StoredName): string {
  const field = name.field === "value" ? "" : `, field ${name.field}`;
  return `The ${name.kind} ${name.id}, version ${String(name.version)}${field},`;
}
