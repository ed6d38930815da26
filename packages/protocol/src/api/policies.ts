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

/** Days for which copies cannot be deleted; ten years at most. */
export const lockDays = z.int().min(0).max(3650);

/** A change that waits to come into effect, and can be called off until then. */
const pendingLock = z.object({
  days: lockDays,
  requestedAt: instant,
  requestedBy: z.string(),
  effectiveAt: instant,
});

export const lockChange = z.object({ days: lockDays });

/** The retention lock of a plan. */
export const lockView = z.object({
  days: lockDays,
  /** With the company's minimum. */
  effectiveDays: lockDays,
  /** A lowering that was asked for; the old days hold until then. */
  pending: pendingLock.nullable(),
  /** Of the plan. */
  revision: count,
});
export type LockView = z.infer<typeof lockView>;

export const retentionLockPolicy = z.object({
  /** Every copy of every plan is locked for so long at least. */
  minimumDays: lockDays,
  /** So long it takes to lower a lock, or this period itself. */
  waitingDays: z.int().min(1).max(365),
});

export const retentionLockPolicyChange = retentionLockPolicy.partial();

export const retentionLockPolicyView = retentionLockPolicy.extend({
  pendingMinimum: pendingLock.nullable(),
  pendingWaiting: pendingLock.nullable(),
  /** By which locks end (docs/decisions/0009-retention-lock.md). */
  clock: z.object({
    at: instant,
    /** How far the system's clock is ahead of it. */
    behindMs: count,
    /** It will not catch up by itself: copies stay locked for so much longer. */
    isBehind: z.boolean(),
    pending: pendingLock.nullable(),
  }),
  revision: count,
});
export type RetentionLockPolicyView = z.infer<typeof retentionLockPolicyView>;

export const retentionLockWithdrawal = z.object({ of: z.enum(["minimum", "waiting", "clock"]) });
