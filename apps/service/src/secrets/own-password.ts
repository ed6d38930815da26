/**
 * Before what is worth more than a session: the person's own password, asked again.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import { RetryLaterError } from "../http/problems.ts";
import type { Actor } from "../http/route.ts";

export interface OwnPasswordDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** Whether this is the user's password. */
  readonly checkPassword: (userId: string, password: string) => Promise<boolean>;
}

const ATTEMPTS_MAX = 5;
const WINDOW_MS = 15 * 60_000;

/**
 * @param what for the audit log: what the password was asked for, such as `secret.reveal`.
 * @throws AppError `ERR_PASSWORD_WRONG`, `ERR_TOO_MANY_ATTEMPTS` after five wrong ones, until 15 minutes after the last.
 */
export async function requireOwnPassword(
  dependencies: OwnPasswordDependencies,
  actor: Actor,
  password: string,
  what: string,
): Promise<void> {
  const { database, audit, checkPassword } = dependencies;
  const subject = `password:${actor.userId}`;
  await countAttempt(dependencies, subject);
  if (await checkPassword(actor.userId, password)) {
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
async function countAttempt({ database, clock }: OwnPasswordDependencies, subject: string): Promise<void> {
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
