// Settings that all notifications have in common.
import {
  type NotificationSettings,
  notificationSettings,
  type NotificationSettingsView,
} from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import type { Actor } from "../http/route.ts";
import { changePolicy, type PolicyDependencies, readPolicy } from "../policies/policy-rows.ts";

const SETTINGS = {
  name: "notifications",
  schema: notificationSettings,
  asItComes: { publicUrl: null, silentHours: 24, freeGibibytes: 20, expiryDays: 14 },
};

export async function readSettings(db: Db): Promise<NotificationSettingsView> {
  return readPolicy<NotificationSettings>(db, SETTINGS);
}

/** @throws AppError `ERR_CHANGED_MEANWHILE`. */
export async function setSettings(
  dependencies: PolicyDependencies,
  actor: Actor,
  value: NotificationSettings,
  ifMatch: number | undefined,
): Promise<NotificationSettingsView> {
  return changePolicy<NotificationSettings>(dependencies, actor, SETTINGS, {
    value,
    ifMatch,
    details: { ...value },
  });
}
