/**
 * What to run next on one device: the next regular run, or one that catches up on those that were missed.
 *
 * @module
 */
import {
  assertInstant,
  createTimetable,
  jitterFrom,
  lastRunUntil,
  openingFrom,
  type Run,
  runAfter,
  type RunTarget,
  startTime,
  type Timetable,
} from "./runs.ts";
import { DEFAULT_CATCH_UP, type Schedule } from "./schedule.ts";
import { spread } from "./spread.ts";

/** Instants are milliseconds since the epoch. */
export interface NextRunQuery extends RunTarget {
  /** `at` of the last run that was started on the device; when the plan was given to it if there was none yet. */
  readonly lastFired: number;
  readonly now: number;
  /**
   * Since when the device and the service have been there without a break. Missed runs are made up for from then on,
   * spread over the jitter, so that a thousand devices do not start together after an outage; without it, at once.
   */
  readonly availableSince?: number | undefined;
}

export interface PlannedRun {
  /** `at` of the run: what to keep as `lastFired` when it is started. */
  readonly at: number;
  /** When to start; now, if that is past. */
  readonly startAt: number;
  readonly reason: "scheduled" | "catchUp";
}

/** So late a start still counts as on time: the price of clocks that tick, tasks that queue and devices that reconnect. */
export const LATE_START_MS = 60_000;

/**
 * The one run to start next. Ask again when it was started, when the schedule, the device's presence or the clock
 * changed, and at `startAt`: whatever was missed before, there is never more than one run to catch up.
 * Every valid schedule goes on, so there always is one.
 *
 * @throws {AppError} `ERR_USAGE` for an invalid schedule
 */
export function nextRun(schedule: Schedule, query: NextRunQuery): PlannedRun {
  const { lastFired, now } = query;
  assertInstant(lastFired);
  assertInstant(now);
  const timetable = createTimetable(schedule);
  const past = lastRunUntil(timetable, now, lastFired);
  if (past === undefined) return upcoming(timetable, query);
  const startAt = startTime(past, query);
  const onTime = now <= startAt + LATE_START_MS;
  if (startAt > now || (onTime && timetable.window.at(now).open)) {
    return { at: past.at, startAt, reason: "scheduled" };
  }
  return catchUp(timetable, query, past, startAt) ?? upcoming(timetable, query);
}

/** The first run whose time is later than now. */
function upcoming(timetable: Timetable, query: NextRunQuery): PlannedRun {
  const stretch = timetable.window.at(query.now);
  // What came since the window closed has not had its time yet.
  const since = stretch.open ? query.now : stretch.start - 1;
  const run = runAfter(timetable, Math.max(query.lastFired, since));
  return { at: run.at, startAt: startTime(run, query), reason: "scheduled" };
}

/** @param missed - the last run that was missed */
function catchUp(
  timetable: Timetable,
  query: NextRunQuery,
  missed: Run,
  missedStart: number,
): PlannedRun | undefined {
  const policy = timetable.schedule.catchUp ?? DEFAULT_CATCH_UP;
  if (policy.policy === "skip") return undefined;
  const startAt = catchUpStart(timetable, query, missedStart);
  const actualStart = Math.max(startAt, query.now);
  if (actualStart - missed.at > policy.maxAgeSeconds * 1000) return undefined;
  if (runAfter(timetable, missed.at).at <= actualStart) return undefined;
  return { at: missed.at, startAt, reason: "catchUp" };
}

/** Depends on when the device came back instead of now where it can, so that asking later gives the same answer. */
function catchUpStart(timetable: Timetable, query: NextRunQuery, missedStart: number): number {
  const { now, availableSince = now } = query;
  const back = Math.max(missedStart, Math.min(availableSince, now));
  const startAt = spreadFrom(timetable, query, openingFrom(timetable, back), back);
  if (startAt > now) return startAt;
  // The window may have closed since: then the start is at the opening after that.
  const stretch = timetable.window.at(now);
  const opening = stretch.open ? stretch.start : stretch.end;
  return opening > startAt ? spreadFrom(timetable, query, opening, back) : startAt;
}

/** Nothing is spread that was only late, or that is wanted at once. */
function spreadFrom(timetable: Timetable, query: NextRunQuery, from: number, back: number): number {
  const known = query.availableSince !== undefined && query.availableSince === back;
  if (!known && from === back) return from;
  return from + spread(jitterFrom(timetable, from), "catchUp", query.plan, query.device, from);
}
