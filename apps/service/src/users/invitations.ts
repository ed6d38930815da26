/**
 * Invitations: a link with which somebody chooses a first password. It serves once, for seven days; a new one ends the old one.
 *
 * @module
 */
import { AppError, newId } from "@holdfast/kernel";
import type { Invitation, InvitationAcceptance, NewInvitation, SessionView } from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import type { Db, Transaction } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { beginAttempt } from "./attempts.ts";
import type { UserDependencies } from "./dependencies.ts";
import { checkPassword } from "./password-rules.ts";
import { openSession } from "./session-start.ts";
import type { Visitor } from "./sessions.ts";
import { newToken, tokenHash } from "./tokens.ts";
import { findUser, passwordOf, replaceGrants, showUser, type UserRow } from "./user-rows.ts";
import { insertUser, refuseTaken } from "./users.ts";

const INVITATION_MS = 7 * 24 * 60 * 60_000;

/** Adds a user without a password. @throws AppError `ERR_NAME_TAKEN`. */
export async function inviteUser(
  dependencies: UserDependencies,
  actor: Actor,
  { name, role, rights }: NewInvitation,
): Promise<Invitation> {
  const { database, audit, clock, randomness } = dependencies;
  const id = newId("user", clock, randomness);
  return database.transaction(async (transaction) => {
    await refuseTaken(transaction, name);
    await insertUser(dependencies, transaction, { id, name, role, passwordHash: "" });
    await replaceGrants(transaction, id, rights);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.create",
      subject: { kind: "user", id },
      details: { name, role, rights, invited: true },
    });
    return invite(dependencies, transaction, actor, id);
  });
}

/** For somebody who has no password: the link was lost or has ended, or the provider is gone. @throws AppError `ERR_NOT_FOUND`, `ERR_IN_USE`. */
export async function renewInvitation(
  dependencies: UserDependencies,
  actor: Actor,
  userId: string,
): Promise<Invitation> {
  const { database, audit } = dependencies;
  return database.transaction(async (transaction) => {
    const user = await findUser(transaction, userId);
    if (passwordOf(user) !== undefined) {
      throw new AppError("ERR_IN_USE", `${user.name} has a password already.`, {
        subject: userId,
        remedy: "Set a new one for somebody who has forgotten it.",
      });
    }
    await transaction.deleteFrom("invitations").where("user_id", "=", userId).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.invite",
      subject: { kind: "user", id: userId },
    });
    return invite(dependencies, transaction, actor, userId);
  });
}

async function invite(
  { clock, randomness }: UserDependencies,
  transaction: Transaction,
  actor: Actor,
  userId: string,
): Promise<Invitation> {
  const token = newToken(randomness);
  const now = clock.now();
  const expiresAt = now + INVITATION_MS;
  await transaction
    .insertInto("invitations")
    .values({
      user_id: userId,
      hash: tokenHash(token),
      created_at: now,
      created_by: actor.userId,
      expires_at: expiresAt,
    })
    .execute();
  return { user: await showUser(transaction, await findUser(transaction, userId)), token, expiresAt };
}

/** @throws AppError `ERR_NOT_FOUND`. */
export async function withdrawInvitation(
  { database, audit }: UserDependencies,
  actor: Actor,
  userId: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const { numDeletedRows } = await transaction
      .deleteFrom("invitations")
      .where("user_id", "=", userId)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) {
      throw new AppError("ERR_NOT_FOUND", "There is no invitation for this user.", { subject: userId });
    }
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.invitation-withdrawn",
      subject: { kind: "user", id: userId },
    });
  });
}

/**
 * Sets the first password and signs in.
 *
 * @throws AppError `ERR_INVITATION`, `ERR_PASSWORD_WEAK`, `ERR_TOO_MANY_ATTEMPTS`.
 */
export async function acceptInvitation(
  dependencies: UserDependencies,
  { token, password }: InvitationAcceptance,
  visitor: Visitor,
): Promise<{ readonly token: string; readonly session: SessionView }> {
  const { database, clock, passwords, audit } = dependencies;
  const attempt = await beginAttempt(dependencies, "", visitor.address, true);
  const invited = await invitedUser(dependencies, database.db, token);
  await attempt.succeeded();
  checkPassword(invited.name, password);
  const hash = await passwords.hash(password);
  const user = await database.transaction(async (transaction) => {
    const { id, revision } = await invitedUser(dependencies, transaction, token);
    await transaction.deleteFrom("invitations").where("user_id", "=", id).execute();
    await transaction
      .updateTable("users")
      .set({ password: hash, password_changed_at: clock.now(), revision: revision + 1 })
      .where("id", "=", id)
      .execute();
    await audit.append(transaction, {
      actor: { kind: "user", id },
      action: "user.invitation-accepted",
      subject: { kind: "user", id },
      details: { address: visitor.address },
    });
    return findUser(transaction, id);
  });
  return openSession(dependencies, user, visitor, { method: "invitation" });
}

async function invitedUser({ clock }: UserDependencies, db: Db, token: string): Promise<UserRow> {
  const user = await db
    .selectFrom("invitations")
    .innerJoin("users", "users.id", "invitations.user_id")
    .selectAll("users")
    .where("hash", "=", tokenHash(token))
    .where("expires_at", ">", clock.now())
    .where("users.disabled", "=", 0)
    .executeTakeFirst();
  if (user !== undefined) return user;
  throw new AppError("ERR_INVITATION", "This invitation is not, or no longer, valid.", {
    remedy: "If you have used it already, sign in; otherwise ask an administrator for a new one.",
  });
}
