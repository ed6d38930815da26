/**
 * Slack, and what takes the same (Mattermost, Rocket.Chat): an incoming webhook, whose address is the secret.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Outbound } from "../outbound/outbound.ts";
import { linesOf, linkOf, type Message, titleOf } from "./message.ts";
import { post } from "./webhook.ts";

/** @throws AppError `ERR_USAGE` for a secret that is no address; as `postWebhook`. */
export async function postToSlack(outbound: Outbound, secret: string, message: Message): Promise<void> {
  const url = URL.parse(secret.trim());
  if (url === null || !/^https?:$/u.test(url.protocol) || url.username !== "") {
    throw new AppError("ERR_USAGE", "The secret of the channel is not the address of an incoming webhook.", {
      subject: "secret",
      remedy: "Copy the address from Slack, such as https://hooks.slack.com/services/..., into the password.",
    });
  }
  await post(outbound, url.href, JSON.stringify({ text: slackTextOf(message) }));
}

function slackTextOf(message: Message): string {
  const lines = linesOf(message).map(([label, value]) => `*${escapeSlack(label)}*: ${escapeSlack(value)}`);
  const link = linkOf(message);
  const last = link === undefined ? [] : [`<${URL.parse(link)?.href ?? ""}|Open it in Holdfast>`];
  return [`*${escapeSlack(titleOf(message))}*`, ...lines, ...last].join("\n");
}

/** As Slack wants it; marks of formatting are broken up, so that names are names. */
function escapeSlack(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll(/[*_~`]/gu, "\u200b$&");
}
