/**
 * The runs of a schedule: the occurrences of all its rules together, moved into the backup window.
 *
 * An occurrence outside the window waits for the opening. All that wait for the same opening are one run, together with
 * an occurrence at that very instant.
 *
 * @module
 */
import assert from "node:assert/strict";
import { toCalendar } from "./calendar.ts";
import { DAY_MS } from "./dates.ts";
import { createOccurrences, type Occurrences, SEARCH_DAYS } from "./occurrences.ts";
import type { Schedule } from "./schedule.ts";
import { spread } from "./spread.ts";
import { openTimeZone } from "./time-zone.ts";
import { decodeSchedule } from "./validate.ts";
import { createWindowClock, type WindowClock } from "./window.ts";

/** One run of a plan, before it is known for which device. Instants are milliseconds since the epoch. */
export interface Run {
  /** When the run is for: the time of a rule, or the opening of the window. Identifies the run within its plan. */
  readonly at: number;
  /** The latest time of a rule that this run is for; earlier than `at` when the run waits for the window. */
  readonly due: number;
  /** The run starts on each device at some instant from `at` on and less than so much later; 0 for at `at`. */
  readonly jitterMs: number;
}

/** Who runs: ids that never change. */
export interface RunTarget {
  readonly plan: string;
  readonly device: string;
}

/** Whether backups may run at an instant, and when that changes. */
export type WindowState =
  | { readonly open: true /** Absent when it never closes. */; readonly closesAt?: number }
  | { readonly open: false; readonly opensAt: number };

export const MAX_RUNS = 1000;

/** Instants from 1970 to about the year 9000: what comes after them is inside the range of dates as well. */
const MAX_INSTANT = 222_000_000_000_000;

/** A schedule made ready for questions. */
export interface Timetable {
  readonly schedule: Schedule;
  readonly window: WindowClock;
  readonly jitterMs: number;
  readonly occurrences: readonly Occurrences[];
}

/** @throws {AppError} `ERR_USAGE` for a schedule that `validateSchedule` finds problems in */
export function createTimetable(schedule: Schedule): Timetable {
  decodeSchedule(schedule);
  const zone = openTimeZone(schedule.timeZone);
  assert(zone !== undefined, "a valid schedule has a time zone");
  return {
    schedule,
    window: createWindowClock(schedule.window, zone),
    jitterMs: (schedule.jitterSeconds ?? 0) * 1000,
    occurrences: schedule.rules.map((rule) => createOccurrences(toCalendar(rule), zone)),
  };
}

/**
 * The next `count` runs (at most {@link MAX_RUNS}) whose time is later than `after`, ascending; fewer when there are not
 * as many in the next 50 years, but at least one.
 *
 * @throws {AppError} `ERR_USAGE` for an invalid schedule
 */
export function nextRuns(schedule: Schedule, after: number, count: number): readonly Run[] {
  assert(Number.isSafeInteger(count) && count >= 0 && count <= MAX_RUNS);
  assertInstant(after);
  const timetable = createTimetable(schedule);
  const runs: Run[] = [];
  let previous = after;
  while (runs.length < count) {
    const run = runAfter(timetable, previous);
    if (runs.length > 0 && run.at > after + SEARCH_DAYS * DAY_MS) break;
    runs.push(run);
    previous = run.at;
  }
  return runs;
}

/**
 * When the run starts on this device: from `run.at` on, less than `run.jitterMs` later, always the same for the same
 * plan, device and run.
 */
export function startTime(run: Run, target: RunTarget): number {
  return run.at + spread(run.jitterMs, "start", target.plan, target.device, run.at);
}

/**
 * Whether backups may run at this instant; tasks that run are stopped at `closesAt`.
 *
 * @throws {AppError} `ERR_USAGE` for an invalid schedule
 */
export function windowAt(schedule: Schedule, instant: number): WindowState {
  assertInstant(instant);
  const stretch = createTimetable(schedule).window.at(instant);
  if (!stretch.open) return { open: false, opensAt: stretch.end };
  return Number.isFinite(stretch.end) ? { open: true, closesAt: stretch.end } : { open: true };
}

/** The first run for an occurrence later than `after`. */
export function runAfter(timetable: Timetable, after: number): Run {
  return runFor(timetable, firstOccurrence(timetable, after));
}

/** The last run whose time is not later than `instant`, for an occurrence later than `limit`. */
export function lastRunUntil(timetable: Timetable, instant: number, limit: number): Run | undefined {
  const stretch = timetable.window.at(instant);
  // What came since the window closed waits for its opening, which is later than `instant`.
  const occurrence = lastOccurrence(timetable, stretch.open ? instant : stretch.start - 1, limit);
  return occurrence === undefined ? undefined : runFor(timetable, occurrence);
}

/** The first instant from `instant` on at which the window is open. */
export function openingFrom(timetable: Timetable, instant: number): number {
  const stretch = timetable.window.at(instant);
  return stretch.open ? instant : stretch.end;
}

/** How long after `at`, inside the window, a start may lie so that it is before both the close and the next run. */
export function jitterFrom(timetable: Timetable, at: number): number {
  if (timetable.jitterMs === 0) return 0;
  const next = openingFrom(timetable, firstOccurrence(timetable, at));
  return Math.min(timetable.jitterMs, next - at, timetable.window.at(at).end - at);
}

export function assertInstant(instant: number): void {
  assert(Number.isSafeInteger(instant) && instant >= 0 && instant <= MAX_INSTANT);
}

function runFor(timetable: Timetable, occurrence: number): Run {
  const at = openingFrom(timetable, occurrence);
  const due = at === occurrence ? occurrence : (lastOccurrence(timetable, at, occurrence) ?? occurrence);
  return { at, due, jitterMs: jitterFrom(timetable, at) };
}

function firstOccurrence(timetable: Timetable, after: number): number {
  const found = timetable.occurrences.map(
    (occurrences) => occurrences.after(after) ?? Number.POSITIVE_INFINITY,
  );
  const first = Math.min(...found);
  assert(Number.isFinite(first), "a valid schedule always goes on");
  return first;
}

function lastOccurrence(timetable: Timetable, until: number, limit: number): number | undefined {
  let last: number | undefined;
  for (const occurrences of timetable.occurrences) {
    last = occurrences.lastUntil(until, last ?? limit) ?? last;
  }
  return last;
}
