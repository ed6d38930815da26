/**
 * What every kind of rule becomes: which dates, and which minutes of these dates.
 *
 * @module
 */
import { type CronFields, parseCron } from "./cron.ts";
import { type CalendarDate, dateOfDay, MINUTES_PER_DAY } from "./dates.ts";
import { type MonthlyRule, type ScheduleRule, WEEKDAYS, type Weekday } from "./schedule.ts";

export type DayPattern =
  | {
      readonly kind: "fields";
      readonly monthDays: ReadonlySet<number>;
      /** 0 is Sunday. */
      readonly weekdays: ReadonlySet<number>;
      /** True when matching one of the two is enough. */
      readonly either: boolean;
    }
  | { readonly kind: "lastDay" }
  | { readonly kind: "weekday"; readonly ordinal: number | "last"; readonly weekday: number };

export interface Calendar {
  readonly months: ReadonlySet<number>;
  readonly days: DayPattern;
  /** Minutes of the local day, ascending, at least one. */
  readonly minutes: readonly number[];
  /** True when there is a run in every hour of the day: such rules follow elapsed time, see `occurrences.ts`. */
  readonly hourly: boolean;
}

const ALL_MONTHS = range(1, 12);
const ALL_MONTH_DAYS = range(1, 31);
const ALL_WEEKDAYS = range(0, 6);
const EVERY_DAY: DayPattern = {
  kind: "fields",
  monthDays: ALL_MONTH_DAYS,
  weekdays: ALL_WEEKDAYS,
  either: false,
};

/** @param rule - one that `validateSchedule` finds nothing wrong with */
export function toCalendar(rule: ScheduleRule): Calendar {
  switch (rule.kind) {
    case "cron":
      return fromCron(rule.expression);
    case "minutely":
      return createCalendar(EVERY_DAY, everyMinutes(rule.interval, rule.startTime));
    case "hourly":
      return createCalendar(EVERY_DAY, everyMinutes(rule.interval * 60, rule.startTime));
    case "daily":
    case "weekly":
    case "monthly":
      break;
  }
  const times = rule.times.map(parseTime);
  if (rule.kind === "daily") return createCalendar(EVERY_DAY, times);
  if (rule.kind === "weekly") {
    const weekdays = new Set(rule.weekdays.map(weekdayNumber));
    return createCalendar({ kind: "fields", monthDays: ALL_MONTH_DAYS, weekdays, either: false }, times);
  }
  return createCalendar(
    monthlyDays(rule.on),
    times,
    rule.months === undefined ? ALL_MONTHS : new Set(rule.months),
  );
}

/** Minutes since midnight of `HH:MM`. */
export function parseTime(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
}

/** 0 is Sunday. */
export function weekdayNumber(weekday: Weekday): number {
  return (WEEKDAYS.indexOf(weekday) + 1) % 7;
}

export function matchesDay(calendar: Calendar, epochDay: number): boolean {
  const date = dateOfDay(epochDay);
  return calendar.months.has(date.month) && matchesPattern(calendar.days, date);
}

/** The first matching date from `from` on, up to `to`. Leaves out months that do not match at once. */
export function nextMatchingDay(calendar: Calendar, from: number, to: number): number | undefined {
  for (let epochDay = from; epochDay <= to; epochDay += 1) {
    const date = dateOfDay(epochDay);
    if (!calendar.months.has(date.month)) epochDay += date.daysInMonth - date.day;
    else if (matchesPattern(calendar.days, date)) return epochDay;
  }
  return undefined;
}

/** The last matching date up to `from`, down to `to`. */
export function lastMatchingDay(calendar: Calendar, from: number, to: number): number | undefined {
  for (let epochDay = from; epochDay >= to; epochDay -= 1) {
    const date = dateOfDay(epochDay);
    if (!calendar.months.has(date.month)) epochDay -= date.day - 1;
    else if (matchesPattern(calendar.days, date)) return epochDay;
  }
  return undefined;
}

/** From 1970 to 1997 every year, leap or not, begins on every weekday: what no date of them matches, none does. */
const DAYS_OF_ALL_KINDS_OF_YEARS = 28 * 365 + 7;

export function hasAnyDay(calendar: Calendar): boolean {
  return nextMatchingDay(calendar, 0, DAYS_OF_ALL_KINDS_OF_YEARS - 1) !== undefined;
}

function matchesPattern(days: DayPattern, date: CalendarDate): boolean {
  if (days.kind === "lastDay") return date.day === date.daysInMonth;
  if (days.kind === "fields") {
    const monthDay = days.monthDays.has(date.day);
    const weekday = days.weekdays.has(date.weekday);
    return days.either ? monthDay || weekday : monthDay && weekday;
  }
  if (date.weekday !== days.weekday) return false;
  return days.ordinal === "last" ? date.day + 7 > date.daysInMonth : Math.ceil(date.day / 7) === days.ordinal;
}

function fromCron(expression: string): Calendar {
  const parsed = parseCron(expression);
  if ("problem" in parsed) throw new TypeError(parsed.problem.message);
  const { minutes, hours, months, monthDays, weekdays, eitherDay }: CronFields = parsed.fields;
  const times = [...hours].flatMap((hour) => [...minutes].map((minute) => hour * 60 + minute));
  return createCalendar({ kind: "fields", monthDays, weekdays, either: eitherDay }, times, months);
}

function monthlyDays(on: MonthlyRule["on"]): DayPattern {
  if (on.kind === "lastDay") return on;
  if (on.kind === "weekday") return { ...on, weekday: weekdayNumber(on.weekday) };
  return { kind: "fields", monthDays: new Set([on.day]), weekdays: ALL_WEEKDAYS, either: false };
}

function everyMinutes(interval: number, startTime = "00:00"): readonly number[] {
  const start = parseTime(startTime) % interval;
  return Array.from({ length: MINUTES_PER_DAY / interval }, (_, index) => start + index * interval);
}

function createCalendar(days: DayPattern, times: readonly number[], months = ALL_MONTHS): Calendar {
  const minutes = [...new Set(times)].toSorted((a, b) => a - b);
  const hourly = new Set(minutes.map((minute) => Math.floor(minute / 60))).size === 24;
  return { months, days, minutes, hourly };
}

function range(min: number, max: number): ReadonlySet<number> {
  return new Set(Array.from({ length: max - min + 1 }, (_, index) => min + index));
}
