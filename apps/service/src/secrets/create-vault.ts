/**
 * The first start: makes the vault of an empty database.
 *
 * @module
 */
import { sealBox, SecretBytes, secretBuffer, SIGNING_SEED_BYTES } from "@holdfast/crypto";
import { AppError, isAppError } from "@holdfast/kernel";
import type { Database, Db, Transaction } from "../database/database.ts";
import { isUniqueViolation } from "../database/failures.ts";
import { AUDIT_KEY_NAME, openVault } from "./open-vault.ts";
import { createUnlockFile, type UnlockFilePlace } from "./unlock-file.ts";
import { sealSlot, type SlotRow } from "./unlock-slots.ts";
import { VAULT_KEY_BYTES } from "./vault-boxes.ts";
import { vaultContext } from "./vault-context.ts";
import { type VaultKeys, wipeVaultKeys } from "./vault-keys.ts";
import type { OpenedVault } from "./vault-of-keys.ts";
import { putValue, type ValuePorts } from "./vault-values.ts";

export interface CreateVaultOptions extends ValuePorts {
  readonly unlockFile: UnlockFilePlace;
}

const VAULT_ID_BYTES = 16;
const FIRST_TERM = 1;

export async function vaultExists(db: Db): Promise<boolean> {
  return (await db.selectFrom("vault").select("one").executeTakeFirst()) !== undefined;
}

/**
 * Makes unlock file, root key, first term and audit key. A kill leaves at most an unlock file, which the next start takes.
 *
 * @throws AppError `ERR_VAULT_EXISTS`, `ERR_UNLOCK_FILE`.
 */
export async function createVault(database: Database, options: CreateVaultOptions): Promise<OpenedVault> {
  const { unlockFile, randomness } = options;
  if (await vaultExists(database.db)) throw vaultIsThere();
  using fileKey = await createUnlockFile(unlockFile, randomness);
  const keys: VaultKeys = {
    vaultId: randomness(Buffer.alloc(VAULT_ID_BYTES)),
    root: randomKey(options),
    terms: new Map(),
  };
  try {
    const slot = await sealSlot(
      keys.vaultId,
      keys.root.bytes,
      { kind: "file", key: fileKey.bytes },
      "unlock file",
      options,
    );
    await database.transaction((transaction) => insertVault(transaction, keys, slot, options));
  } finally {
    wipeVaultKeys(keys);
  }
  // What was written is what the next start will read.
  return await openVault(database.db, { kind: "file", ...unlockFile }, options);
}

/** Opens the vault with the unlock file; makes both at the first start. */
export async function openOrCreateVault(
  database: Database,
  options: CreateVaultOptions,
): Promise<OpenedVault> {
  if (!(await vaultExists(database.db))) {
    try {
      return await createVault(database, options);
    } catch (error) {
      // Another process of the service was faster.
      if (!isAppError(error, "ERR_VAULT_EXISTS") && !isUniqueViolation(error)) throw error;
    }
  }
  return openVault(database.db, { kind: "file", ...options.unlockFile }, options);
}

async function insertVault(
  transaction: Transaction,
  keys: VaultKeys,
  slot: SlotRow,
  ports: ValuePorts,
): Promise<void> {
  if (await vaultExists(transaction)) throw vaultIsThere();
  const now = ports.clock.now();
  await transaction
    .insertInto("vault")
    .values({
      one: 1,
      vault_id: keys.vaultId,
      created_at: now,
      current_term: FIRST_TERM,
      recovery_public_key: null,
      recovery_box: null,
    })
    .execute();
  await transaction.insertInto("unlock_slots").values(slot).execute();
  await transaction
    .insertInto("keyring_terms")
    .values({ number: FIRST_TERM, created_at: now, box: sealNewTerm(keys, FIRST_TERM, ports) })
    .execute();
  using seed = new SecretBytes(ports.randomness(secretBuffer(SIGNING_SEED_BYTES)));
  await putValue(transaction, keys, ports, AUDIT_KEY_NAME, seed.bytes);
}

/** The box of a new term, whose key nobody has but this box. */
export function sealNewTerm(keys: VaultKeys, number: number, ports: ValuePorts): Buffer {
  using key = randomKey(ports);
  const context = vaultContext("term", keys.vaultId, number);
  return sealBox(keys.root.bytes, context, key.bytes, ports.randomness);
}

function randomKey({ randomness }: ValuePorts): SecretBytes {
  return new SecretBytes(randomness(secretBuffer(VAULT_KEY_BYTES)));
}

function vaultIsThere(): AppError {
  return new AppError("ERR_VAULT_EXISTS", "The database has a vault already.", {
    remedy: "Open it with its unlock file, a passphrase or the recovery kit.",
  });
}
