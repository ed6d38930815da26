/**
 * Repositories: one for each storage and encryption that plans share, and so deduplicate across devices. The service draws
 * the root secret and keeps it in the vault; what it prepares besides is stored by the first agent (docs/security.md).
 *
 * @module
 */
import {
  ARGON2_DEFAULT,
  type Argon2Parameters,
  SecretBytes,
  type Suite,
  suiteByCode,
  SUITE_NONE,
  suiteFor,
} from "@holdfast/crypto";
import { AppError, type Clock, type Randomness } from "@holdfast/kernel";
import type { Encryption, RepositoryRef } from "@holdfast/protocol";
import { type FirstSlot, prepareRepositoryBeside } from "@holdfast/repository";
import type { Selectable } from "kysely";
import { z } from "zod";
import type { Database, Db, Transaction } from "../database/database.ts";
import type { RepositoriesTable } from "../database/tables.ts";
import { notListed } from "../resources.ts";
import { openCurrentValue } from "../secrets/secret-values.ts";
import { insertMaintenance } from "../maintenance/times.ts";
import type { Vault } from "../secrets/vault.ts";
import { joinLocation } from "../storages/location.ts";
import { findStorage } from "../storages/storage-rows.ts";

export type RepositoryRow = Selectable<RepositoriesTable>;

export interface RepositoryDependencies {
  readonly database: Database;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** For tests, which would take minutes otherwise: nothing else gives it. */
  readonly passphraseCost?: Argon2Parameters;
}

/** What plans must have in common to share a repository. */
export interface RepositoryWish {
  readonly storageId: string;
  readonly encryption: Encryption | null;
}

const FOLDER_DIGITS = 8;
export const ROOT_VERSION = 1;

const preparedObjects = z.array(z.object({ name: z.string(), bytes: z.string() }));

/** A repository that was prepared, with its root secret until the end. */
export interface PreparedRepository extends Disposable {
  /**
   * Puts it into the database, or answers the one that another plan has made meanwhile. May be called again, as a transaction is that has
   * lost a race.
   *
   * @returns its id.
   */
  readonly insert: (transaction: Transaction) => Promise<string>;
}

/**
 * Prepares a repository for the wish unless there is one. It stretches a passphrase, which takes a third of a second:
 * therefore outside of the transaction that inserts it.
 *
 * @throws AppError `ERR_NOT_FOUND` for the key, `ERR_VAULT_DAMAGED`.
 */
export async function prepareFor(
  { database, vault, clock, randomness, passphraseCost = ARGON2_DEFAULT }: RepositoryDependencies,
  wish: RepositoryWish,
): Promise<PreparedRepository> {
  const suite = suiteOf(wish.encryption);
  const secretId = wish.encryption?.secret ?? null;
  if ((await findFor(database.db, wish.storageId, suite, secretId)) !== undefined) {
    return {
      insert: (transaction) => findOrFail(transaction, wish.storageId, suite, secretId),
      [Symbol.dispose]: () => undefined,
    };
  }
  const slots = secretId === null ? [] : await firstSlots(database.db, vault, secretId, passphraseCost);
  const prepared = await prepareAndWipe({ clock, randomness }, suite, slots);
  const id = prepared.config.repository.toString("hex");
  const root = new SecretBytes(prepared.rootSecret);
  return {
    insert: async (transaction) => {
      const existing = await findFor(transaction, wish.storageId, suite, secretId);
      if (existing !== undefined) return existing.id;
      await transaction
        .insertInto("repositories")
        .values({
          id,
          storage_id: wish.storageId,
          folder: `holdfast-${id.slice(0, FOLDER_DIGITS)}`,
          suite: suite.code,
          secret_id: secretId,
          prepared: JSON.stringify(
            prepared.objects.map(({ name, bytes }) => ({ name, bytes: bytes.toString("base64") })),
          ),
          created_at: clock.now(),
        })
        .execute();
      await insertMaintenance(transaction, { clock, randomness }, id);
      await vault.put(
        transaction,
        { kind: "repository", id, version: ROOT_VERSION, field: "value" },
        root.bytes,
      );
      return id;
    },
    [Symbol.dispose]: () => root.wipe(),
  };
}

