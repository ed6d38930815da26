// Reading and showing rows of channels.
import { type ChannelSettings, channelSettings, type ChannelView } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import type { Db } from "../database/database.ts";
import type { NotificationChannelsTable } from "../database/tables.ts";
import { notListed } from "../resources.ts";
import { showFailure } from "./failure.ts";

export type ChannelRow = Selectable<NotificationChannelsTable>;

/** @throws AppError `ERR_NOT_FOUND`. */
export async function findChannel(db: Db, id: string): Promise<ChannelRow> {
  const row = await db
    .selectFrom("notification_channels")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw notListed("channel", id);
}

export function settingsOf({ settings, kind, secret_id: secret }: ChannelRow): ChannelSettings {
  return channelSettings.parse({ ...JSON.parse(settings), kind, secret });
}

/** What of the settings is not in columns of their own. */
export function settingsColumns(
  settings: ChannelSettings,
): Pick<ChannelRow, "kind" | "settings" | "secret_id"> {
  const { kind, secret, ...own } = settings;
  return { kind, settings: JSON.stringify(own), secret_id: secret };
}

export async function showChannel(db: Db, row: ChannelRow): Promise<ChannelView> {
  const last = await db
    .selectFrom("notification_deliveries")
    .select(["tried_at", "state", "error"])
    .where("channel_id", "=", row.id)
    .where("tried_at", "is not", null)
    .orderBy("tried_at", "desc")
    .limit(1)
    .executeTakeFirst();
  return {
    id: row.id,
    name: row.name,
    enabled: row.enabled === 1,
    settings: settingsOf(row),
    last:
      last === undefined
        ? null
        : { at: last.tried_at ?? 0, state: last.state, error: showFailure(last.error) },
    createdAt: row.created_at,
    revision: row.revision,
  };
}
