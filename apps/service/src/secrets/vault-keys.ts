/**
 * The keys of an open vault, held in memory while the service runs.
 *
 * @module
 */
import { SecretBytes } from "@holdfast/crypto";
import type { Db } from "../database/database.ts";
import { openKeyBox, vaultDamaged } from "./vault-boxes.ts";
import { vaultContext } from "./vault-context.ts";

export interface VaultKeys {
  readonly vaultId: Buffer;
  /** V of docs/security.md. */
  readonly root: SecretBytes;
  /** By number, as far as they were used. */
  readonly terms: Map<number, KnownTerm>;
}

interface KnownTerm {
  readonly box: Uint8Array;
  readonly key: SecretBytes;
}

export interface Term {
  readonly number: number;
  readonly key: SecretBytes;
}

/**
 * The term of this box, which stands with this number in the database. A number alone does not say which: another process may
 * have deleted a term that nothing used, and made another one of the same number.
 */
export function openTerm(keys: VaultKeys, number: number, box: Uint8Array): SecretBytes {
  const known = keys.terms.get(number);
  if (known !== undefined && Buffer.compare(known.box, box) === 0) return known.key;
  const context = vaultContext("term", keys.vaultId, number);
  const key = new SecretBytes(
    openKeyBox(keys.root.bytes, context, box, `Term ${String(number)} of the keyring`),
  );
  known?.key.wipe();
  keys.terms.set(number, { box, key });
  return key;
}

/** The term that new values are sealed under. */
export async function currentTerm(db: Db, keys: VaultKeys): Promise<Term> {
  const row = await db
    .selectFrom("vault")
    .innerJoin("keyring_terms", "keyring_terms.number", "vault.current_term")
    .select(["keyring_terms.number", "keyring_terms.box"])
    .executeTakeFirst();
  if (row === undefined) throw vaultDamaged("The current term of the keyring", "is missing");
  return { number: row.number, key: openTerm(keys, row.number, row.box) };
}

export function forgetTerm(keys: VaultKeys, number: number): void {
  keys.terms.get(number)?.key.wipe();
  keys.terms.delete(number);
}

export function wipeVaultKeys(keys: VaultKeys): void {
  keys.root.wipe();
  for (const { key } of keys.terms.values()) key.wipe();
  keys.terms.clear();
}
