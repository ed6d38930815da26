/**
 * Whether the second factor that the database names is the one that the person set up last. Whoever writes to the database can put
 * back a user's older row, or an older secret, or take both off: that is refused, as long as one newer value or none too many is left
 * (docs/security.md, section 1.1).
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import { type AuditLog, SERVICE_ACTOR } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import type { Vault } from "../secrets/vault.ts";
import { vaultDamaged } from "../secrets/vault-boxes.ts";
import type { UserRow } from "./user-rows.ts";

type Factor = Pick<UserRow, "totp_version" | "totp_pending_version" | "totp_head_box">;

/** Versions are never used twice, also not after a factor was removed: an older secret fits no later row. */
export function nextFactorVersion(
  { now }: Pick<Clock, "now">,
  user: Pick<Factor, "totp_version" | "totp_pending_version">,
): number {
  return Math.max(now(), (user.totp_pending_version ?? 0) + 1, (user.totp_version ?? 0) + 1);
}

/**
 * The version of the secret that signs in; null without a second factor.
 *
 * @throws AppError `ERR_NOT_FOUND` when the user was deleted meanwhile, `ERR_VAULT_DAMAGED`.
 */
export async function provenFactorVersion(
  db: Db,
  vault: Pick<Vault, "checkHead">,
  { id }: Pick<UserRow, "id">,
): Promise<number | null> {
  const what = `The second factor of the user ${id}`;
  const user = await factorOf(db, id);
  const { newest } = user;
  if (user.totp_version === null) {
    if (newest === null || newest === user.totp_pending_version) return null;
    throw vaultDamaged(what, "was taken off in the database");
  }
  if (user.totp_head_box === null) throw vaultDamaged(what, "has nothing that vouches for it");
  vault.checkHead("totp", id, user.totp_version, user.totp_head_box);
  if (newest === user.totp_version) return user.totp_version;
  throw vaultDamaged(what, "is not the newest");
}

/** One statement: between two, the person could change the factor, which would look like damage. */
async function factorOf(db: Db, id: string): Promise<Factor & { readonly newest: number | null }> {
  const row = await db
    .selectFrom("users")
    .leftJoin("vault_values", (join) =>
      join.onRef("vault_values.object_id", "=", "users.id").on("vault_values.object_kind", "=", "totp"),
    )
    .select(["totp_version", "totp_pending_version", "totp_head_box", "version as newest"])
    .where("users.id", "=", id)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw new AppError("ERR_NOT_FOUND", `There is no user ${id}.`, { subject: id });
}

const ACTION = "vault.second-factor-heads";

/** Whether {@link vouchForOldFactors} has been at work: from then on each factor has a box. */
export async function areVouchedFor(db: Db): Promise<boolean> {
  const done = db.selectFrom("audit_rows").select("number").where("action", "=", ACTION).limit(1);
  return (await done.executeTakeFirst()) !== undefined;
}

/**
 * Vouches for the second factors that are older than this check: once in the life of a database, which the audit log remembers.
 *
 * @returns how many.
 */
export async function vouchForOldFactors({
  database,
  vault,
  audit,
}: {
  readonly database: Database;
  readonly vault: Pick<Vault, "sealHead">;
  readonly audit: AuditLog;
}): Promise<number> {
  return database.transaction(async (transaction) => {
    if (await areVouchedFor(transaction)) return 0;
    const users = await transaction
      .selectFrom("users")
      .select(["id", "totp_version"])
      .where("totp_version", "is not", null)
      .where("totp_head_box", "is", null)
      .execute();
    for (const { id, totp_version: version } of users) {
      if (version === null) continue;
      await transaction
        .updateTable("users")
        .set({ totp_head_box: vault.sealHead("totp", id, version) })
        .where("id", "=", id)
        .execute();
    }
    await audit.append(transaction, {
      actor: SERVICE_ACTOR,
      action: ACTION,
      subject: { kind: "service", id: "" },
      details: { users: users.map(({ id }) => id) },
    });
    return users.length;
  });
}
