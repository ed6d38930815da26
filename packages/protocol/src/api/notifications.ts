/**
 * Notifications over the API: where messages go (channels), of what (rules), and what became of them (deliveries).
 *
 * @module
 */
import { z } from "zod";
import { count, idOf, instant, line, planId, secretId } from "../values.ts";
import { pageQuery } from "./common.ts";

export const channelId = idOf("chan");
export const notificationRuleId = idOf("rule");
export const deliveryId = idOf("note");

export const NOTIFICATION_KINDS = [
  "backup.succeeded",
  "backup.warnings",
  "backup.failed",
  /** A scheduled backup did not begin while it could have. */
  "backup.missed",
  /** It could not be done, or it found damage. */
  "verification.failed",
  "device.silent",
  "storage.low",
  /** Of a device: it renews itself, unless the device is away for too long. */
  "certificate.expiring",
  "token.expiring",
  /** Somebody asked for a retention lock to be lowered: it can be called off until it takes effect. */
  "lock.lowering",
  "vault.problem",
  "audit.problem",
] as const;
export const notificationKind = z.enum(NOTIFICATION_KINDS);
export type NotificationKind = z.infer<typeof notificationKind>;

/** A bare address: no name, no brackets, nothing that could begin another header. */
const mailAddress = z
  .string()
  .max(254)
  .regex(
    /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/u,
    "is no mail address",
  );
const host = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[A-Za-z0-9._:-]+$/u, "is no host name");

/** Each has its secret in the Password Manager, as a password: the answer never shows it. */
export const channelSettings = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("mail"),
    host,
    port: z.int().min(1).max(65_535),
    /** `tls` from the first byte (port 465), or `starttls`, without which nothing is said (port 587). */
    encryption: z.enum(["tls", "starttls"]),
    /** Null: the server takes mail without signing in. */
    user: line(254).min(1).nullable(),
    from: mailAddress,
    to: z.array(mailAddress).min(1).max(20),
    /** The password of the user. */
    secret: secretId.nullable(),
  }),
  z.object({
    kind: z.literal("webhook"),
    /** No user and no password in it. */
    url: z.url({ protocol: /^https?$/u }).max(2000),
    /** The key of the signature. */
    secret: secretId,
  }),
  z.object({
    kind: z.literal("slack"),
    /** The address of the incoming webhook, which is a secret as a whole. */
    secret: secretId,
  }),
]);
export type ChannelSettings = z.infer<typeof channelSettings>;

export const newChannel = z.object({
  name: line(200).min(1),
  enabled: z.boolean().default(true),
  settings: channelSettings,
});
export type NewChannel = z.infer<typeof newChannel>;

export const channelChange = z.object({
  name: line(200).min(1).optional(),
  enabled: z.boolean().optional(),
  /** As a whole, and of the same kind. */
  settings: channelSettings.optional(),
  /** The password of a mail channel, typed again: needed when it would go to another server. */
  confirmation: z
    .string()
    .max(64 * 1024)
    .optional(),
});
export type ChannelChange = z.infer<typeof channelChange>;

const failure = z.object({ code: z.string(), message: z.string(), remedy: z.string().nullable() });

export const channel = z.object({
  id: channelId,
  name: z.string(),
  enabled: z.boolean(),
  settings: channelSettings,
  /** The newest delivery that was tried; null before the first. */
  last: z.object({ at: instant, state: z.string(), error: failure.nullable() }).nullable(),
  createdAt: instant,
  revision: count,
});
export type ChannelView = z.infer<typeof channel>;

/** Sent there and then; a failure is answered as an error. */
export const channelTested = z.object({
  /** What was not as it should be though it was sent, such as a recipient that was refused. */
  note: z.string().nullable(),
});

export const newNotificationRule = z.object({
  channel: channelId,
  /** Null: of everything. Otherwise what concerns this plan, and the devices in it. */
  plan: planId.nullable().default(null),
  kinds: z.array(notificationKind).min(1).max(NOTIFICATION_KINDS.length),
});
export type NewNotificationRule = z.infer<typeof newNotificationRule>;

export const notificationRuleChange = newNotificationRule.omit({ plan: true }).partial();
export type NotificationRuleChange = z.infer<typeof notificationRuleChange>;

export const notificationRule = z.object({
  id: notificationRuleId,
  channel: z.object({ id: channelId, name: z.string() }),
  plan: z.object({ id: planId, name: z.string() }).nullable(),
  kinds: z.array(notificationKind),
  createdAt: instant,
  revision: count,
});
export type NotificationRuleView = z.infer<typeof notificationRule>;

export const notificationRuleQuery = pageQuery.extend({
  channel: channelId.optional(),
  plan: planId.optional(),
});
export type NotificationRuleQuery = z.infer<typeof notificationRuleQuery>;

export const notificationSettings = z.object({
  /** Where people open the console: the beginning of links in messages. Null: no links. */
  publicUrl: z
    .url({ protocol: /^https$/u })
    .max(400)
    .nullable(),
  /** A device is silent when nothing was heard of it for so long. */
  silentHours: z.int().min(1).max(8760),
  /** A storage is nearly full when its test finds less. */
  freeGibibytes: z.int().min(0).max(1_000_000),
  /** Certificates and tokens are told of so long before they end. */
  expiryDays: z.int().min(1).max(60),
});
export type NotificationSettings = z.infer<typeof notificationSettings>;

export const notificationSettingsView = notificationSettings.extend({
  changedAt: instant.nullable(),
  changedBy: z.string().nullable(),
  revision: count,
});
export type NotificationSettingsView = z.infer<typeof notificationSettingsView>;

export const DELIVERY_STATES = ["waiting", "delivered", "failed"] as const;

export const delivery = z.object({
  id: deliveryId,
  channel: z.object({ id: channelId, name: z.string() }),
  kind: notificationKind,
  title: z.string(),
  /** Of the event. */
  at: instant,
  state: z.enum(DELIVERY_STATES),
  attempts: count,
  /** When it was tried last; null before. */
  triedAt: instant.nullable(),
  /** When it is tried again; null when it is over. */
  nextAt: instant.nullable(),
  /** Of the last attempt. */
  error: failure.nullable(),
  task: z.string().nullable(),
});
export type DeliveryView = z.infer<typeof delivery>;

export const deliveryQuery = pageQuery.extend({
  channel: channelId.optional(),
  state: z.enum(DELIVERY_STATES).optional(),
});
export type DeliveryQuery = z.infer<typeof deliveryQuery>;
