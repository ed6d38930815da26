/**
 * How somebody can sign in; so that nobody shuts out the last who can.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Db, Transaction } from "../database/database.ts";
import { findUser } from "./user-rows.ts";

/** After a way was taken away. @throws AppError `ERR_IN_USE` when the user, who is not disabled, has none left. */
export async function keepAWayIn(transaction: Transaction, userId: string): Promise<void> {
  const user = await findUser(transaction, userId);
  if (user.disabled === 1 || (await canSignIn(transaction, userId))) return;
  throw new AppError("ERR_IN_USE", `${user.name} could not sign in any more.`, {
    subject: userId,
    remedy: "Add a passkey first, or let an administrator send an invitation for a password.",
  });
}

async function canSignIn(db: Db, userId: string): Promise<boolean> {
  const row = await peopleWhoCanSignIn(db).where("users.id", "=", userId).executeTakeFirst();
  return row !== undefined;
}

/** Whether there is an administrator who can sign in, besides `except`. One who was only invited is none yet. */
export async function hasAdministrator(db: Db, except?: string): Promise<boolean> {
  const row = await peopleWhoCanSignIn(db)
    .where("users.role", "=", "administrator")
    .$if(except !== undefined, (query) => query.where("users.id", "!=", except ?? ""))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- the type of a query that is not finished
function peopleWhoCanSignIn(db: Db) {
  return db
    .selectFrom("users")
    .select("users.id")
    .where("users.disabled", "=", 0)
    .where((eb) =>
      eb.or([
        eb("users.password", "!=", ""),
        eb.exists(
          eb.selectFrom("passkeys").select("passkeys.id").whereRef("passkeys.user_id", "=", "users.id"),
        ),
        eb.exists(
          eb
            .selectFrom("identities")
            .innerJoin("identity_providers", "identity_providers.id", "identities.provider_id")
            .select("identities.user_id")
            .whereRef("identities.user_id", "=", "users.id")
            .where("identity_providers.enabled", "=", 1),
        ),
      ]),
    );
}
