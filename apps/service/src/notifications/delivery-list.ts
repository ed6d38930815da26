// The log of deliveries, newest first.
import { type DeliveryQuery, type DeliveryView, notificationKind, type Page } from "@holdfast/protocol";
import type { Db } from "../database/database.ts";
import { nextPage, startAfter } from "../http/paging.ts";
import { eventDetails } from "./events.ts";
import { showFailure } from "./failure.ts";
import { titleOf } from "./message.ts";

export async function listDeliveries(db: Db, query: DeliveryQuery): Promise<Page<DeliveryView>> {
  let rows = db
    .selectFrom("notification_deliveries")
    .innerJoin("notification_events", "notification_events.id", "notification_deliveries.event_id")
    .innerJoin("notification_channels", "notification_channels.id", "notification_deliveries.channel_id")
    .select([
      "notification_deliveries.id",
      "channel_id",
      "name",
      "state",
      "attempts",
      "next_at",
      "tried_at",
      "error",
      "notification_events.kind",
      "at",
      "details",
    ])
    .orderBy("notification_deliveries.id", "desc")
    .limit(query.limit + 1);
  const before = startAfter(query.cursor);
  if (before !== undefined) rows = rows.where("notification_deliveries.id", "<", before);
  if (query.channel !== undefined) rows = rows.where("channel_id", "=", query.channel);
  if (query.state !== undefined) rows = rows.where("state", "=", query.state);
  const page = nextPage(await rows.execute(), query.limit, ({ id }) => id);
  return {
    ...page,
    items: page.items.map((row) => {
      const kind = notificationKind.parse(row.kind);
      const details = eventDetails.parse(JSON.parse(row.details));
      return {
        id: row.id,
        channel: { id: row.channel_id, name: row.name },
        kind,
        title: titleOf({ kind, details }),
        at: row.at,
        state: row.state,
        attempts: row.attempts,
        triedAt: row.tried_at,
        nextAt: row.state === "waiting" ? row.next_at : null,
        error: showFailure(row.error),
        task: details.task ?? null,
      };
    }),
  };
}
