/**
 * Credentials of a storage for a lease, and the question whether somebody knows them.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { sha256 } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import { type ProposedSecret, proposalValue } from "../secrets/proposed-value.ts";
import { noPassword } from "../secrets/secret-rows.ts";
import { provenVersion } from "../secrets/secret-values.ts";
import type { Vault } from "../secrets/vault.ts";
import type { Exposure } from "../tasks/task-kinds.ts";
import { recipientOf } from "./location.ts";
import { identityOf, type StorageRow, secretsOf } from "./storage-rows.ts";

/** What may lie beside a storage in clear; everything else of its credentials belongs in the Password Manager. */
const IDENTITY: ReadonlySet<string> = new Set(["user", "domain", "accessKeyId", "account", "keyFile"]);

/** @throws AppError `ERR_USAGE` naming the credential, never its value. */
export function checkIdentity(identity: Readonly<Record<string, string>>): void {
  const secret = Object.keys(identity).find((name) => !IDENTITY.has(name));
  if (secret === undefined) return;
  throw new AppError("ERR_USAGE", `The credential ${secret} of a storage is not kept in clear.`, {
    subject: secret,
    remedy: "Add it to the Password Manager, and name it under `secrets`.",
  });
}

export interface LeasedCredentials {
  readonly credentials: Readonly<Record<string, string>>;
  readonly exposures: readonly Exposure[];
}

/**
 * @param proposed a new value that is tested in place of the stored one.
 * @throws AppError `ERR_SECRET_DISABLED`, `ERR_VAULT_DAMAGED`.
 */
export async function credentialsOf(
  db: Db,
  vault: Vault,
  row: StorageRow,
  proposed?: ProposedSecret,
): Promise<LeasedCredentials> {
  const credentials: Record<string, string> = { ...identityOf(row) };
  const exposures: Exposure[] = [];
  for (const [name, secretId] of Object.entries(secretsOf(row))) {
    const version = await currentVersion(db, vault, secretId);
    const named =
      proposed?.secretId === secretId
        ? proposalValue(proposed.proposalId)
        : ({ kind: "password", id: secretId, version, field: "value" } as const);
    using value = await vault.get(db, named);
    // Client libraries of storages take text: see docs/security.md, section 5.
    credentials[name] = Buffer.from(value.bytes).toString("utf8");
    exposures.push({ kind: named.kind, id: named.id, version: named.version });
  }
  return { credentials, exposures };
}

/**
 * Which of these secrets would go to somebody who has not had them, by name of the credential: those that are or were in use, and
 * that no storage of this recipient has. One that nothing has used yet is free to be used.
 */
export async function sentAnew(
  db: Db,
  recipient: string,
  secrets: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const storages = await db.selectFrom("storages").selectAll().execute();
  const anew: Record<string, string> = {};
  for (const [name, id] of Object.entries(secrets)) {
    const users = storages.filter((row) => Object.values(secretsOf(row)).includes(id));
    if (users.some(({ location }) => recipientOf(location) === recipient)) continue;
    const leased = db.selectFrom("secret_exposures").select("id").where("object_id", "=", id).limit(1);
    if (users.length > 0 || (await leased.executeTakeFirst()) !== undefined) anew[name] = id;
  }
  return anew;
}

/**
 * Whether every one of these secrets was typed again, rightly.
 *
 * @param storage its name.
 * @throws AppError `ERR_CONFIRMATION` naming the first credential that was not.
 */
export async function checkConfirmation(
  db: Db,
  vault: Vault,
  storage: string,
  secrets: Readonly<Record<string, string>>,
  confirmation: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, secretId] of Object.entries(secrets)) {
    const version = await currentVersion(db, vault, secretId);
    using value = await vault.get(db, { kind: "password", id: secretId, version, field: "value" });
    const typed = sha256(Buffer.from((confirmation[name] ?? "").normalize("NFC"), "utf8"));
    if (!timingSafeEqual(typed, sha256(value.bytes))) {
      throw new AppError(
        "ERR_CONFIRMATION",
        `The storage ${storage} is at a place that has not had its ${name}.`,
        {
          subject: name,
          remedy: `Type its ${name} again, or choose another secret for it: a stored one is not sent to a new place unasked.`,
        },
      );
    }
  }
}

async function currentVersion(db: Db, vault: Vault, secretId: string): Promise<number> {
  const secret = await db.selectFrom("secrets").selectAll().where("id", "=", secretId).executeTakeFirst();
  if (secret?.kind !== "password") throw noPassword(secretId, "Choose another one for the storage.");
  if (secret.disabled === 1) {
    throw new AppError("ERR_SECRET_DISABLED", `The password ${secret.name} is disabled.`, {
      subject: secretId,
      remedy: "Enable it in the Password Manager, or choose another one for the storage.",
    });
  }
  return provenVersion(db, vault, secret);
}
