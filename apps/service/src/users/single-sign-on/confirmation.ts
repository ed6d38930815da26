/**
 * Who has no password proves it otherwise, where others type theirs: by signing in at the provider again, which the ID token's
 * `auth_time` shows. It serves once, within five minutes (see `own-password.ts`).
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Db } from "../../database/database.ts";
import type { SessionActor } from "../sign-in.ts";
import { findUser, passwordOf } from "../user-rows.ts";
import type { Flow } from "./flows.ts";
import { findEnabledProvider } from "./provider-rows.ts";

/** @throws AppError `ERR_USAGE` for who has a password, `ERR_NOT_FOUND` without a linked account at the provider. */
export async function startConfirmation(
  db: Db,
  { userId, sessionId }: SessionActor,
  providerId: string | undefined,
  host: string,
): Promise<Flow> {
  if (passwordOf(await findUser(db, userId)) !== undefined) {
    throw new AppError("ERR_USAGE", "You have a password here.", {
      remedy: "Send it where it is asked for.",
    });
  }
  const [linked, ...others] = await db
    .selectFrom("identities")
    .innerJoin("identity_providers", "identity_providers.id", "identities.provider_id")
    .select("provider_id")
    .where("user_id", "=", userId)
    .where("enabled", "=", 1)
    .$if(providerId !== undefined, (query) => query.where("provider_id", "=", providerId ?? ""))
    .execute();
  if (linked === undefined) {
    throw new AppError("ERR_NOT_FOUND", "You have no account at such a provider linked.", {
      remedy: "Ask an administrator for an invitation, with which you choose a password.",
    });
  }
  if (others.length > 0) {
    throw new AppError("ERR_USAGE", "You have accounts at several providers linked.", {
      subject: "provider",
      remedy: "Name one as `provider`.",
    });
  }
  return { provider: await findEnabledProvider(db, linked.provider_id), purpose: "confirm", sessionId, host };
}
