/**
 * The backup window: at which instants backups may run.
 *
 * Hours are local times. Where the clock is changed, a border lies where a run at that time would start: at the first
 * of two instants when a time is repeated, at the change when it is skipped. So a window never opens twice for one date,
 * and hours that are skipped altogether do not exist on that date.
 *
 * @module
 */
import { parseTime, weekdayNumber } from "./calendar.ts";
import { DAY_MS, MINUTE_MS, MINUTES_PER_DAY, weekdayOfDay } from "./dates.ts";
import type { BackupWindow } from "./schedule.ts";
import { firstInstant, type TimeZone, toLocal } from "./time-zone.ts";

/** A stretch of time in which the window is open, or closed. */
export interface WindowStretch {
  readonly open: boolean;
  /** Not before the instant asked about by more than {@link DAYS_BACK} days. */
  readonly start: number;
  /** Exclusive; `Infinity` for a window that never closes. */
  readonly end: number;
}

export interface WindowClock {
  /** The stretch that holds the instant. */
  at(instant: number): WindowStretch;
}

/** Minutes of a local day from `from` up to and without `to`. */
interface MinuteRange {
  readonly from: number;
  readonly to: number;
}

/** A week, another in case a date is skipped, and a day on each side. */
const DAYS_BACK = 16;

/** Openings and closings of every window lie nearer than this, whatever a zone does. */
const DAYS_AHEAD = 60;

const ALWAYS: WindowClock = {
  at: () => ({ open: true, start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY }),
};

/** @param window - one that `validateSchedule` finds nothing wrong with */
export function createWindowClock(window: BackupWindow | undefined, zone: TimeZone): WindowClock {
  if (window === undefined) return ALWAYS;
  const week = toWeek(window);
  if (week.every(isWholeDay)) return ALWAYS;
  let last: WindowStretch | undefined; // questions about one run are mostly about one stretch
  return {
    at(instant) {
      if (last === undefined || instant < last.start || instant >= last.end) {
        last = findStretch(week, zone, instant);
      }
      return last;
    },
  };
}

/** Open minutes per weekday, Sunday first; ranges ascend and neither overlap nor touch. */
export function toWeek(window: BackupWindow): readonly (readonly MinuteRange[])[] {
  const days: MinuteRange[][] = Array.from({ length: 7 }, () => []);
  for (const hours of window.allowed) {
    const from = parseTime(hours.from);
    const to = parseTime(hours.to);
    for (const name of hours.weekdays) {
      const weekday = weekdayNumber(name);
      days[weekday]?.push({ from, to: to > from ? to : MINUTES_PER_DAY });
      if (to < from && to > 0) days[(weekday + 1) % 7]?.push({ from: 0, to });
    }
  }
  return days.map(mergeRanges);
}

function isWholeDay(ranges: readonly MinuteRange[]): boolean {
  return ranges[0]?.from === 0 && ranges[0].to === MINUTES_PER_DAY;
}

function mergeRanges(ranges: readonly MinuteRange[]): readonly MinuteRange[] {
  const merged: MinuteRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last === undefined || range.from > last.to) merged.push(range);
    else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
  }
  return merged;
}

function findStretch(
  week: readonly (readonly MinuteRange[])[],
  zone: TimeZone,
  instant: number,
): WindowStretch {
  const date = Math.floor(toLocal(zone, instant) / DAY_MS);
  let open: { readonly start: number; readonly end: number } | undefined;
  for (const next of openStretches(week, zone, date - DAYS_BACK, date + DAYS_AHEAD)) {
    if (open !== undefined && next.start <= open.end) {
      open = { start: open.start, end: Math.max(open.end, next.end) };
      continue;
    }
    if (open !== undefined && open.end > instant) return { open: true, ...open };
    if (next.start > instant) {
      return { open: false, start: open?.end ?? instant - DAYS_BACK * DAY_MS, end: next.start };
    }
    open = next;
  }
  throw new RangeError(`The backup window does not change in ${String(DAYS_AHEAD)} days.`);
}

function* openStretches(
  week: readonly (readonly MinuteRange[])[],
  zone: TimeZone,
  firstDate: number,
  lastDate: number,
): Generator<{ readonly start: number; readonly end: number }> {
  for (let date = firstDate; date <= lastDate; date += 1) {
    for (const { from, to } of week[weekdayOfDay(date)] ?? []) {
      const start = firstInstant(zone, date * DAY_MS + from * MINUTE_MS);
      const end = firstInstant(zone, date * DAY_MS + to * MINUTE_MS);
      if (end > start) yield { start, end };
    }
  }
}
