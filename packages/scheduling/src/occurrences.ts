/**
 * When a calendar's local times come in a time zone, also on days on which the clock is changed.
 *
 * The policy is that of cron(8) of Debian and cronie ("jobs that run at a specific time" and those "with a granularity
 * greater than one hour" against jobs that "run more frequently"); `cron -s` of FreeBSD draws the same line:
 *
 * - A rule with a run in every hour of the day follows elapsed time. It runs at each instant whose local time it names:
 *   in both passes of a repeated hour, and not for local times that are skipped.
 * - Any other rule runs once for each local time that it names: the first time the clock shows a repeated one, and for
 *   a skipped one at the instant at which the clock is set forward. Several skipped ones are one run.
 *
 * Unlike cron, this makes no difference between changes of up to three hours and longer ones (a zone that skips a date),
 * nor between ways to write the same times (`*` and `0-23`).
 *
 * @module
 */
import { type Calendar, lastMatchingDay, matchesDay, nextMatchingDay } from "./calendar.ts";
import { DAY_MS, MINUTE_MS } from "./dates.ts";
import { firstInstant, type TimeZone } from "./time-zone.ts";

/**
 * Occurrences of one calendar in one zone. Searches look {@link SEARCH_DAYS} days ahead or back, which finds one for
 * every calendar that has any.
 */
export interface Occurrences {
  /** The first occurrence later than `instant`. */
  after(instant: number): number | undefined;
  /** The last occurrence at or before `instant` and later than `limit`. */
  lastUntil(instant: number, limit: number): number | undefined;
}

/** 50 years: the rarest date, a 29 February on one weekday, comes after 40 at the latest. */
export const SEARCH_DAYS = 50 * 366;

/** Days of which the occurrences are kept, so that asking for many in a row costs each day once. */
const MAX_CACHED_DAYS = 8;

export function createOccurrences(calendar: Calendar, zone: TimeZone): Occurrences {
  const cache = new Map<number, readonly number[]>();
  const ofDay = (epochDay: number): readonly number[] => {
    const known = cache.get(epochDay);
    if (known !== undefined) return known;
    if (cache.size >= MAX_CACHED_DAYS) cache.clear();
    const instants = findInDay(calendar, zone, epochDay);
    cache.set(epochDay, instants);
    return instants;
  };
  // A rare rule next to a frequent one is asked often for the same occurrence.
  let last = { after: Number.POSITIVE_INFINITY, found: Number.NEGATIVE_INFINITY };
  return {
    after(instant) {
      if (instant >= last.after && instant < last.found) return last.found;
      const found = findAfter(calendar, ofDay, instant);
      if (found !== undefined) last = { after: instant, found };
      return found;
    },
    lastUntil: (instant, limit) => findLast(calendar, ofDay, instant, limit),
  };
}

type OfDay = (epochDay: number) => readonly number[];

// A UTC day may hold local times of the dates before and after it: these dates are looked for first, because asking
// the calendar costs less than asking the zone.

function findAfter(calendar: Calendar, ofDay: OfDay, instant: number): number | undefined {
  const end = Math.floor(instant / DAY_MS) + SEARCH_DAYS;
  for (let epochDay = Math.floor(instant / DAY_MS); epochDay <= end; epochDay += 1) {
    const date = nextMatchingDay(calendar, epochDay - 1, end + 1);
    if (date === undefined) return undefined;
    epochDay = Math.max(epochDay, date - 1);
    const found = ofDay(epochDay).find((occurrence) => occurrence > instant);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findLast(calendar: Calendar, ofDay: OfDay, instant: number, limit: number): number | undefined {
  const start = Math.max(Math.floor(limit / DAY_MS), Math.floor(instant / DAY_MS) - SEARCH_DAYS);
  for (let epochDay = Math.floor(instant / DAY_MS); epochDay >= start; epochDay -= 1) {
    const date = lastMatchingDay(calendar, epochDay + 1, start - 1);
    if (date === undefined) return undefined;
    epochDay = Math.min(epochDay, date + 1);
    const found = ofDay(epochDay).findLast((occurrence) => occurrence <= instant);
    if (found !== undefined) return found > limit ? found : undefined;
  }
  return undefined;
}

/** Occurrences in one UTC day, ascending; several times where several skipped times are one run. */
function findInDay(calendar: Calendar, zone: TimeZone, epochDay: number): readonly number[] {
  return calendar.hourly
    ? findElapsed(calendar, zone, epochDay)
    : findOncePerLocalTime(calendar, zone, epochDay);
}

function findElapsed(calendar: Calendar, zone: TimeZone, epochDay: number): readonly number[] {
  const instants: number[] = [];
  for (const { start, end, offset } of zone.partsOfDay(epochDay)) {
    for (const local of localTimes(calendar, start + offset, end + offset)) instants.push(local - offset);
  }
  return instants;
}

function findOncePerLocalTime(calendar: Calendar, zone: TimeZone, epochDay: number): readonly number[] {
  const start = epochDay * DAY_MS;
  const end = start + DAY_MS;
  const instants: number[] = [];
  for (const local of localTimes(calendar, start - DAY_MS, end + DAY_MS)) {
    const instant = firstInstant(zone, local);
    if (instant >= start && instant < end) instants.push(instant);
  }
  return instants;
}

/** The local times of the calendar from `from` on and before `to`, ascending. */
function* localTimes(calendar: Calendar, from: number, to: number): Generator<number> {
  for (let date = Math.floor(from / DAY_MS); date * DAY_MS < to; date += 1) {
    if (!matchesDay(calendar, date)) continue;
    for (const minute of calendar.minutes) {
      const local = date * DAY_MS + minute * MINUTE_MS;
      if (local >= from && local < to) yield local;
    }
  }
}
