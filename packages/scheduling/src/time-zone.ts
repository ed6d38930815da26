/**
 * Time zones: the offset of the local clock from UTC, and what happens where it changes.
 *
 * The rules are those that Node.js carries (IANA time zone database, through `Intl`). `Intl` answers only "what does the
 * clock show at this instant"; here this becomes parts of UTC days with one offset each, which is enough for both
 * directions. Offsets change at most once in a UTC day (tests check this for every zone).
 *
 * A *local time* is a number of milliseconds as if the local clock were UTC.
 *
 * @module
 */
import { DAY_MS } from "./dates.ts";

/** A stretch of one UTC day in which the offset does not change: `local = instant + offset`. */
export interface ZonePart {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

export interface TimeZone {
  readonly name: string;
  /** One part, or two when the offset changes within this UTC day. */
  partsOfDay(epochDay: number): readonly ZonePart[];
}

/** No change of an offset so far was longer than a day, and no offset is. */
const MAX_OFFSET_DAYS = 1;

const MAX_CACHED_ZONES = 128;
const MAX_CACHED_DAYS = 2048;
const cache = new Map<string, TimeZone>();

/** Undefined when this is not the name of a time zone. Offsets such as `+01:00` are not names. */
export function openTimeZone(name: string): TimeZone | undefined {
  const known = cache.get(name);
  if (known !== undefined) return known;
  const clock = name.length <= 64 && /^[A-Za-z][\w+/-]*$/.test(name) ? createClock(name) : undefined;
  if (clock === undefined) return undefined;
  const zone = createTimeZone(name, clock);
  if (cache.size >= MAX_CACHED_ZONES) cache.clear();
  cache.set(name, zone);
  return zone;
}

function createClock(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function createTimeZone(name: string, clock: Intl.DateTimeFormat): TimeZone {
  const days = new Map<number, readonly ZonePart[]>();
  return {
    name,
    partsOfDay(epochDay) {
      const known = days.get(epochDay);
      if (known !== undefined) return known;
      if (days.size >= MAX_CACHED_DAYS) days.clear();
      const parts = splitDay(clock, epochDay);
      days.set(epochDay, parts);
      return parts;
    },
  };
}

function splitDay(clock: Intl.DateTimeFormat, epochDay: number): readonly ZonePart[] {
  const start = epochDay * DAY_MS;
  const end = start + DAY_MS;
  const before = readOffset(clock, start);
  const after = readOffset(clock, end);
  if (before === after) return [{ start, end, offset: before }];
  let last = start; // the last second known to have the old offset
  let changed = end;
  while (changed - last > 1000) {
    const middle = last + Math.floor((changed - last) / 2000) * 1000;
    if (readOffset(clock, middle) === before) last = middle;
    else changed = middle;
  }
  const first = { start, end: changed, offset: before };
  return changed === end ? [first] : [first, { start: changed, end, offset: after }];
}

/** @param instant - whole seconds */
function readOffset(clock: Intl.DateTimeFormat, instant: number): number {
  const fields = new Map<string, number>();
  for (const { type, value } of clock.formatToParts(instant)) fields.set(type, Number(value));
  const field = (type: string): number => fields.get(type) ?? Number.NaN;
  const local = Date.UTC(
    field("year"),
    field("month") - 1,
    field("day"),
    field("hour"),
    field("minute"),
    field("second"),
  );
  return local - instant;
}

export function toLocal(zone: TimeZone, instant: number): number {
  for (const part of zone.partsOfDay(Math.floor(instant / DAY_MS))) {
    if (instant < part.end) return instant + part.offset;
  }
  throw new RangeError(`No part of a day holds the instant ${String(instant)}.`);
}

/**
 * The first instant at which the local clock shows this time or a later one. That is the first of two instants when
 * the clock was set back and shows the time twice, and the instant of the change when it was set forward past it.
 */
export function firstInstant(zone: TimeZone, local: number): number {
  const day = Math.floor(local / DAY_MS);
  for (let epochDay = day - MAX_OFFSET_DAYS - 1; epochDay <= day + MAX_OFFSET_DAYS + 1; epochDay += 1) {
    for (const part of zone.partsOfDay(epochDay)) {
      if (part.end + part.offset > local) return Math.max(part.start, local - part.offset);
    }
  }
  throw new RangeError(`The time zone ${zone.name} never reaches the local time ${String(local)}.`);
}
