/**
 * API tokens: a random token of which the database has the SHA-256, with scopes that can only take rights away.
 *
 * @module
 */
import { AppError, newId } from "@holdfast/kernel";
import { type ApiTokenView, type CreatedApiToken, type NewApiToken, right } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import { z } from "zod";
import { userActor } from "../audit/audit.ts";
import type { Db } from "../database/database.ts";
import type { ApiTokensTable } from "../database/tables.ts";
import type { Actor } from "../http/route.ts";
import { notListed } from "../resources.ts";
import type { UserDependencies } from "./dependencies.ts";
import { newToken, tokenHash } from "./tokens.ts";
import { rightsOf } from "./user-rows.ts";

/** Makes tokens easy to find where they should not be, such as in source code. */
const PREFIX = "holdfast_";
const TOKENS_MAX = 50;
const USED_STEP_MS = 60_000;

const scopesText = z.array(z.string());

function scopesOf({ scopes }: Pick<ApiTokensTable, "scopes">): ApiTokenView["scopes"] {
  // A right that a later version took away is none.
  return scopesText.parse(JSON.parse(scopes)).flatMap((scope) => right.safeParse(scope).data ?? []);
}

function show(row: Selectable<ApiTokensTable>): ApiTokenView {
  return {
    id: row.id,
    name: row.name,
    scopes: scopesOf(row),
    createdAt: row.created_at,
    usedAt: row.used_at,
    expiresAt: row.expires_at,
  };
}

/** Of one user, the newest first. */
export async function listApiTokens(db: Db, userId: string): Promise<ApiTokenView[]> {
  const rows = await db
    .selectFrom("api_tokens")
    .selectAll()
    .where("user_id", "=", userId)
    .orderBy("id", "desc")
    .execute();
  return rows.map(show);
}

/** @throws AppError `ERR_FORBIDDEN` for a scope that the person has no right to, `ERR_USAGE`. */
export async function createApiToken(
  { database, audit, clock, randomness }: UserDependencies,
  actor: Actor,
  { name, scopes, expiresAt }: NewApiToken,
): Promise<CreatedApiToken> {
  const missing = scopes.find((scope) => !actor.rights.has(scope));
  if (missing !== undefined) {
    throw new AppError("ERR_FORBIDDEN", `A token cannot have the right ${missing}, which you do not have.`, {
      subject: missing,
    });
  }
  const now = clock.now();
  if (expiresAt !== null && expiresAt <= now) {
    throw new AppError("ERR_USAGE", "The token would have ended already.", { subject: "expiresAt" });
  }
  const token = `${PREFIX}${newToken(randomness)}`;
  const id = newId("tok", clock, randomness);
  return database.transaction(async (transaction) => {
    if ((await listApiTokens(transaction, actor.userId)).length >= TOKENS_MAX) throw tooMany();
    const row = {
      id,
      hash: tokenHash(token),
      user_id: actor.userId,
      name,
      scopes: JSON.stringify([...new Set(scopes)].toSorted()),
      created_at: now,
      used_at: null,
      expires_at: expiresAt,
    };
    await transaction.insertInto("api_tokens").values(row).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "token.create",
      subject: { kind: "token", id },
      details: { name, scopes, expiresAt },
    });
    return { ...show(row), token };
  });
}

/** @throws AppError `ERR_NOT_FOUND`, also for tokens of others. */
export async function deleteApiToken(
  { database, audit }: UserDependencies,
  actor: Actor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const { numDeletedRows } = await transaction
      .deleteFrom("api_tokens")
      .where("id", "=", id)
      .where("user_id", "=", actor.userId)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) throw notListed("token", id);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "token.delete",
      subject: { kind: "token", id },
    });
  });
}

/** Undefined when there is no such token, it has ended, or its user is disabled. */
export async function actorOfToken(
  { database: { db }, clock }: Pick<UserDependencies, "database" | "clock">,
  token: string,
  address: string,
): Promise<Actor | undefined> {
  const now = clock.now();
  const row = await db
    .selectFrom("api_tokens")
    .innerJoin("users", "users.id", "api_tokens.user_id")
    .select(["users.id as userId", "users.name", "users.role"])
    .select(["api_tokens.id", "api_tokens.scopes", "api_tokens.used_at"])
    .where("api_tokens.hash", "=", tokenHash(token))
    .where("users.disabled", "=", 0)
    .where((eb) => eb.or([eb("api_tokens.expires_at", "is", null), eb("api_tokens.expires_at", ">", now)]))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (row.used_at === null || row.used_at <= now - USED_STEP_MS) {
    await db.updateTable("api_tokens").set({ used_at: now }).where("id", "=", row.id).execute();
  }
  const { userId, name, role } = row;
  const own = await rightsOf(db, { id: userId, role });
  const rights = new Set(scopesOf(row).filter((scope) => own.has(scope)));
  return { userId, name, role, rights, sessionId: undefined, address };
}

function tooMany(): AppError {
  return new AppError("ERR_IN_USE", `There are ${String(TOKENS_MAX)} tokens already.`, {
    remedy: "Delete those that nothing uses any more.",
  });
}
