/**
 * Webhooks: JSON by POST, signed, so that the receiver knows who sent it, and that it is new.
 *
 *     Holdfast-Timestamp: seconds since 1970
 *     Holdfast-Signature: v1=hex of HMAC-SHA-256(secret, timestamp ‖ "." ‖ body)
 *     Holdfast-Delivery:  id of the delivery, the same when it is repeated
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { AppError } from "@holdfast/kernel";
import type { Outbound } from "../outbound/outbound.ts";
import { linkOf, type Message, plainTextOf, titleOf } from "./message.ts";

/** @throws AppError `ERR_OUTBOUND_REFUSED`, `ERR_OUTBOUND_FAILED`, `ERR_DELIVERY_REFUSED`. */
export async function postWebhook(
  outbound: Outbound,
  url: string,
  key: Uint8Array,
  message: Message,
  now: number,
): Promise<void> {
  const body = JSON.stringify(webhookBody(message));
  const timestamp = String(Math.floor(now / 1000));
  await post(outbound, url, body, {
    "holdfast-timestamp": timestamp,
    "holdfast-signature": `v1=${signatureOf(key, timestamp, body)}`,
    "holdfast-delivery": message.id,
  });
}

function signatureOf(key: Uint8Array, timestamp: string, body: string): string {
  return createHmac("sha256", key).update(`${timestamp}.${body}`).digest("hex");
}

function webhookBody(message: Message): unknown {
  const {
    plan = null,
    device = null,
    storage = null,
    task = null,
    error = null,
    facts = [],
  } = message.details;
  return {
    id: message.id,
    kind: message.kind,
    at: message.at,
    title: titleOf(message),
    text: plainTextOf(message),
    plan,
    device,
    storage,
    task,
    error,
    facts: Object.fromEntries(facts),
    link: linkOf(message) ?? null,
  };
}

const ANSWER_BYTES_MAX = 64 * 1024;

/** Nothing of the URL but its host is told: the path may be secret. */
export async function post(
  outbound: Outbound,
  url: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { status } = await outbound.fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
    bytesMax: ANSWER_BYTES_MAX,
  });
  if (status >= 200 && status <= 299) return;
  const { host } = new URL(url);
  throw new AppError("ERR_DELIVERY_REFUSED", `${host} did not take it: it answered ${String(status)}.`, {
    subject: host,
    remedy: "Look there for the reason; check the address and the secret of the channel.",
  });
}
