/**
 * Before what is worth more than a session: the person is asked again, by the own password, or, without one, by a fresh
 * sign-in at the provider of single sign-on. The one place for this, and for the limit of its attempts.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import { RetryLaterError } from "../http/problems.ts";
import type { Actor } from "../http/route.ts";
import type { UserDependencies } from "./dependencies.ts";
import { findUser, passwordOf } from "./user-rows.ts";

const ATTEMPTS_MAX = 5;
const WINDOW_MS = 15 * 60_000;
/** A fresh sign-in at the provider serves so long, and once. */
const FRESH_MS = 5 * 60_000;

interface AttemptDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/**
 * @param password empty or undefined of somebody who has none: then a fresh sign-in of this session is used up.
 * @param what for the audit log: what the person is asked for, such as `secret.reveal`.
 * @throws AppError `ERR_PASSWORD_WRONG`, `ERR_FRESH_SIGN_IN_NEEDED`, `ERR_TOO_MANY_ATTEMPTS` after five wrong ones, until 15
 * minutes after the last.
 */
export async function requireOwnPassword(
  dependencies: AttemptDependencies & Pick<UserDependencies, "passwords">,
  actor: Actor,
  password: string | undefined,
  what: string,
): Promise<void> {
  const { database, passwords } = dependencies;
  const phc = passwordOf(await findUser(database.db, actor.userId));
  if (phc === undefined) return useFreshSignIn(dependencies, actor);
  await withinAttempts(dependencies, actor, what, () => passwords.verify(password ?? "", phc));
}

/** @throws AppError as {@link requireOwnPassword}, when `check` says that it was wrong. */
export async function withinAttempts(
  dependencies: AttemptDependencies,
  actor: Actor,
  what: string,
  check: () => Promise<boolean>,
): Promise<void> {
  const { database, audit } = dependencies;
  // By user alone: a session that somebody else has taken must not be of use for guessing, nor lock the sign-in.
  const subject = `password:${actor.userId}`;
  await countAttempt(dependencies, subject);
  if (await check()) {
    await database.db.deleteFrom("sign_in_failures").where("subject", "=", subject).execute();
    return;
  }
  await database.transaction((transaction) =>
    audit.append(transaction, {
      actor: userActor(actor),
      action: "user.password-refused",
      subject: { kind: "user", id: actor.userId },
      details: { for: what },
    }),
  );
  throw new AppError("ERR_PASSWORD_WRONG", "This is not your password.", {
    remedy: "Type the password that you sign in with.",
  });
}

/** Before the answer is known, so that many attempts at once do not slip through. */
async function countAttempt({ database, clock }: AttemptDependencies, subject: string): Promise<void> {
  const now = clock.now();
  await database.transaction(async (transaction) => {
    const row = await transaction
      .selectFrom("sign_in_failures")
      .selectAll()
      .where("subject", "=", subject)
      .executeTakeFirst();
    const recent = row !== undefined && now - row.last_at < WINDOW_MS ? row.count : 0;
    if (recent >= ATTEMPTS_MAX) {
      const wait = WINDOW_MS - (now - (row?.last_at ?? now));
      throw new RetryLaterError("ERR_TOO_MANY_ATTEMPTS", "Your password was wrong too often.", wait);
    }
    const counted = { count: recent + 1, last_at: now };
    await transaction
      .insertInto("sign_in_failures")
      .values({ subject, ...counted })
      .onConflict((conflict) => conflict.column("subject").doUpdateSet(counted))
      .execute();
  });
}

async function useFreshSignIn({ database, clock }: AttemptDependencies, actor: Actor): Promise<void> {
  const { numUpdatedRows } = await database.db
    .updateTable("sessions")
    .set({ confirmed_at: null })
    .where("id", "=", actor.sessionId ?? "")
    .where("user_id", "=", actor.userId)
    .where("confirmed_at", ">", clock.now() - FRESH_MS)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 1n) return;
  throw new AppError(
    "ERR_FRESH_SIGN_IN_NEEDED",
    "You have no password here: sign in at your provider again.",
    {
      remedy:
        "Begin with `POST /session/confirmation`; what you asked for can be repeated within five minutes.",
    },
  );
}
