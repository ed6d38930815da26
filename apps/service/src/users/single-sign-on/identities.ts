/**
 * Accounts at providers that sign in as users.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { IdentityView } from "@holdfast/protocol";
import { userActor } from "../../audit/audit.ts";
import type { Db, Transaction } from "../../database/database.ts";
import type { Actor } from "../../http/route.ts";
import type { UserDependencies } from "../dependencies.ts";
import { findUser, type UserRow } from "../user-rows.ts";
import { keepAWayIn } from "../ways-in.ts";
import type { Person } from "./person.ts";
import type { ProviderRow } from "./provider-rows.ts";

export async function listIdentities(db: Db, userId: string): Promise<IdentityView[]> {
  const rows = await db
    .selectFrom("identities")
    .innerJoin("identity_providers", "identity_providers.id", "identities.provider_id")
    .select(["provider_id", "name", "label", "identities.created_at", "used_at"])
    .where("user_id", "=", userId)
    .orderBy("name")
    .execute();
  return rows.map((row) => ({
    provider: row.provider_id,
    providerName: row.name,
    label: row.label,
    createdAt: row.created_at,
    usedAt: row.used_at,
  }));
}

export async function userOfIdentity(
  transaction: Transaction,
  provider: ProviderRow,
  { subject }: Person,
): Promise<UserRow | undefined> {
  return transaction
    .selectFrom("identities")
    .innerJoin("users", "users.id", "identities.user_id")
    .selectAll("users")
    .where("provider_id", "=", provider.id)
    .where("subject", "=", subject)
    .executeTakeFirst();
}

export async function insertIdentity(
  { clock }: Pick<UserDependencies, "clock">,
  transaction: Transaction,
  {
    provider,
    person,
    userId,
    origin,
  }: {
    readonly provider: ProviderRow;
    readonly person: Person;
    readonly userId: string;
    readonly origin: "creation" | "link";
  },
): Promise<void> {
  const now = clock.now();
  const { subject, label } = person;
  await transaction
    .insertInto("identities")
    .values({
      provider_id: provider.id,
      subject,
      user_id: userId,
      origin,
      label,
      created_at: now,
      used_at: now,
    })
    .execute();
}

/** Links an account with who is signed in. @throws AppError `ERR_NAME_TAKEN`. */
export async function linkIdentity(
  dependencies: UserDependencies,
  transaction: Transaction,
  provider: ProviderRow,
  person: Person,
  user: UserRow,
): Promise<void> {
  const other = await userOfIdentity(transaction, provider, person);
  const mine = (await listIdentities(transaction, user.id)).some((one) => one.provider === provider.id);
  if (other !== undefined || mine) {
    const what =
      other === undefined || other.id === user.id
        ? `You have an account of ${provider.name} linked already.`
        : `The account ${person.label} of ${provider.name} is linked with another user.`;
    throw new AppError("ERR_NAME_TAKEN", what, { subject: provider.id, remedy: "Remove that link first." });
  }
  await insertIdentity(dependencies, transaction, { provider, person, userId: user.id, origin: "link" });
  await dependencies.audit.append(transaction, {
    actor: { kind: "user", id: user.id },
    action: "user.identity",
    subject: { kind: "user", id: user.id },
    details: { provider: provider.id, account: person.label },
  });
}

/**
 * Of oneself, or by an administrator.
 *
 * @throws AppError `ERR_NOT_FOUND`, `ERR_IN_USE` when the user could not sign in any more.
 */
export async function removeIdentity(
  { database, audit }: UserDependencies,
  actor: Actor,
  userId: string,
  providerId: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await findUser(transaction, userId);
    const { numDeletedRows } = await transaction
      .deleteFrom("identities")
      .where("user_id", "=", userId)
      .where("provider_id", "=", providerId)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) {
      throw new AppError("ERR_NOT_FOUND", "No account of this provider is linked.", { subject: providerId });
    }
    await keepAWayIn(transaction, userId);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.identity-removed",
      subject: { kind: "user", id: userId },
      details: { provider: providerId },
    });
  });
}
