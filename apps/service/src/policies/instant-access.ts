/**
 * Instant access: a copy of an image as a disk that is read while it is restored. At the High level it is refused, as long as an
 * administrator has not lifted the policy: our format reads anywhere at every level, but a company may want the strongest
 * encryption never to be opened piecemeal.
 *
 * @module
 */
import { AppError, type Clock } from "@holdfast/kernel";
import { instantAccessPolicy, type InstantAccessPolicyView } from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import { findCopy } from "../copies/copy-rows.ts";
import type { Database, Db } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { encryptionOf } from "../repositories/repositories.ts";
import { checkRevision } from "../http/conditions.ts";

export interface PolicyDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Pick<Clock, "now">;
}

const NAME = "instant-access";

export async function readInstantAccessPolicy(db: Db): Promise<InstantAccessPolicyView> {
  const row = await db.selectFrom("policies").selectAll().where("name", "=", NAME).executeTakeFirst();
  if (row === undefined) return { highLevelAllowed: false, changedAt: null, changedBy: null, revision: 0 };
  const { highLevelAllowed } = instantAccessPolicy.parse(JSON.parse(row.value));
  return { highLevelAllowed, changedAt: row.changed_at, changedBy: row.changed_by, revision: row.revision };
}

/** @throws AppError `ERR_CHANGED_MEANWHILE`. */
export async function setInstantAccessPolicy(
  { database, audit, clock }: PolicyDependencies,
  actor: Actor,
  highLevelAllowed: boolean,
  ifMatch: number | undefined,
): Promise<InstantAccessPolicyView> {
  return database.transaction(async (transaction) => {
    const before = await readInstantAccessPolicy(transaction);
    checkRevision(before, ifMatch);
    const row = {
      name: NAME,
      value: JSON.stringify({ highLevelAllowed }),
      changed_at: clock.now(),
      changed_by: actor.userId,
      revision: before.revision + 1,
    };
    await transaction.deleteFrom("policies").where("name", "=", NAME).execute();
    await transaction.insertInto("policies").values(row).execute();
    await audit.append(transaction, {
      actor: userActor(actor),
      action: "policy.change",
      subject: { kind: "policy", id: NAME },
      details: { highLevelAllowed },
    });
    return readInstantAccessPolicy(transaction);
  });
}

/**
 * Whether this copy may be opened as a disk.
 *
 * @throws AppError `ERR_INSTANT_ACCESS_LEVEL` for one at the High level while the policy stands, `ERR_UNSUPPORTED` for a copy
 * that is no image, `ERR_NOT_FOUND`.
 */
export async function checkInstantAccess(db: Db, copyId: string): Promise<void> {
  const copy = await findCopy(db, copyId);
  const { highLevelAllowed } = await readInstantAccessPolicy(db);
  if (encryptionOf(copy.suite)?.level === "high" && !highLevelAllowed) {
    throw new AppError(
      "ERR_INSTANT_ACCESS_LEVEL",
      "This copy is encrypted at the High level: it cannot be opened as an iSCSI disk.",
      {
        subject: copyId,
        remedy:
          "Restore it in the ordinary way, or let an administrator allow it: PUT /api/v1/policies/instant-access.",
      },
    );
  }
  if (copy.kind !== "disk") {
    throw new AppError(
      "ERR_UNSUPPORTED",
      "Only a copy of a disk or of a virtual machine can be opened as a disk.",
      {
        subject: copyId,
        remedy: "Browse its files, or restore them.",
      },
    );
  }
}
