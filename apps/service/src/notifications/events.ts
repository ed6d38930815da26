/**
 * What happened, written into the outbox in the transaction in which it happens: once for each channel that a rule sends it to,
 * however often it is noticed.
 *
 * @module
 */
import { type Clock, newId } from "@holdfast/kernel";
import { NOTIFICATION_KINDS, type NotificationKind } from "@holdfast/protocol";
import { z } from "zod";
import type { Db, Transaction } from "../database/database.ts";

const named = z.object({ id: z.string(), name: z.string() });

/** What a message says of an event; never a secret. */
export const eventDetails = z.object({
  plan: named.optional(),
  device: named.optional(),
  storage: named.optional(),
  task: z.string().optional(),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string().optional() }).optional(),
  /** More lines: label and value. */
  facts: z.array(z.tuple([z.string(), z.string()])).optional(),
});
export type EventDetails = z.infer<typeof eventDetails>;

export interface NotableEvent {
  readonly kind: NotificationKind;
  /** The same each time that the same thing is noticed. */
  readonly happening: string;
  readonly details: EventDetails;
  /** Ids of plans that it concerns, for rules of one plan. */
  readonly plans: readonly string[];
}

const kindList = z.array(z.enum(NOTIFICATION_KINDS));

/** @returns whether it is new, and somebody is told of it. */
export async function recordEvent(
  { clock }: { readonly clock: Pick<Clock, "now"> },
  transaction: Transaction,
  event: NotableEvent,
): Promise<boolean> {
  const channels = await channelsFor(transaction, event.kind, event.plans);
  if (channels.length === 0) return false;
  const now = clock.now();
  const id = newId("event", clock);
  const { kind, happening, details } = event;
  const { numInsertedOrUpdatedRows } = await transaction
    .insertInto("notification_events")
    .values({ id, kind, happening: `${kind}:${happening}`, at: now, details: JSON.stringify(details) })
    .onConflict((conflict) => conflict.column("happening").doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows !== 1n) return false;
  for (const channel of channels) {
    await transaction
      .insertInto("notification_deliveries")
      .values({
        id: newId("note", clock),
        event_id: id,
        channel_id: channel,
        state: "waiting",
        attempts: 0,
        next_at: now,
        tried_at: null,
        error: null,
      })
      .execute();
  }
  return true;
}

/** Channels in use that are told of this kind; without `plans` those of any rule. */
export async function channelsFor(
  db: Db,
  kind: NotificationKind,
  plans?: readonly string[],
): Promise<readonly string[]> {
  const rules = await db
    .selectFrom("notification_rules")
    .innerJoin("notification_channels", "notification_channels.id", "notification_rules.channel_id")
    .select(["channel_id", "plan_id", "kinds"])
    .where("enabled", "=", 1)
    .execute();
  const matching = rules.filter(
    (rule) =>
      kindsOf(rule.kinds).includes(kind) &&
      (plans === undefined || rule.plan_id === null || plans.includes(rule.plan_id)),
  );
  return [...new Set(matching.map(({ channel_id: id }) => id))];
}

/** A rule that does not read is none: what happens is not held up by it. */
export function kindsOf(text: string): readonly NotificationKind[] {
  return kindList.safeParse(parsed(text)).data ?? [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
