/**
 * Which copies their retention lock still holds. A copy keeps the lock that it was made under, or its plan's present one, or the
 * company's minimum: whichever is the longest. Its age counts from when the service came to know of it.
 *
 * @module
 */
import { AppError, type Clock, systemClock } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import { lockTime } from "./lock-clock.ts";
import { DAY_MS, readLockPolicy } from "./retention-lock.ts";

export interface LockRules {
  /** By the lock clock. */
  readonly now: number;
  readonly minimumDays: number;
}

export interface LockedRow {
  readonly recordedAt: number;
  /** That the copy was made under. */
  readonly lockDays: number;
  /** Of its plan; null when there is none any more. */
  readonly planLockDays: number | null;
}

export async function lockRules(db: Db, clock: Pick<Clock, "now"> = systemClock): Promise<LockRules> {
  const { minimumDays } = await readLockPolicy(db);
  return { now: await lockTime(db, clock), minimumDays };
}

const IDS_MAX = 500;

/** By the lock clock; null when nothing holds the copy. */
export function lockedUntil(row: LockedRow, { now, minimumDays }: LockRules): number | null {
  const days = Math.max(row.lockDays, row.planLockDays ?? 0, minimumDays);
  const until = row.recordedAt + days * DAY_MS;
  return days > 0 && until > now ? until : null;
}

/** Those of the copies that are locked, with the time until which. Forgotten ones are not there any more. */
export async function lockedCopies(
  db: Db,
  clock: Pick<Clock, "now">,
  repositoryId: string,
  ids?: readonly string[],
): Promise<Map<string, number>> {
  const rules = await lockRules(db, clock);
  let query = db
    .selectFrom("copies")
    .leftJoin("plans", "plans.id", "copies.plan_id")
    .select([
      "copies.id as id",
      "copies.recorded_at as recordedAt",
      "copies.lock_days as lockDays",
      "plans.lock_days as planLockDays",
    ])
    .where("copies.repository_id", "=", repositoryId)
    .where("copies.forgotten_at", "is", null);
  // More of them are not worth a list: all are looked at.
  if (ids !== undefined && ids.length > 0 && ids.length <= IDS_MAX)
    query = query.where("copies.id", "in", [...ids]);
  const rows = await query.execute();
  const wanted = ids === undefined ? undefined : new Set(ids);
  const locked = new Map<string, number>();
  for (const row of rows) {
    const until = lockedUntil(row, rules);
    if (until !== null && wanted?.has(row.id) !== false) locked.set(row.id, until);
  }
  return locked;
}

/** @throws AppError `ERR_RETENTION_LOCKED` when one of them is locked. */
export async function checkUnlocked(
  db: Db,
  clock: Pick<Clock, "now">,
  repositoryId: string,
  ids?: readonly string[],
): Promise<void> {
  const locked = await lockedCopies(db, clock, repositoryId, ids);
  const [first] = locked;
  if (first === undefined) return;
  const [id] = first;
  const last = new Date(Math.max(...locked.values())).toISOString();
  throw new AppError(
    "ERR_RETENTION_LOCKED",
    locked.size === 1
      ? `The copy ${id.slice(0, 12)} is locked until ${last}: nobody can delete it before.`
      : `${String(locked.size)} copies are locked, the last of them until ${last}: nobody can delete them before.`,
    { subject: id, remedy: "Wait until then. Lowering the lock of its plan takes the waiting period." },
  );
}

/** The lock under which a new copy comes. One of no known plan gets the longest of the plans that write there. */
export async function lockDaysOfNew(db: Db, planId: string | null, repositoryId: string): Promise<number> {
  const { minimumDays } = await readLockPolicy(db);
  const plan = db.selectFrom("plans").select((eb) => eb.fn.max<number | null>("lock_days").as("days"));
  const known = planId === null ? undefined : await plan.where("id", "=", planId).executeTakeFirst();
  const days = known?.days ?? (await plan.where("repository_id", "=", repositoryId).executeTakeFirst())?.days;
  return Math.max(minimumDays, days ?? 0);
}
