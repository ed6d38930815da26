/**
 * The second factor: one-time codes of an authenticator app (RFC 6238), whose secret the vault keeps.
 *
 * @module
 */
import { encodeTotpSecret, secretBuffer, TOTP_SECRET_BYTES, totpStepOf } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import { userActor } from "../audit/audit.ts";
import type { Transaction } from "../database/database.ts";
import type { ValueName } from "../secrets/vault.ts";
import type { Actor } from "../http/route.ts";
import { beginAttempt } from "./attempts.ts";
import type { UserDependencies } from "./dependencies.ts";
import { nextFactorVersion, provenFactorVersion } from "./second-factor-head.ts";
import { findUser, type UserRow } from "./user-rows.ts";

const ISSUER = "Holdfast";

const nameOf = (id: string, version: number): ValueName => ({ kind: "totp", id, version, field: "value" });

/** A new secret, which {@link confirmSecondFactor} has to prove that the app has before it counts. */
export async function prepareSecondFactor(
  { database, vault, clock, randomness }: UserDependencies,
  { userId, name }: Actor,
): Promise<{ readonly secret: string; readonly uri: string }> {
  const bytes = randomness(secretBuffer(TOTP_SECRET_BYTES));
  try {
    await database.transaction(async (transaction) => {
      const user = await findUser(transaction, userId);
      if (user.totp_version !== null) throw alreadyThere();
      await removeSecondFactorValues(transaction, userId);
      const version = nextFactorVersion(clock, user);
      await vault.put(transaction, nameOf(userId, version), bytes);
      await transaction
        .updateTable("users")
        .set({ totp_pending_version: version })
        .where("id", "=", userId)
        .execute();
    });
    const secret = encodeTotpSecret(bytes);
    const label = `${ISSUER}:${encodeURIComponent(name)}`;
    return { secret, uri: `otpauth://totp/${label}?secret=${secret}&issuer=${ISSUER}` };
  } finally {
    bytes.fill(0);
  }
}

/** @throws AppError `ERR_CONFIRMATION` for a wrong code, `ERR_NOT_FOUND` when none was prepared. */
export async function confirmSecondFactor(
  { database, audit, clock, vault }: UserDependencies,
  actor: Actor,
  code: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const user = await findUser(transaction, actor.userId);
    const version = user.totp_pending_version;
    if (user.totp_version !== null) throw alreadyThere();
    if (version === null) {
      throw new AppError("ERR_NOT_FOUND", "No second factor was prepared.", { remedy: "Begin anew." });
    }
    using secret = await vault.get(transaction, nameOf(user.id, version));
    const step = totpStepOf(secret.bytes, code, clock.now(), 0);
    if (step === undefined) {
      throw new AppError("ERR_CONFIRMATION", "This is not the code that the app should show.", {
        remedy: "Type the present code; check that the clock of the phone is right.",
      });
    }
    await transaction
      .updateTable("users")
      .set({
        totp_version: version,
        totp_pending_version: null,
        totp_head_box: vault.sealHead("totp", user.id, version),
        totp_last_step: step,
        revision: user.revision + 1,
      })
      .where("id", "=", user.id)
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.second-factor",
      subject: { kind: "user", id: user.id },
    });
  });
}

/** Of oneself, or by an administrator for somebody who has lost the app. */
export async function removeSecondFactor(
  { database, audit }: UserDependencies,
  actor: Actor,
  userId: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const user = await findUser(transaction, userId);
    await removeSecondFactorValues(transaction, userId);
    await transaction
      .updateTable("users")
      .set({
        totp_version: null,
        totp_pending_version: null,
        totp_head_box: null,
        revision: user.revision + 1,
      })
      .where("id", "=", userId)
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.second-factor-removed",
      subject: { kind: "user", id: userId },
    });
  });
}

export async function removeSecondFactorValues(transaction: Transaction, userId: string): Promise<void> {
  await transaction
    .deleteFrom("vault_values")
    .where("object_kind", "=", "totp")
    .where("object_id", "=", userId)
    .execute();
}

/** Whether this code of the user is right; a right one is used up. */
export async function useCode(
  { database, vault, clock }: UserDependencies,
  { id }: UserRow,
  code: string,
): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const user = await findUser(transaction, id);
    const version = await provenFactorVersion(transaction, vault, user);
    const { totp_last_step: last } = user;
    if (version === null) return false;
    using secret = await vault.get(transaction, nameOf(id, version));
    const step = totpStepOf(secret.bytes, code.replaceAll(" ", ""), clock.now(), last);
    if (step === undefined) return false;
    await transaction.updateTable("users").set({ totp_last_step: step }).where("id", "=", id).execute();
    return true;
  });
}

/** Counted like a failed attempt, should it be repeated. @throws AppError `ERR_TOO_MANY_ATTEMPTS`. */
export async function confirmWithinLimits(
  dependencies: UserDependencies,
  actor: Actor,
  code: string,
): Promise<void> {
  const attempt = await beginAttempt(dependencies, actor.name, actor.address, false);
  await confirmSecondFactor(dependencies, actor, code);
  await attempt.succeeded();
}

function alreadyThere(): AppError {
  return new AppError("ERR_NAME_TAKEN", "There is a second factor already.", { remedy: "Remove it first." });
}
