/**
 * Channels, rules and an outbox on a test database, sent through a way out that leads to servers of the test.
 */
import { newId, systemRandomness } from "@holdfast/kernel";
import type { ChannelSettings, ChannelView, NotificationKind, OutboundPolicy } from "@holdfast/protocol";
import type { Database } from "../src/database/database.ts";
import { createChannel } from "../src/notifications/channels.ts";
import { type EventDetails, recordEvent } from "../src/notifications/events.ts";
import { createRule } from "../src/notifications/rules.ts";
import { createOutbound, type Outbound } from "../src/outbound/outbound.ts";
import { PUBLIC_ONLY } from "../src/outbound/outbound-policy.ts";
import type { Resolve } from "../src/outbound/resolve.ts";
import { type Catalogue, catalogue } from "./catalogue-fixture.ts";

export interface NotificationFixture extends Catalogue {
  readonly outbound: Outbound;
  /** Adds a channel that is told of these kinds, and returns it. */
  readonly addChannel: (
    settings: ChannelSettings,
    kinds?: readonly NotificationKind[],
    plan?: string,
  ) => Promise<ChannelView>;
  /** Records an event as a transaction of a task would. */
  readonly happen: (kind: NotificationKind, details?: EventDetails, happening?: string) => Promise<boolean>;
}

export async function notifications(
  database: Database,
  policy: Partial<OutboundPolicy>,
  resolve?: Resolve,
): Promise<NotificationFixture> {
  const fixture = await catalogue(database);
  const readPolicy = async (): Promise<OutboundPolicy> => ({ ...PUBLIC_ONLY, ...policy });
  const all = {
    ...fixture,
    randomness: systemRandomness,
    outbound: createOutbound({ readPolicy, ...(resolve === undefined ? {} : { resolve }) }),
  };
  return {
    ...all,
    addChannel: async (settings, kinds = ["backup.failed"], plan) => {
      const name = newId("name");
      const added = await createChannel(all, all.actor, { name, enabled: true, settings });
      await createRule(all, all.actor, { channel: added.id, plan: plan ?? null, kinds: [...kinds] });
      return added;
    },
    happen: (kind, details = {}, happening = newId("task")) =>
      database.transaction((transaction) =>
        recordEvent(all, transaction, { kind, happening, plans: [], details }),
      ),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}
