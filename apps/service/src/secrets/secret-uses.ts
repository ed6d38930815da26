/**
 * Where secrets are used: what a person sees before changing one, and what speaks against deleting it.
 *
 * @module
 */
import type { SecretUse } from "@holdfast/protocol";
import { z } from "zod";
import type { Db } from "../database/database.ts";

/** Of one domain. Runs in the transaction that deletes as well. */
export type FindUses = (db: Db, secretId: string) => Promise<readonly SecretUse[]>;

const credentialSecrets = z.record(z.string(), z.string());

/** Storages that sign in with a password. */
export const usesByStorages: FindUses = async (db, secretId) => {
  const rows = await db
    .selectFrom("storages")
    .select(["id", "name", "secrets"])
    .where("secrets", "like", `%${secretId}%`)
    .orderBy("name")
    .execute();
  return rows
    .filter(({ secrets }) => Object.values(credentialSecrets.parse(JSON.parse(secrets))).includes(secretId))
    .map(({ id, name }) => ({ kind: "storage", id, name }));
};

/** Channels of notifications that sign in, sign, or are reached with it. */
export const usesByChannels: FindUses = async (db, secretId) => {
  const rows = await db
    .selectFrom("notification_channels")
    .select(["id", "name"])
    .where("secret_id", "=", secretId)
    .orderBy("name")
    .execute();
  return rows.map((row) => ({ kind: "channel", ...row }));
};

/** Plans that encrypt with a key. */
export const usesByPlans: FindUses = async (db, secretId) => {
  const rows = await db
    .selectFrom("plans")
    .select(["id", "name"])
    .where("secret_id", "=", secretId)
    .orderBy("name")
    .execute();
  return rows.map((row) => ({ kind: "plan", ...row }));
};

/** Repositories that open with a key, with the number of copies that nobody could read without it. */
export const usesByRepositories: FindUses = async (db, secretId) => {
  const rows = await db
    .selectFrom("repositories")
    .innerJoin("storages", "storages.id", "repositories.storage_id")
    .leftJoin("copies", (join) =>
      join.onRef("copies.repository_id", "=", "repositories.id").on("copies.forgotten_at", "is", null),
    )
    .select(({ fn }) => ["repositories.id", "storages.name", fn.count<number>("copies.id").as("copies")])
    .where("repositories.secret_id", "=", secretId)
    .groupBy(["repositories.id", "storages.name"])
    .orderBy("storages.name")
    .execute();
  return rows.map((row) => ({ kind: "repository", ...row }));
};

/** Providers of single sign-on that know the service by a password. */
export const usesByIdentityProviders: FindUses = async (db, secretId) => {
  const rows = await db
    .selectFrom("identity_providers")
    .select(["id", "name"])
    .where("secret_id", "=", secretId)
    .orderBy("name")
    .execute();
  return rows.map((row) => ({ kind: "identity-provider", ...row }));
};

export const USES_BY_DOMAINS: readonly FindUses[] = [
  usesByChannels,
  usesByStorages,
  usesByPlans,
  usesByRepositories,
  usesByIdentityProviders,
];

export async function findUses(
  db: Db,
  finders: readonly FindUses[],
  secretId: string,
): Promise<readonly SecretUse[]> {
  const uses: SecretUse[] = [];
  // One after the other: a transaction has one connection.
  for (const find of finders) uses.push(...(await find(db, secretId)));
  return uses;
}

const USES_NAMED_MAX = 10;

/** For an error: "the storage NAS, the plan Office (and 3 more)". */
export function describeUses(uses: readonly SecretUse[]): string {
  const named = uses.slice(0, USES_NAMED_MAX).map((use) => {
    const copies = use.copies === undefined ? "" : ` with ${String(use.copies)} copies`;
    const what = use.kind === "repository" ? "the repository in" : `the ${use.kind}`;
    return `${what} ${use.name}${copies}`;
  });
  const more = uses.length - named.length;
  return more > 0 ? `${named.join(", ")} and ${String(more)} more` : named.join(", ");
}
