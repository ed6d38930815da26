/**
 * Passkeys: made by who is signed in, and then in place of name, password and code, since an authenticator is something that
 * one has and that verifies its user itself.
 *
 * @module
 */
import { COSE_ALGORITHMS } from "@holdfast/crypto";
import { AppError, newId } from "@holdfast/kernel";
import type {
  NewPasskey,
  PasskeyCreationOptions,
  PasskeyRequestOptions,
  PasskeySignIn,
  PasskeyView,
  SessionView,
} from "@holdfast/protocol";
import { userActor } from "../audit/audit.ts";
import type { Db, Transaction } from "../database/database.ts";
import { notListed } from "../resources.ts";
import { beginAttempt } from "./attempts.ts";
import type { UserDependencies } from "./dependencies.ts";
import type { SessionActor } from "./sign-in.ts";
import { openSession, recordRefusal, signInFailed } from "./session-start.ts";
import type { Visitor } from "./sessions.ts";
import { newToken, tokenHash } from "./tokens.ts";
import { findUser } from "./user-rows.ts";
import { keepAWayIn } from "./ways-in.ts";
import { challengeOf, checkAssertion, checkRegistration, relyingPartyOf } from "./webauthn.ts";

const CHALLENGE_MS = 5 * 60_000;
const PASSKEYS_MAX = 20;
const NAME = "Holdfast";

/** Who asks for what, so that a challenge serves nothing else. */
type Purpose = { readonly make: string } | "sign-in";

async function newChallenge(
  { database, clock, randomness }: UserDependencies,
  purpose: Purpose,
): Promise<string> {
  const challenge = newToken(randomness);
  const now = clock.now();
  await database.transaction(async (transaction) => {
    await transaction
      .deleteFrom("one_time_tokens")
      .where("purpose", "=", "passkey")
      .where("expires_at", "<", now)
      .execute();
    await transaction
      .insertInto("one_time_tokens")
      .values({
        hash: tokenHash(challenge),
        purpose: "passkey",
        created_at: now,
        created_by: purpose === "sign-in" ? "" : purpose.make,
        expires_at: now + CHALLENGE_MS,
        used_at: null,
        details: "{}",
      })
      .execute();
  });
  return challenge;
}

/** Takes the challenge out of use, whatever comes of it. @throws AppError `ERR_CONFIRMATION`. */
async function useChallenge(
  { database: { db }, clock }: UserDependencies,
  clientDataJson: Buffer,
  purpose: Purpose,
): Promise<string> {
  const challenge = challengeOf(clientDataJson);
  const { numDeletedRows } = await db
    .deleteFrom("one_time_tokens")
    .where("hash", "=", tokenHash(challenge))
    .where("purpose", "=", "passkey")
    .where("created_by", "=", purpose === "sign-in" ? "" : purpose.make)
    .where("expires_at", ">", clock.now())
    .executeTakeFirstOrThrow();
  if (numDeletedRows === 1n) return challenge;
  throw new AppError("ERR_CONFIRMATION", "This took too long, or was done already.", {
    remedy: "Try again.",
  });
}

export async function passkeyCreationOptions(
  dependencies: UserDependencies,
  { userId, name }: SessionActor,
  host: string,
): Promise<PasskeyCreationOptions> {
  const rows = await dependencies.database.db
    .selectFrom("passkeys")
    .select("credential_id")
    .where("user_id", "=", userId)
    .execute();
  return {
    challenge: await newChallenge(dependencies, { make: userId }),
    rp: { id: relyingPartyOf(host), name: NAME },
    user: { id: Buffer.from(userId, "utf8").toString("base64url"), name, displayName: name },
    pubKeyCredParams: COSE_ALGORITHMS.map((alg) => ({ type: "public-key", alg })),
    excludeCredentials: rows.map(({ credential_id: id }) => ({ type: "public-key", id })),
    authenticatorSelection: { residentKey: "required", userVerification: "required" },
    attestation: "none",
    timeout: CHALLENGE_MS,
  };
}

