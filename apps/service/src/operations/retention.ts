/**
 * What a retention policy decides about copies. Copies of each device are counted apart; what a retention lock holds is kept, whatever the
 * rules say.
 *
 * @module
 */
import type { Clock } from "@holdfast/kernel";
import {
  applyRetention,
  type RetainedCopy,
  type RetentionDecision,
  type RetentionPolicy,
} from "@holdfast/repository";
import type { Db } from "../database/database.ts";
import { lockedUntil, type LockedRow, lockRules } from "../policies/copy-lock.ts";

/** As the schema of the API gives it. */
export type GivenPolicy = { readonly [Rule in keyof RetentionPolicy]?: number | undefined };

export interface DecidedCopy extends RetainedCopy {
  readonly deviceId: string | null;
  readonly planId: string | null;
  /** By the lock clock. */
  readonly lockedUntil: number | null;
}

export interface CopiesInQuestion {
  readonly repositoryId: string;
  /** Copies that this plan made. */
  readonly planId?: string;
  /** Copies of this device. */
  readonly deviceId?: string;
}

/** Of a plan's copies in one repository. */
export async function planDecision(
  db: Db,
  clock: Pick<Clock, "now">,
  policy: GivenPolicy,
  copies: CopiesInQuestion,
): Promise<RetentionDecision<DecidedCopy>> {
  return decide(await copiesOf(db, clock, copies), policy);
}

/** @param copies counted apart for each plan and device. */
export function decide(copies: readonly DecidedCopy[], policy: GivenPolicy): RetentionDecision<DecidedCopy> {
  const { keep, forget } = applyRetention(copies, withoutUndefined(policy));
  const held = forget.filter((copy) => copy.lockedUntil !== null);
  return {
    keep: [
      ...keep.map(({ copy, reasons }) => ({
        copy,
        reasons: copy.lockedUntil === null ? reasons : [...reasons, LOCK],
      })),
      ...held.map((copy) => ({ copy, reasons: [LOCK] })),
    ].toSorted((a, b) => b.copy.timeMs - a.copy.timeMs),
    forget: forget.filter((copy) => copy.lockedUntil === null),
  };
}

/** As a reason to keep a copy. */
const LOCK = "lock";

/** Those that are not forgotten. */
export async function copiesOf(
  db: Db,
  clock: Pick<Clock, "now">,
  { repositoryId, planId, deviceId }: CopiesInQuestion,
): Promise<DecidedCopy[]> {
  const rules = await lockRules(db, clock);
  let query = db
    .selectFrom("copies")
    .leftJoin("plans", "plans.id", "copies.plan_id")
    .select([
      "copies.id as id",
      "copies.time as time",
      "copies.device_id as deviceId",
      "copies.plan_id as planId",
      "copies.recorded_at as recordedAt",
      "copies.lock_days as lockDays",
      "plans.lock_days as planLockDays",
    ])
    .where("copies.repository_id", "=", repositoryId)
    .where("copies.forgotten_at", "is", null);
  if (planId !== undefined) query = query.where("copies.plan_id", "=", planId);
  if (deviceId !== undefined) query = query.where("copies.device_id", "=", deviceId);
  const rows: readonly (LockedRow & CopyFields)[] = await query.execute();
  return rows.map((row) => ({
    id: row.id,
    timeMs: row.time,
    group: `${row.planId ?? ""} ${row.deviceId ?? ""}`,
    deviceId: row.deviceId,
    planId: row.planId,
    lockedUntil: lockedUntil(row, rules),
  }));
}

interface CopyFields {
  readonly id: string;
  readonly time: number;
  readonly deviceId: string | null;
  readonly planId: string | null;
}

function withoutUndefined(policy: GivenPolicy): RetentionPolicy {
  return Object.fromEntries(Object.entries(policy).filter(([, count]) => count !== undefined));
}
