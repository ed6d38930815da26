// Queries of users.
import { grantableRight, type UserView } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import type { Db, Transaction } from "../database/database.ts";
import type { UsersTable } from "../database/tables.ts";
import { notListed } from "../resources.ts";
import { type Right, ROLE_RIGHTS } from "./rights.ts";

export type UserRow = Selectable<UsersTable>;

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findUser(db: Db, id: string): Promise<UserRow> {
  const row = await db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("user", id);
}

/** PHC string; undefined: nobody signs in as this user with a password. */
export function passwordOf({ password }: Pick<UserRow, "password">): string | undefined {
  return password === "" ? undefined : password;
}

export async function grantsOf(db: Db, userId: string): Promise<UserView["rights"]> {
  const rows = await db
    .selectFrom("user_rights")
    .select("right")
    .where("user_id", "=", userId)
    .orderBy("right")
    .execute();
  // A right that a later version took away is none.
  return rows.flatMap((row) => grantableRight.safeParse(row.right).data ?? []);
}

export async function rightsOf(
  db: Db,
  { id, role }: Pick<UserRow, "id" | "role">,
): Promise<ReadonlySet<Right>> {
  return new Set([...ROLE_RIGHTS[role], ...(await grantsOf(db, id))]);
}

export async function replaceGrants(
  transaction: Transaction,
  userId: string,
  rights: readonly string[],
): Promise<void> {
  await transaction.deleteFrom("user_rights").where("user_id", "=", userId).execute();
  if (rights.length === 0) return;
  await transaction
    .insertInto("user_rights")
    .values(rights.map((right) => ({ user_id: userId, right })))
    .execute();
}

export async function showUser(db: Db, row: UserRow): Promise<UserView> {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    rights: await grantsOf(db, row.id),
    disabled: row.disabled === 1,
    secondFactor: row.totp_version !== null,
    createdAt: row.created_at,
    passwordChangedAt: row.password_changed_at,
    ...(await waysInOf(db, row)),
    lastSignInAt: row.last_sign_in_at,
    revision: row.revision,
  };
}

async function waysInOf(
  db: Db,
  row: UserRow,
): Promise<Pick<UserView, "hasPassword" | "invitedUntil" | "accounts">> {
  const { accounts } = await db
    .selectFrom("identities")
    .select(({ fn }) => fn.countAll<number>().as("accounts"))
    .where("user_id", "=", row.id)
    .executeTakeFirstOrThrow();
  const invitation = await db
    .selectFrom("invitations")
    .select("expires_at")
    .where("user_id", "=", row.id)
    .executeTakeFirst();
  return {
    hasPassword: passwordOf(row) !== undefined,
    invitedUntil: invitation?.expires_at ?? null,
    accounts,
  };
}
