// One message through one channel.
import type { Clock } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import type { Outbound } from "../outbound/outbound.ts";
import type { Vault } from "../secrets/vault.ts";
import { type ChannelRow, settingsOf } from "./channel-rows.ts";
import { readSecret } from "./channel-secret.ts";
import { sendMail } from "./mail.ts";
import type { Message } from "./message.ts";
import { postToSlack } from "./slack.ts";
import { postWebhook } from "./webhook.ts";

export interface SendDependencies {
  readonly vault: Vault;
  readonly outbound: Outbound;
  readonly clock: Pick<Clock, "now">;
}

/**
 * @returns what is to be noted though it was sent.
 * @throws AppError of the channel's kind, of its secret.
 */
export async function sendMessage(
  { vault, outbound, clock }: SendDependencies,
  db: Db,
  channel: ChannelRow,
  message: Message,
): Promise<string | undefined> {
  const settings = settingsOf(channel);
  if (settings.secret === null) {
    return settings.kind === "mail" ? sendMail(outbound, settings, undefined, message) : undefined;
  }
  using value = await readSecret(db, vault, settings.secret);
  // Client libraries take text: see docs/security.md, section 5.
  const text = (): string => Buffer.from(value.bytes).toString("utf8");
  if (settings.kind === "mail") return await sendMail(outbound, settings, text(), message);
  if (settings.kind === "slack") await postToSlack(outbound, text(), message);
  else await postWebhook(outbound, settings.url, value.bytes, message, clock.now());
  return undefined;
}
