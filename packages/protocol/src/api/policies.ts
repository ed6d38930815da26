/**
 * Rules of the company over the API.
 *
 * @module
 */
import { z } from "zod";
import { count, instant } from "../values.ts";

/** Whether copies of images at the High level may be opened as a disk (PRODUCT.md, promise 6). */
export const instantAccessPolicy = z.object({
  /** False, as it comes: copies at the High level are refused. */
  highLevelAllowed: z.boolean(),
});

export const instantAccessPolicyView = instantAccessPolicy.extend({
  changedAt: instant.nullable(),
  changedBy: z.string().nullable(),
  revision: count,
});
export type InstantAccessPolicyView = z.infer<typeof instantAccessPolicyView>;

/** What instant access to a copy would meet. */
export const instantAccess = z.object({
  allowed: z.boolean(),
  /** Why not; null when it is allowed. */
  reason: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).nullable(),
});
