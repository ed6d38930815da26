/**
 * Signing in and out with a password.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { NameChange, PasswordChange, SessionView, SignInRequest } from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import type { Actor } from "../http/route.ts";
import { signedIn } from "../http/signed-in.ts";
import { type Attempt, beginAttempt } from "./attempts.ts";
import type { UserDependencies } from "./dependencies.ts";
import { requireOwnPassword } from "./own-password.ts";
import { checkPassword } from "./password-rules.ts";
import { useCode } from "./second-factor.ts";
import { provenFactorVersion } from "./second-factor-head.ts";
import { openSession, recordRefusal, signInFailed } from "./session-start.ts";
import { endSessions, type Visitor, wasHereLately } from "./sessions.ts";
import { findUser, passwordOf, type UserRow } from "./user-rows.ts";
import { refuseTaken } from "./users.ts";

/**
 * Returns the session and the token for its cookie.
 *
 * @throws AppError `ERR_SIGN_IN_FAILED`, the same with the same work whatever was wrong; `ERR_TOO_MANY_ATTEMPTS`.
 */
export async function signIn(
  dependencies: UserDependencies,
  { name: typed, password, code }: SignInRequest,
  visitor: Visitor,
): Promise<{ readonly token: string; readonly session: SessionView }> {
  const { database, passwords } = dependencies;
  const name = typed.trim().toLowerCase();
  const user = await database.db.selectFrom("users").selectAll().where("name", "=", name).executeTakeFirst();
  const known = user !== undefined && (await wasHereLately(database.db, user.id, visitor.address));
  const attempt = await beginAttempt(dependencies, name, visitor.address, known);
  const phc = user === undefined ? undefined : passwordOf(user);
  const right = await passwords.verify(password, phc);
  if (user === undefined || !right || user.disabled === 1) {
    await recordRefusal(dependencies, user, visitor);
    throw signInFailed();
  }
  if ((await provenFactorVersion(database.db, dependencies.vault, user)) !== null)
    await requireCode(dependencies, user, code, visitor, attempt);
  await attempt.succeeded();
  const hash = passwords.isOutdated(user.password) ? await passwords.hash(password) : undefined;
  return openSession(dependencies, user, visitor, { method: "password", newHash: hash });
}

async function requireCode(
  dependencies: UserDependencies,
  user: UserRow,
  code: string | undefined,
  visitor: Visitor,
  attempt: Attempt,
): Promise<void> {
  if (code === undefined) {
    // Neither a failure nor a success, which would forgive wrong codes.
    await attempt.withdrawn();
    throw new AppError("ERR_SECOND_FACTOR_NEEDED", "A code of the authenticator app is needed.", {
      remedy: "Send name and password again, with the code.",
    });
  }
  if (await useCode(dependencies, user, code)) return;
  await recordRefusal(dependencies, user, visitor);
  throw signInFailed();
}

export async function signOut(dependencies: UserDependencies, actor: SessionActor): Promise<void> {
  const { database, audit } = dependencies;
  const { sessionId } = actor;
  await database.transaction(async (transaction) => {
    await endSessions(dependencies, transaction, { userId: actor.userId, id: sessionId });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "session.end",
      subject: { kind: "user", id: actor.userId },
    });
  });
}

/** Ends all other sessions of this person. @throws AppError as {@link requireOwnPassword}, `ERR_PASSWORD_WEAK`. */
export async function changePassword(
  dependencies: UserDependencies,
  actor: SessionActor,
  { current, password }: PasswordChange,
): Promise<void> {
  const { database, audit, clock, passwords } = dependencies;
  const { sessionId } = actor;
  checkPassword(actor.name, password);
  await requireOwnPassword(dependencies, actor, current, "user.password");
  const hash = await passwords.hash(password);
  await database.transaction(async (transaction) => {
    const { revision } = await findUser(transaction, actor.userId);
    await transaction
      .updateTable("users")
      .set({ password: hash, password_changed_at: clock.now(), revision: revision + 1 })
      .where("id", "=", actor.userId)
      .execute();
    await endSessions(dependencies, transaction, { userId: actor.userId, except: sessionId });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.password",
      subject: { kind: "user", id: actor.userId },
    });
  });
}

/** @throws AppError as {@link requireOwnPassword}, `ERR_NAME_TAKEN`. */
export async function changeName(
  dependencies: UserDependencies,
  actor: SessionActor,
  { name, password }: NameChange,
): Promise<void> {
  const { database, audit } = dependencies;
  await requireOwnPassword(dependencies, actor, password, "user.name");
  await database.transaction(async (transaction) => {
    const user = await findUser(transaction, actor.userId);
    if (user.name === name) return;
    await refuseTaken(transaction, name);
    await transaction
      .updateTable("users")
      .set({ name, revision: user.revision + 1 })
      .where("id", "=", user.id)
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.name",
      subject: { kind: "user", id: user.id },
      details: { name, before: user.name },
    });
  });
}

/** Somebody who has signed in, not a program with a token. */
export interface SessionActor extends Actor {
  readonly sessionId: string;
}

/** @throws AppError `ERR_FORBIDDEN` for an API token. */
export function inSession(actor: Actor | undefined): SessionActor {
  const { sessionId, ...rest } = signedIn(actor);
  if (sessionId !== undefined) return { ...rest, sessionId };
  throw new AppError("ERR_FORBIDDEN", "An API token cannot do this.", {
    remedy: "Sign in with name and password.",
  });
}
