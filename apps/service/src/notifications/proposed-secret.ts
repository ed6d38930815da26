/**
 * A new value of a channel's secret, tried before it replaces the old one: signing in to the mail server, or a test message signed
 * with it, or sent to it.
 *
 * @module
 */
import { newId } from "@holdfast/kernel";
import type { Database } from "../database/database.ts";
import type { ServiceTest } from "../secrets/place-tests.ts";
import { findChannel, settingsOf } from "./channel-rows.ts";
import { recipientOf } from "./channels.ts";
import { signInToMail } from "./mail.ts";
import type { Message } from "./message.ts";
import type { SendDependencies } from "./send.ts";
import { postToSlack } from "./slack.ts";
import { postWebhook } from "./webhook.ts";

export function createChannelProposalTest(
  database: Database,
  { outbound, clock }: Pick<SendDependencies, "outbound" | "clock">,
): ServiceTest {
  const { db } = database;
  return {
    by: "service",
    placeOf: async (reader, use) => {
      const settings = settingsOf(await findChannel(reader, use.id));
      return settings.kind === "webhook" ? settings.url : recipientOf(settings);
    },
    run: async (use, _, value) => {
      const settings = settingsOf(await findChannel(db, use.id));
      const text = (): string => Buffer.from(value).toString("utf8");
      const message: Message = {
        id: newId("note", clock),
        kind: "test",
        at: clock.now(),
        details: {},
        publicUrl: null,
      };
      if (settings.kind === "mail") await signInToMail(outbound, settings, text());
      else if (settings.kind === "slack") await postToSlack(outbound, text(), message);
      else await postWebhook(outbound, settings.url, value, message, clock.now());
    },
  };
}