/** @throws AppError `ERR_CONFIRMATION`, `ERR_INPUT`, `ERR_NAME_TAKEN` when this authenticator is there already. */
export async function createPasskey(
  dependencies: UserDependencies,
  actor: SessionActor,
  { name, ...given }: NewPasskey,
  host: string,
): Promise<PasskeyView> {
  const { database, clock, randomness, audit } = dependencies;
  const clientDataJson = Buffer.from(given.clientDataJSON, "base64url");
  const attestationObject = Buffer.from(given.attestationObject, "base64url");
  const challenge = await useChallenge(dependencies, clientDataJson, { make: actor.userId });
  const made = checkRegistration({ clientDataJson, attestationObject }, { host, challenge });
  const id = newId("pk", clock, randomness);
  const row = { id, name, created_at: clock.now(), used_at: null };
  await database.transaction(async (transaction) => {
    if ((await listPasskeys(transaction, actor.userId)).length >= PASSKEYS_MAX) {
      throw new AppError("ERR_IN_USE", "There are many passkeys already.", { remedy: "Delete some." });
    }
    await transaction
      .insertInto("passkeys")
      .values({
        ...row,
        user_id: actor.userId,
        credential_id: made.credentialId.toString("base64url"),
        public_key: made.publicKey,
        counter: made.counter,
      })
      .execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.passkey",
      subject: { kind: "user", id: actor.userId },
      details: { name },
    });
  });
  return { id, name, createdAt: row.created_at, usedAt: null };
}

export async function listPasskeys(db: Db, userId: string): Promise<PasskeyView[]> {
  const rows = await db
    .selectFrom("passkeys")
    .select(["id", "name", "created_at", "used_at"])
    .where("user_id", "=", userId)
    .orderBy("id")
    .execute();
  return rows.map(({ id, name, created_at, used_at }) => ({
    id,
    name,
    createdAt: created_at,
    usedAt: used_at,
  }));
}

/** @throws AppError `ERR_NOT_FOUND`, also for passkeys of others; `ERR_IN_USE` for the only way to sign in. */
export async function deletePasskey(
  { database, audit }: UserDependencies,
  actor: SessionActor,
  id: string,
): Promise<void> {
  await database.transaction(async (transaction) => {
    const { numDeletedRows } = await transaction
      .deleteFrom("passkeys")
      .where("id", "=", id)
      .where("user_id", "=", actor.userId)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) throw notListed("passkey", id);
    await keepAWayIn(transaction, actor.userId);
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "user.passkey-removed",
      subject: { kind: "user", id: actor.userId },
    });
  });
}

export async function passkeyRequestOptions(
  dependencies: UserDependencies,
  host: string,
): Promise<PasskeyRequestOptions> {
  return {
    challenge: await newChallenge(dependencies, "sign-in"),
    rpId: relyingPartyOf(host),
    userVerification: "required",
    timeout: CHALLENGE_MS,
  };
}

/** @throws AppError `ERR_SIGN_IN_FAILED`, `ERR_CONFIRMATION`, `ERR_TOO_MANY_ATTEMPTS`. */
export async function signInByPasskey(
  dependencies: UserDependencies,
  { credentialId, ...given }: PasskeySignIn,
  visitor: Visitor,
  host: string,
): Promise<{ readonly token: string; readonly session: SessionView }> {
  const { database } = dependencies;
  // By address alone: there is no name that somebody could be locked out by.
  const attempt = await beginAttempt(dependencies, "", visitor.address, true);
  const clientDataJson = Buffer.from(given.clientDataJSON, "base64url");
  const challenge = await useChallenge(dependencies, clientDataJson, "sign-in");
  const proof = {
    clientDataJson,
    authenticatorData: Buffer.from(given.authenticatorData, "base64url"),
    signature: Buffer.from(given.signature, "base64url"),
  };
  const userId = await database.transaction((transaction) =>
    checkPasskey(dependencies, transaction, credentialId, (row) =>
      checkAssertion(proof, row, { host, challenge }),
    ),
  );
  const user = userId === undefined ? undefined : await findUser(database.db, userId);
  if (user === undefined || user.disabled === 1) {
    await recordRefusal(dependencies, user, visitor);
    throw signInFailed();
  }
  await attempt.succeeded();
  return openSession(dependencies, user, visitor, { method: "passkey" });
}

async function checkPasskey(
  { clock }: UserDependencies,
  transaction: Transaction,
  credentialId: string,
  check: (row: { readonly publicKey: Buffer; readonly counter: number }) => number,
): Promise<string | undefined> {
  const row = await transaction
    .selectFrom("passkeys")
    .selectAll()
    .where("credential_id", "=", credentialId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const counter = check({ publicKey: row.public_key, counter: row.counter });
  await transaction
    .updateTable("passkeys")
    .set({ counter, used_at: clock.now() })
    .where("id", "=", row.id)
    .execute();
  return row.user_id;
}
