/**
 * The sessions of a person, and their end.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { SessionItem } from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import type { Actor } from "../http/route.ts";
import type { UserDependencies } from "./dependencies.ts";
import { endSessions, SESSION_IDLE_MS } from "./sessions.ts";
import { findUser } from "./user-rows.ts";

/** Those that are alive, the last used first. @throws AppError `ERR_NOT_FOUND`. */
export async function listSessions(
  { database: { db }, clock }: Pick<UserDependencies, "database" | "clock">,
  userId: string,
  current: string | undefined,
): Promise<SessionItem[]> {
  await findUser(db, userId);
  const now = clock.now();
  const rows = await db
    .selectFrom("sessions")
    .selectAll()
    .where("user_id", "=", userId)
    .where("expires_at", ">", now)
    .where("used_at", ">", now - SESSION_IDLE_MS)
    .orderBy("used_at", "desc")
    .orderBy("id")
    .execute();
  return rows.map((row) => ({
    id: row.id,
    current: row.id === current,
    method: row.method,
    createdAt: row.created_at,
    usedAt: row.used_at,
    expiresAt: Math.min(row.expires_at, row.used_at + SESSION_IDLE_MS),
    address: row.address,
    userAgent: row.user_agent,
  }));
}

/** Of oneself, or by an administrator. @throws AppError `ERR_NOT_FOUND`, also for sessions of others. */
export async function endSession(
  dependencies: UserDependencies,
  actor: Actor,
  userId: string,
  id: string,
): Promise<void> {
  const { database, audit } = dependencies;
  await database.transaction(async (transaction) => {
    if ((await endSessions(dependencies, transaction, { userId, id })) === 0) {
      throw new AppError("ERR_NOT_FOUND", "There is no such session any more.", { subject: id });
    }
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "session.end",
      subject: { kind: "user", id: userId },
      details: { session: id, count: 1 },
    });
  });
}

/** All of a person, but the one with which the actor asks. */
export async function endAllSessions(
  dependencies: UserDependencies,
  actor: Actor,
  userId: string,
): Promise<void> {
  const { database, audit } = dependencies;
  await database.transaction(async (transaction) => {
    await findUser(transaction, userId);
    const count = await endSessions(dependencies, transaction, { userId, except: actor.sessionId });
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "session.end",
      subject: { kind: "user", id: userId },
      details: { count },
    });
  });
}
