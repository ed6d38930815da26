/**
 * Sessions: a random token in a cookie, of which the database has the SHA-256.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import type { SessionView } from "@holdfast/protocol";
import type { Database, Db, Transaction } from "../database/database.ts";
import type { SignInMethod } from "../database/tables.ts";
import { networkOf } from "../http/rate-limit.ts";
import type { Actor } from "../http/route.ts";
import type { UserDependencies } from "./dependencies.ts";
import { newToken, tokenHash } from "./tokens.ts";
import { rightsOf, type UserRow } from "./user-rows.ts";

export const SESSION_MS = 12 * 60 * 60_000;
export const SESSION_IDLE_MS = 60 * 60_000;
/** `used_at` is that exact: not every request writes. */
const USED_STEP_MS = 60_000;
/** Ended sessions tell so long from where somebody signs in. */
const REMEMBERED_MS = 30 * 24 * 60 * 60_000;

export interface Visitor {
  readonly address: string;
  readonly userAgent: string;
}

/** Returns the token. */
export async function startSession(
  { clock, randomness }: Pick<UserDependencies, "clock" | "randomness">,
  transaction: Transaction,
  userId: string,
  { address, userAgent }: Visitor,
  method: SignInMethod = "password",
): Promise<string> {
  const token = newToken(randomness);
  const now = clock.now();
  await transaction
    .deleteFrom("sessions")
    .where("expires_at", "<", now - REMEMBERED_MS)
    .execute();
  await transaction
    .insertInto("sessions")
    .values({
      id: tokenHash(token),
      user_id: userId,
      created_at: now,
      used_at: now,
      expires_at: now + SESSION_MS,
      address: networkOf(address),
      user_agent: userAgent,
      method,
    })
    .execute();
  await transaction.updateTable("users").set({ last_sign_in_at: now }).where("id", "=", userId).execute();
  return token;
}

/** Undefined when there is no such session, it has ended, or its user is disabled. */
export async function actorOfSession(
  { database, clock }: { readonly database: Database; readonly clock: Clock },
  token: string,
  address: string,
  used: boolean,
): Promise<Actor | undefined> {
  const { db } = database;
  const id = tokenHash(token);
  const now = clock.now();
  const row = await db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .select(["users.id as userId", "users.name", "users.role", "sessions.used_at"])
    .where("sessions.id", "=", id)
    .where("sessions.expires_at", ">", now)
    .where("sessions.used_at", ">", now - SESSION_IDLE_MS)
    .where("users.disabled", "=", 0)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (used && row.used_at <= now - USED_STEP_MS) {
    await db.updateTable("sessions").set({ used_at: now }).where("id", "=", id).execute();
  }
  const { userId, name, role } = row;
  return { userId, name, role, rights: await rightsOf(db, { id: userId, role }), sessionId: id, address };
}

/** Undefined when there is no such session, it has ended, or its user is disabled. */
export async function userOfSession(db: Db, id: string, now: number): Promise<UserRow | undefined> {
  return db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .selectAll("users")
    .where("sessions.id", "=", id)
    .where("sessions.expires_at", ">", now)
    .where("sessions.used_at", ">", now - SESSION_IDLE_MS)
    .where("users.disabled", "=", 0)
    .executeTakeFirst();
}

/** Ends one session of a user, or all but `except`; returns how many. The rows stay for a while: see {@link wasHereLately}. */
export async function endSessions(
  { clock }: { readonly clock: Clock },
  transaction: Transaction,
  {
    userId,
    id,
    except,
  }: { readonly userId: string; readonly id?: string; readonly except?: string | undefined },
): Promise<number> {
  const now = clock.now();
  const { numUpdatedRows } = await transaction
    .updateTable("sessions")
    .set({ expires_at: now })
    .where("expires_at", ">", now)
    .where("user_id", "=", userId)
    .where("id", "!=", except ?? "")
    .$if(id !== undefined, (query) => query.where("id", "=", id ?? ""))
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

export async function wasHereLately(db: Db, userId: string, address: string): Promise<boolean> {
  const row = await db
    .selectFrom("sessions")
    .select("id")
    .where("user_id", "=", userId)
    .where("address", "=", networkOf(address))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

export async function showSession(
  db: Db,
  user: Pick<UserRow, "id" | "name" | "role">,
  rights: Actor["rights"],
  sessionId: string | undefined,
): Promise<SessionView> {
  const row =
    sessionId === undefined
      ? undefined
      : await db.selectFrom("sessions").select("expires_at").where("id", "=", sessionId).executeTakeFirst();
  return {
    user: { id: user.id, name: user.name, role: user.role },
    rights: [...rights].toSorted(),
    expiresAt: row?.expires_at ?? null,
  };
}
