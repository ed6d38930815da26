/**
 * The time that retention locks go by (docs/decisions/0009-retention-lock.md). It never goes back, never runs faster than time
 * passes while the service runs, and never ahead of the system's clock. At a start it catches up with the system's clock by no more
 * than an allowance of a day, which comes back ten times slower than it is used. So a clock that is set forward unlocks nothing; a
 * service that was down for longer keeps its copies locked for so much longer, unless somebody has the lock clock set.
 *
 * @module
 */
import { type Clock, systemClock } from "@holdfast/kernel";
import type { Database, Db, Transaction } from "../database/database.ts";

const DAY_MS = 86_400_000;
/** So much it may catch up at a start. */
export const ALLOWANCE_MAX_MS = DAY_MS;
const ALLOWANCE_SHARE = 10;
const LOOK_MS = 10_000;

export interface LockClock {
  /** To be called every few seconds, or more often: lets the time pass. False when it is too early to look again. */
  readonly look: () => Promise<boolean>;
}

interface ClockRow {
  readonly at: number;
  readonly allowance: number;
  readonly behind_since: number | null;
}

interface Anchor {
  readonly at: number;
  readonly monotonicMs: number;
}

/** Of one process; several of them agree through the database. */
export function createLockClock(database: Database, clock: Clock): LockClock {
  let anchor: Anchor | undefined;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return {
    look: async () => {
      const monotonicMs = clock.monotonic();
      if (monotonicMs - lookedAtMs < LOOK_MS) return false;
      const at = await database.transaction((transaction) =>
        letPass(transaction, { wallMs: clock.now(), monotonicMs, anchor }),
      );
      lookedAtMs = monotonicMs;
      // Anchored anew where it was set meanwhile, by this process or another.
      if (anchor === undefined || at > anchor.at + (monotonicMs - anchor.monotonicMs))
        anchor = { at, monotonicMs };
      return true;
    },
  };
}

interface Look {
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly anchor: Anchor | undefined;
}

/** @returns the lock clock's time. */
async function letPass(transaction: Transaction, { wallMs, monotonicMs, anchor }: Look): Promise<number> {
  const row = await readRow(transaction);
  if (row === undefined) {
    const first = { one: 1 as const, at: wallMs, allowance: ALLOWANCE_MAX_MS, behind_since: null };
    await transaction.insertInto("lock_clock").values(first).execute();
    return wallMs;
  }
  const { at, allowance } =
    anchor === undefined
      ? caughtUp(row, wallMs)
      : passed(row, Math.min(wallMs, Math.floor(anchor.at + monotonicMs - anchor.monotonicMs)));
  const behindSince = wallMs - at > allowance ? (row.behind_since ?? at) : null;
  await transaction.updateTable("lock_clock").set({ at, allowance, behind_since: behindSince }).execute();
  return at;
}

/** A start: the time that the service was down, as far as the allowance goes. */
function caughtUp({ at, allowance }: ClockRow, wallMs: number): { at: number; allowance: number } {
  const jump = wallMs - at;
  return jump > 0 && jump <= allowance ? { at: wallMs, allowance: allowance - jump } : { at, allowance };
}

function passed({ at, allowance }: ClockRow, now: number): { at: number; allowance: number } {
  const step = Math.max(0, now - at);
  const grown = allowance + Math.floor(step / ALLOWANCE_SHARE);
  return { at: at + step, allowance: Math.min(ALLOWANCE_MAX_MS, grown) };
}

/** By which locks are judged. */
export async function lockTime(db: Db, clock: Pick<Clock, "now"> = systemClock): Promise<number> {
  return (await readRow(db))?.at ?? clock.now();
}

export interface LockClockState {
  readonly at: number;
  /** How far the system's clock is ahead of it. */
  readonly behindMs: number;
  /** It will not catch up by itself. */
  readonly isBehind: boolean;
}

export async function lockClockState(db: Db, clock: Pick<Clock, "now">): Promise<LockClockState> {
  const row = await readRow(db);
  const at = row?.at ?? clock.now();
  const behindMs = Math.max(0, clock.now() - at);
  return { at, behindMs, isBehind: row !== undefined && behindMs > row.allowance };
}

/**
 * Sets the lock clock forward to the system's, by this much at most. What was recorded while it was behind stays as old as it was.
 *
 * @returns by how many milliseconds.
 */
export async function advanceLockClock(
  transaction: Transaction,
  clock: Pick<Clock, "now">,
  stepMaxMs: number,
): Promise<number> {
  const row = await readRow(transaction);
  if (row === undefined) return 0;
  const step = Math.min(clock.now() - row.at, stepMaxMs);
  if (step <= 0) return 0;
  const since = row.behind_since ?? row.at;
  await transaction
    .updateTable("copies")
    .set((eb) => ({ recorded_at: eb("recorded_at", "+", step) }))
    .where("recorded_at", ">=", since)
    .execute();
  await transaction
    .updateTable("lock_changes")
    .set((eb) => ({ due_at: eb("due_at", "+", step) }))
    .where("state", "=", "pending")
    .where("requested_at", ">=", since)
    .execute();
  await transaction
    .updateTable("lock_clock")
    .set({ at: row.at + step, allowance: ALLOWANCE_MAX_MS, behind_since: null })
    .execute();
  return step;
}

async function readRow(db: Db): Promise<ClockRow | undefined> {
  return db.selectFrom("lock_clock").select(["at", "allowance", "behind_since"]).executeTakeFirst();
}
