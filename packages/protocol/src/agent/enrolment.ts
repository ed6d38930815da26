/**
 * Enrolment of a device (docs/protocol.md, section 2).
 *
 * @module
 */
import { z } from "zod";
import { base64, deviceId, line } from "../values.ts";
import { platform } from "./messages.ts";

export const enrollRequest = z.object({
  /** The secret part of the code, 16 bytes. */
  secret: base64(16),
  /** PKCS #10, DER. */
  certificateRequest: base64(8192),
  name: line(200),
  platform,
});
export type EnrollRequest = z.infer<typeof enrollRequest>;

export const enrollAnswer = z.object({
  device: deviceId,
  /** PEM. */
  certificate: z.string().max(16_384),
  authority: z.string().max(16_384),
});
export type EnrollAnswer = z.infer<typeof enrollAnswer>;
