/**
 * Devices over the API.
 *
 * @module
 */
import { z } from "zod";
import { disk } from "../agent/disks.ts";
import { platform } from "../agent/messages.ts";
import { count, deviceId, instant, line, method } from "../values.ts";
import { pageQuery } from "./common.ts";

export const enrolmentCodeRequest = z.object({
  /** What the code is for, for the audit log. */
  note: line(200).default(""),
});
export type EnrolmentCodeRequest = z.infer<typeof enrolmentCodeRequest>;

export const enrolmentCodeAnswer = z.object({
  /** Shown once; the service keeps a hash only. */
  code: z.string(),
  expiresAt: instant,
});

export const device = z.object({
  id: deviceId,
  name: z.string(),
  platform,
  /** Methods of encryption that the agent announced. */
  methods: z.array(method),
  /** As of its last connection; empty where the agent cannot tell (docs/platforms.md). */
  disks: z.array(disk),
  /** Of the agent; `""` before its first connection. */
  version: z.string(),
  /** Carries out tasks that belong to no device. */
  worker: z.boolean(),
  disabled: z.boolean(),
  online: z.boolean(),
  connectedAt: instant.nullable(),
  seenAt: instant.nullable(),
  certificateExpiresAt: instant,
  plans: count,
  createdAt: instant,
  revision: count,
});
export type DeviceView = z.infer<typeof device>;

const flag = z.enum(["true", "false"]).transform((text) => text === "true");

export const deviceQuery = pageQuery.extend({
  /** Part of the name. */
  name: z.string().max(200).optional(),
  worker: flag.optional(),
  disabled: flag.optional(),
});
export type DeviceQuery = z.infer<typeof deviceQuery>;

export const deviceChange = z.object({
  name: line(200).min(1).optional(),
  worker: z.boolean().optional(),
  disabled: z.boolean().optional(),
});
export type DeviceChange = z.infer<typeof deviceChange>;
