/**
 * The first administrator, made with the link that `holdfast serve` prints as long as there is none.
 *
 * @module
 */
import { AppError, newId } from "@holdfast/kernel";
import type { SetupRequest } from "@holdfast/protocol";
import type { Transaction } from "../database/database.ts";
import { beginAttempt } from "./attempts.ts";
import type { UserDependencies } from "./dependencies.ts";
import { checkPassword } from "./password-rules.ts";
import { startSession, type Visitor } from "./sessions.ts";
import { newToken, tokenHash } from "./tokens.ts";
import { hasAdministrator } from "./ways-in.ts";
import { insertUser } from "./users.ts";

const SETUP_TOKEN_MS = 24 * 60 * 60_000;

/** A token for the link, or undefined when there is an administrator. */
export async function createSetupToken({
  database,
  clock,
  randomness,
}: Pick<UserDependencies, "database" | "clock" | "randomness">): Promise<string | undefined> {
  const token = newToken(randomness);
  const now = clock.now();
  return database.transaction(async (transaction) => {
    if (await hasAdministrator(transaction)) return undefined;
    await transaction
      .deleteFrom("one_time_tokens")
      .where("purpose", "=", "setup")
      .where("expires_at", "<", now)
      .execute();
    await transaction
      .insertInto("one_time_tokens")
      .values({
        hash: tokenHash(token),
        purpose: "setup",
        created_at: now,
        created_by: "",
        expires_at: now + SETUP_TOKEN_MS,
        used_at: null,
        details: "{}",
      })
      .execute();
    return token;
  });
}

/**
 * Makes the first administrator and signs in as that; returns the user's id and the token of the session.
 *
 * @throws AppError `ERR_SETUP` when there is an administrator or the token is not valid, `ERR_PASSWORD_WEAK`,
 * `ERR_TOO_MANY_ATTEMPTS`.
 */
export async function setUp(
  dependencies: UserDependencies,
  { token, name, password }: SetupRequest,
  visitor: Visitor,
): Promise<{ readonly userId: string; readonly token: string }> {
  const { database, clock, randomness, passwords, audit } = dependencies;
  const attempt = await beginAttempt(dependencies, "", visitor.address, true);
  const hash = tokenHash(token);
  await checkSetup(dependencies, database.db, hash);
  await attempt.succeeded();
  checkPassword(name, password);
  const passwordHash = await passwords.hash(password);
  const userId = newId("user", clock, randomness);
  return database.transaction(async (transaction) => {
    await checkSetup(dependencies, transaction, hash);
    await useToken(transaction, hash, clock.now());
    await insertUser(dependencies, transaction, { id: userId, name, role: "administrator", passwordHash });
    await audit.append(transaction, {
      actor: { kind: "user", id: userId },
      action: "service.setup",
      subject: { kind: "user", id: userId },
      details: { name, address: visitor.address },
    });
    return { userId, token: await startSession(dependencies, transaction, userId, visitor, "set-up") };
  });
}

async function checkSetup(
  { clock }: UserDependencies,
  db: Transaction | UserDependencies["database"]["db"],
  hash: string,
): Promise<void> {
  const row = await db
    .selectFrom("one_time_tokens")
    .select("hash")
    .where("hash", "=", hash)
    .where("purpose", "=", "setup")
    .where("used_at", "is", null)
    .where("expires_at", ">", clock.now())
    .executeTakeFirst();
  if (row !== undefined && !(await hasAdministrator(db))) return;
  throw new AppError("ERR_SETUP", "This link is not, or no longer, valid.", {
    remedy: "Restart the service for a new link; if there is an administrator, sign in.",
  });
}

async function useToken(transaction: Transaction, hash: string, now: number): Promise<void> {
  await transaction.updateTable("one_time_tokens").set({ used_at: now }).where("hash", "=", hash).execute();
}
