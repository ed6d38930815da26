/**
 * The two ways in which somebody learns of a value: seeing it, and asking whether it is what one remembers.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import type { RevealRequest } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database } from "../database/database.ts";
import { RetryLaterError } from "../http/problems.ts";
import type { Actor } from "../http/route.ts";
import { type AttemptLimit, countAttempts } from "./attempts.ts";
import type { OwnPasswordDependencies } from "./own-password.ts";
import { findSecret } from "./secret-rows.ts";
import { openCurrentValue, provenVersion, sameValue, secretText, VALUE_FIELD } from "./secret-values.ts";
import type { Vault } from "./vault.ts";

const CHECK_LIMIT: AttemptLimit = { count: 10, windowMs: 60 * 60_000 };

/**
 * The row of the audit log is stored before the value leaves.
 *
 * @throws AppError `ERR_NOT_FOUND`, `ERR_PASSWORD_WRONG`, `ERR_TOO_MANY_ATTEMPTS`, `ERR_VAULT_DAMAGED`.
 */
export async function revealSecret(
  dependencies: OwnPasswordDependencies & { readonly vault: Vault },
  actor: Actor,
  id: string,
  request: RevealRequest,
): Promise<{ value: string; version: number }> {
  const { database, vault, audit } = dependencies;
  const row = await findSecret(database.db, id);
  const version = request.version ?? row.current_version;
  if (version > row.current_version) {
    throw new AppError("ERR_NOT_FOUND", `There is no version ${String(version)} of it.`, { subject: id });
  }
  await dependencies.requireOwnPassword(actor, request.password, "secret.reveal");
  await database.transaction((transaction) =>
    audit.append(transaction, {
      actor: userActor(actor),
      action: "secret.reveal",
      subject: { kind: row.kind, id },
      details: { name: row.name, version, reason: request.reason },
    }),
  );
  if (request.version === undefined) await provenVersion(database.db, vault, row);
  using value = await vault.get(database.db, { kind: row.kind, id, version, field: VALUE_FIELD });
  return { value: Buffer.from(value.bytes).toString("utf8"), version };
}

/**
 * "Do I still know it?": yes or no, ten times an hour.
 *
 * @throws AppError `ERR_NOT_FOUND`, `ERR_TOO_MANY_ATTEMPTS`, `ERR_VAULT_DAMAGED`.
 */
export async function checkSecret(
  { database, vault, audit, clock }: CheckDependencies,
  actor: Actor,
  id: string,
  typed: string,
): Promise<{ matches: boolean }> {
  const row = await findSecret(database.db, id);
  using known = await openCurrentValue(database.db, vault, row);
  using given = secretText(typed);
  const matches = sameValue(known, given);
  const about = { actor: userActor(actor), action: "secret.check", subject: { kind: row.kind, id } };
  // Counted and stored in one transaction: attempts at once do not slip through.
  await database.transaction(async (transaction) => {
    if ((await countAttempts(transaction, about, CHECK_LIMIT, clock.now())) >= CHECK_LIMIT.count) {
      throw new RetryLaterError(
        "ERR_TOO_MANY_ATTEMPTS",
        "This secret was asked for too often.",
        CHECK_LIMIT.windowMs,
      );
    }
    await audit.append(transaction, { ...about, details: { name: row.name, matches } });
  });
  return { matches };
}

interface CheckDependencies {
  readonly database: Database;
  readonly vault: Vault;
  readonly audit: AuditLog;
  readonly clock: Clock;
}
