// Settings that all notifications have in common.
import type { Clock } from "@holdfast/kernel";
import {
  type NotificationSettings,
  notificationSettings,
  type NotificationSettingsView,
} from "@holdfast/protocol";
import { type AuditLog, userActor } from "../audit/audit.ts";
import type { Database, Db } from "../database/database.ts";
import { checkRevision } from "../http/conditions.ts";
import type { Actor } from "../http/route.ts";

export interface SettingsDependencies {
  readonly database: Database;
  readonly audit: AuditLog;
  readonly clock: Pick<Clock, "now">;
}

const NAME = "notifications";
const AS_IT_COMES: NotificationSettings = {
  publicUrl: null,
  silentHours: 24,
  freeGibibytes: 20,
  expiryDays: 14,
};

export async function readSettings(db: Db): Promise<NotificationSettingsView> {
  const row = await db.selectFrom("policies").selectAll().where("name", "=", NAME).executeTakeFirst();
  if (row === undefined) return { ...AS_IT_COMES, revision: 0 };
  return { ...notificationSettings.parse(JSON.parse(row.value)), revision: row.revision };
}

/** @throws AppError `ERR_CHANGED_MEANWHILE`. */
export async function setSettings(
  { database, audit, clock }: SettingsDependencies,
  actor: Actor,
  settings: NotificationSettings,
  ifMatch: number | undefined,
): Promise<NotificationSettingsView> {
  return database.transaction(async (transaction) => {
    const before = await readSettings(transaction);
    checkRevision(before, ifMatch);
    const row = {
      name: NAME,
      value: JSON.stringify(settings),
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
      details: { ...settings },
    });
    return readSettings(transaction);
  });
}
