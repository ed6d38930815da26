/**
 * Works the outbox off: at least once each, by one process at a time, again and again with growing pauses until it is taken or
 * a day has passed.
 *
 * @module
 */
import { NOTIFICATION_KINDS } from "@holdfast/protocol";
import { z } from "zod";
import type { Database, Db } from "../database/database.ts";
import { isOfDatabase } from "../database/failures.ts";
import { findChannel } from "./channel-rows.ts";
import { eventDetails } from "./events.ts";
import { failureOf } from "./failure.ts";
import type { Message } from "./message.ts";
import { type SendDependencies, sendMessage } from "./send.ts";
import { readSettings } from "./settings.ts";

export interface DeliveryDependencies extends SendDependencies {
  readonly database: Database;
}

/** As long as a process may take for one: afterwards another one tries. Longer than every limit of sending together. */
const CLAIM_MS = 180_000;
const AT_ONCE = 4;
const FIRST_PAUSE_MS = 30_000;
const PAUSE_MAX_MS = 3600_000;
/** With these pauses about a day. */
export const ATTEMPTS_MAX = 30;
/** What is over is kept for so long. */
const KEPT_MS = 90 * 24 * 3600_000;

interface DueRow {
  readonly id: string;
  readonly channel_id: string;
  readonly attempts: number;
  readonly next_at: number;
  readonly kind: string;
  readonly at: number;
  readonly details: string;
}

/** Sends what is due. @returns how many attempts this process has made. */
export async function deliverDue(dependencies: DeliveryDependencies): Promise<number> {
  const { db } = dependencies.database;
  const due: DueRow[] = await db
    .selectFrom("notification_deliveries")
    .innerJoin("notification_events", "notification_events.id", "notification_deliveries.event_id")
    .innerJoin("notification_channels", "notification_channels.id", "notification_deliveries.channel_id")
    .select([
      "notification_deliveries.id",
      "channel_id",
      "attempts",
      "next_at",
      "notification_events.kind",
      "at",
      "details",
    ])
    .where("state", "=", "waiting")
    .where("next_at", "<=", dependencies.clock.now())
    // What waits for a channel that is switched off, waits.
    .where("enabled", "=", 1)
    .orderBy("next_at")
    .limit(AT_ONCE)
    .execute();
  // Also when one fails, nobody is to be left behind at work.
  const ends = await Promise.allSettled(due.map((row) => deliver(dependencies, row)));
  const failures = ends.filter((end) => end.status === "rejected").map((end): unknown => end.reason);
  if (failures.length > 0) throw new AggregateError(failures, "some deliveries could not be recorded");
  return ends.filter((end) => end.status === "fulfilled" && end.value).length;
}

async function deliver(dependencies: DeliveryDependencies, row: DueRow): Promise<boolean> {
  const { database, clock } = dependencies;
  const started = clock.now();
  const claimed = started + CLAIM_MS;
  const attempts = row.attempts + 1;
  const claim = await database.db
    .updateTable("notification_deliveries")
    .set({ next_at: claimed, attempts, tried_at: started })
    .where("id", "=", row.id)
    .where("state", "=", "waiting")
    .where("next_at", "=", row.next_at)
    .where("attempts", "=", row.attempts)
    .executeTakeFirst();
  if (claim.numUpdatedRows !== 1n) return false;
  const outcome = await attempt(dependencies, row);
  const ended =
    outcome.delivered || attempts >= ATTEMPTS_MAX
      ? ({ state: outcome.delivered ? "delivered" : "failed" } as const)
      : ({ next_at: clock.now() + pauseAfter(attempts) } as const);
  await database.db
    .updateTable("notification_deliveries")
    .set({ ...ended, error: outcome.error === null ? null : JSON.stringify(outcome.error) })
    .where("id", "=", row.id)
    // After longer than the claim it is another process's.
    .where("attempts", "=", attempts)
    .where("next_at", "=", claimed)
    .execute();
  return true;
}

interface Outcome {
  readonly delivered: boolean;
  readonly error: ReturnType<typeof failureOf> | null;
}

async function attempt(dependencies: DeliveryDependencies, row: DueRow): Promise<Outcome> {
  const { db } = dependencies.database;
  try {
    const channel = await findChannel(db, row.channel_id);
    const note = await sendMessage(dependencies, db, channel, await messageOf(db, row));
    if (note === undefined) return { delivered: true, error: null };
    return { delivered: true, error: { code: "ERR_DELIVERY_REFUSED", message: note, remedy: null } };
  } catch (error) {
    // Of no place that did not take it: it is tried again when the claim is over.
    if (isOfDatabase(error)) throw error;
    return { delivered: false, error: failureOf(error) };
  }
}

const storedKind = z.enum(NOTIFICATION_KINDS);

async function messageOf(db: Db, row: DueRow): Promise<Message> {
  const { publicUrl } = await readSettings(db);
  return {
    id: row.id,
    kind: storedKind.parse(row.kind),
    at: row.at,
    details: eventDetails.parse(JSON.parse(row.details)),
    publicUrl: publicUrl?.replace(/\/+$/u, "") ?? null,
  };
}

export function pauseAfter(attempts: number): number {
  return Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1));
}

/** Forgets what has been over for long. */
export async function removeOld({
  database,
  clock,
}: Pick<DeliveryDependencies, "database" | "clock">): Promise<void> {
  await database.db
    .deleteFrom("notification_events")
    .where("at", "<", clock.now() - KEPT_MS)
    .execute();
}
