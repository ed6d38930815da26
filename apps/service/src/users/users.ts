/**
 * What may be done with users.
 *
 * @module
 */
import { AppError, newId } from "@holdfast/kernel";
import type { NewUser, Page, PageQuery, PasswordReset, UserChange, UserView } from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import type { Db, Transaction } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import type { Actor } from "../http/route.ts";
import { nameTaken } from "../resources.ts";
import type { UserDependencies } from "./dependencies.ts";
import { checkPassword } from "./password-rules.ts";
import type { Role } from "./rights.ts";
import { endSessions } from "./sessions.ts";
import { findUser, grantsOf, replaceGrants, showUser } from "./user-rows.ts";
import { hasAdministrator } from "./ways-in.ts";

/** By name. */
export async function listUsers(db: Db, { limit, cursor }: PageQuery): Promise<Page<UserView>> {
  const after = startAfter(cursor);
  const rows = await db
    .selectFrom("users")
    .selectAll()
    .$if(after !== undefined, (query) => query.where("name", ">", after ?? ""))
    .orderBy("name")
    .limit(limit + 1)
    .execute();
  const { items, next } = nextPage(rows, limit, ({ name }) => name);
  const views: UserView[] = [];
  for (const row of items) views.push(await showUser(db, row));
  return { items: views, ...(next === undefined ? {} : { next }) };
}

/** @throws AppError `ERR_NAME_TAKEN`, `ERR_PASSWORD_WEAK`. */
export async function createUser(
  dependencies: UserDependencies,
  actor: Actor,
  { name, role, rights, password }: NewUser,
): Promise<UserView> {
  const { database, audit, clock, randomness, passwords } = dependencies;
  checkPassword(name, password);
  const passwordHash = await passwords.hash(password);
  const id = newId("user", clock, randomness);
  return database.transaction(async (transaction) => {
    await refuseTaken(transaction, name);
    await insertUser(dependencies, transaction, { id, name, role, passwordHash });
    await replaceGrants(transaction, id, rights);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.create",
      subject: { kind: "user", id },
      details: { name, role, rights },
    });
    return showUser(transaction, await findUser(transaction, id));
  });
}

export async function insertUser(
  { clock }: Pick<UserDependencies, "clock">,
  transaction: Transaction,
  user: { readonly id: string; readonly name: string; readonly role: Role; readonly passwordHash: string },
): Promise<void> {
  const now = clock.now();
  await transaction
    .insertInto("users")
    .values({
      id: user.id,
      name: user.name,
      role: user.role,
      password: user.passwordHash,
      password_changed_at: now,
      disabled: 0,
      created_at: now,
      revision: 1,
    })
    .execute();
}

/** @throws AppError `ERR_NAME_TAKEN`. */
export async function refuseTaken(transaction: Transaction, name: string): Promise<void> {
  const other = await transaction
    .selectFrom("users")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirst();
  if (other !== undefined) throw nameTaken("user", name);
}

/** @throws AppError `ERR_NOT_FOUND`, `ERR_CHANGED_MEANWHILE`, `ERR_LAST_ADMINISTRATOR`. */
export async function changeUser(
  dependencies: UserDependencies,
  actor: Actor,
  id: string,
  change: UserChange,
  ifMatch: number | undefined,
): Promise<UserView> {
  const { database, audit } = dependencies;
  return database.transaction(async (transaction) => {
    const row = await findUser(transaction, id);
    checkRevision(row, ifMatch);
    const role = change.role ?? row.role;
    const disabled = change.disabled === undefined ? row.disabled : change.disabled ? 1 : 0;
    if (role !== "administrator" || disabled === 1) await keepAnAdministrator(transaction, id);
    await transaction
      .updateTable("users")
      .set({ role, disabled, revision: row.revision + 1 })
      .where("id", "=", id)
      .execute();
    if (change.rights !== undefined) await replaceGrants(transaction, id, change.rights);
    if (disabled === 1) await endSessions(dependencies, transaction, { userId: id });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.change",
      subject: { kind: "user", id },
      details: { role, disabled: disabled === 1, rights: await grantsOf(transaction, id) },
    });
    return showUser(transaction, await findUser(transaction, id));
  });
}

async function keepAnAdministrator(transaction: Transaction, id: string): Promise<void> {
  if (await hasAdministrator(transaction, id)) return;
  throw new AppError("ERR_LAST_ADMINISTRATOR", "Nobody else could administer the service.", {
    subject: id,
    remedy: "Make somebody else an administrator first.",
  });
}

/** Sets somebody else's password and ends all their sessions, API tokens, passkeys and links with providers. @throws AppError `ERR_NOT_FOUND`, `ERR_PASSWORD_WEAK`. */
export async function resetPassword(
  dependencies: UserDependencies,
  actor: Actor,
  id: string,
  { password }: PasswordReset,
): Promise<void> {
  const { database, audit, clock, passwords } = dependencies;
  checkPassword((await findUser(database.db, id)).name, password);
  const hash = await passwords.hash(password);
  await database.transaction(async (transaction) => {
    const { revision } = await findUser(transaction, id);
    await transaction
      .updateTable("users")
      .set({ password: hash, password_changed_at: clock.now(), revision: revision + 1 })
      .where("id", "=", id)
      .execute();
    await endSessions(dependencies, transaction, { userId: id });
    // Whoever knew the old one may have made some.
    await removeOtherWaysIn(transaction, id);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.password",
      subject: { kind: "user", id },
    });
  });
}

export async function removeOtherWaysIn(transaction: Transaction, userId: string): Promise<void> {
  await transaction.deleteFrom("api_tokens").where("user_id", "=", userId).execute();
  await transaction.deleteFrom("passkeys").where("user_id", "=", userId).execute();
  await transaction.deleteFrom("invitations").where("user_id", "=", userId).execute();
  await transaction
    .deleteFrom("identities")
    .where("user_id", "=", userId)
    .where("origin", "=", "link")
    .execute();
}