/** Overwrites the passphrases. */
async function prepareAndWipe(
  ports: Pick<RepositoryDependencies, "clock" | "randomness">,
  suite: Suite,
  slots: readonly FirstSlot[],
): ReturnType<typeof prepareRepositoryBeside> {
  try {
    return await prepareRepositoryBeside(ports, suite, slots);
  } finally {
    for (const { target } of slots) if (target.kind === "passphrase") target.passphrase.fill(0);
  }
}

/** The root secret of a repository, for deriving what a lease carries. The caller wipes it. */
export async function rootSecretOf(db: Db, vault: Vault, id: string): ReturnType<Vault["get"]> {
  return vault.get(db, { kind: "repository", id, version: ROOT_VERSION, field: "value" });
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findRepository(db: Db, id: string): Promise<RepositoryRow> {
  const row = await db.selectFrom("repositories").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("repository", id);
}

/** The id in the repository's objects: a replica has that of its source. */
export function originOf({ id, origin_id: originId }: Pick<RepositoryRow, "id" | "origin_id">): string {
  return originId ?? id;
}

/** The repository as a device gets it. */
export async function refOf(db: Db, row: RepositoryRow): Promise<RepositoryRef> {
  const storage = await findStorage(db, row.storage_id);
  return {
    id: originOf(row),
    suite: row.suite,
    storage: {
      id: storage.id,
      name: storage.name,
      location: joinLocation(storage.location, row.folder),
    },
    prepared: preparedObjects.parse(JSON.parse(row.prepared)),
  };
}

export function suiteOf(encryption: Encryption | null): Suite {
  return encryption === null ? SUITE_NONE : suiteFor(encryption.method, encryption.level);
}

/** As the API shows it; null when nothing is encrypted. */
export function encryptionOf(suiteCode: number): { readonly method: string; readonly level: string } | null {
  const suite = suiteByCode(suiteCode);
  return suite.method === null || suite.level === null ? null : { method: suite.method, level: suite.level };
}

async function findFor(
  db: Db,
  storageId: string,
  suite: Suite,
  secretId: string | null,
): Promise<RepositoryRow | undefined> {
  const query = db
    .selectFrom("repositories")
    .selectAll()
    .where("storage_id", "=", storageId)
    // Plans do not write into replicas.
    .where("origin_id", "is", null)
    .where("suite", "=", suite.code);
  return (
    secretId === null ? query.where("secret_id", "is", null) : query.where("secret_id", "=", secretId)
  ).executeTakeFirst();
}

async function findOrFail(db: Db, storageId: string, suite: Suite, secretId: string | null): Promise<string> {
  const row = await findFor(db, storageId, suite, secretId);
  if (row !== undefined) return row.id;
  throw new AppError("ERR_CHANGED_MEANWHILE", "The repository of the plan was removed meanwhile.", {
    remedy: "Try again.",
  });
}

async function firstSlots(
  db: Db,
  vault: Vault,
  secretId: string,
  parameters: Argon2Parameters,
): Promise<FirstSlot[]> {
  const secret = await db.selectFrom("secrets").selectAll().where("id", "=", secretId).executeTakeFirst();
  if (secret?.kind !== "encryption-key") {
    throw new AppError("ERR_NOT_FOUND", `There is no encryption key ${secretId} in the Password Manager.`, {
      subject: secretId,
      remedy: "Choose an encryption key there, or add one.",
    });
  }
  if (secret.disabled === 1) {
    throw new AppError("ERR_SECRET_DISABLED", `The encryption key ${secret.name} is disabled.`, {
      subject: secretId,
      remedy: "Enable it in the Password Manager, or choose another one.",
    });
  }
  using value = await openCurrentValue(db, vault, secret);
  const passphrase = Buffer.from(value.bytes);
  const slots: FirstSlot[] = [{ target: { kind: "passphrase", passphrase, parameters }, label: secret.name }];
  const recoveryPublicKey = await vault.recoveryPublicKey(db);
  if (recoveryPublicKey !== undefined) {
    slots.push({ target: { kind: "recovery", publicKey: recoveryPublicKey }, label: "recovery kit" });
  }
  return slots;
}
