/**
 * A schedule in plain English. What is said comes from the dates and times that a rule means, not from how it is
 * written, so a cron expression reads like the friendly rule that means the same.
 *
 * @module
 */
import { type Calendar, type DayPattern, toCalendar } from "./calendar.ts";
import { MINUTES_PER_DAY } from "./dates.ts";
import { type AllowedHours, type Schedule, type ScheduleRule, WEEKDAYS, type Weekday } from "./schedule.ts";
import { decodeSchedule } from "./validate.ts";
import { toWeek } from "./window.ts";
import { formatDuration, formatTime, joinNumbers, joinWords, plural } from "./words.ts";

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
] as const;

/** Days of each month, in the years in which it has fewest. */
const SHORTEST_LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

const ORDINALS = ["first", "second", "third", "fourth", "fifth"] as const;

/** More times than these a day are not listed one by one. */
const MAX_LISTED_TIMES = 6;

/**
 * Such as `Every weekday at 22:00 (Europe/Berlin)`; with more to say, sentences.
 *
 * @throws {AppError} `ERR_USAGE` for an invalid schedule
 */
export function describeSchedule(schedule: Schedule): string {
  decodeSchedule(schedule);
  const [first = "", ...others] = schedule.rules.map(describeRule);
  const rules = [first, ...others.map((text) => text.charAt(0).toLowerCase() + text.slice(1))].join("; ");
  const sentences = [`${rules} (${schedule.timeZone})`, ...describeOptions(schedule)];
  return sentences.length === 1 ? sentences.join("") : `${sentences.join(". ")}.`;
}

/** One rule without its time zone: `Every weekday at 22:00`. */
export function describeRule(rule: ScheduleRule): string {
  const calendar = toCalendar(rule);
  const days = describeDays(calendar);
  const times = describeTimes(calendar.minutes);
  if (times.startsWith("at ")) return `${days} ${times}`;
  return days === "Every day" ? times.charAt(0).toUpperCase() + times.slice(1) : `${days}, ${times}`;
}

function* describeOptions(schedule: Schedule): Generator<string> {
  const { window, jitterSeconds = 0, catchUp } = schedule;
  if (window !== undefined && !isAlwaysOpen(window.allowed)) {
    yield `Only ${window.allowed.map(describeHours).join("; ")}`;
  }
  if (jitterSeconds > 0) yield `Starts are spread over ${formatDuration(jitterSeconds)}`;
  if (catchUp?.policy === "skip") yield "Missed runs are skipped";
  if (catchUp?.policy === "once") {
    yield `Missed runs are made up for by one run within ${formatDuration(catchUp.maxAgeSeconds)}`;
  }
}

function isAlwaysOpen(allowed: readonly AllowedHours[]): boolean {
  return toWeek({ allowed }).every(([range]) => range?.from === 0 && range.to === MINUTES_PER_DAY);
}

function describeHours(hours: AllowedHours): string {
  const days = nameWeekdays(hours.weekdays.map((weekday) => WEEKDAYS.indexOf(weekday)));
  if (hours.from === "00:00" && hours.to === "24:00") return `${days} all day`;
  const nextDay = hours.to < hours.from && hours.to !== "00:00" ? " of the next day" : "";
  return `${days} from ${hours.from} to ${hours.to}${nextDay}`;
}

function describeDays({ days, months }: Calendar): string {
  const ofMonths = describeMonths(months);
  if (days.kind === "lastDay") return `On the last day${ofMonths}`;
  if (days.kind === "fields") return describeFields(days, months);
  const ordinal = days.ordinal === "last" ? "last" : (ORDINALS[days.ordinal - 1] ?? "");
  const exists = days.ordinal === 5 ? whereItExists(months) : "";
  return `On the ${ordinal} ${nameWeekday((days.weekday + 6) % 7)}${ofMonths}${exists}`;
}

function describeFields(days: Extract<DayPattern, { kind: "fields" }>, months: ReadonlySet<number>): string {
  const inMonths = months.size === 12 ? "" : ` in ${nameMonths(months)}`;
  const ofMonths = describeMonths(months);
  const weekdays = [...days.weekdays].map((weekday) => (weekday + 6) % 7);
  const everyWeekday = weekdays.length === 7;
  const named = everyWeekday ? "day" : isWorkingWeek(weekdays) ? "weekday" : nameWeekdays(weekdays);
  const monthDays = [...days.monthDays].toSorted((a, b) => a - b);
  const everyMonthDay = monthDays.length === 31;
  const word = monthDays.length === 1 ? "day" : "days";
  const dates = `${word} ${joinNumbers(monthDays)}`;
  if (days.either) {
    return everyWeekday || everyMonthDay
      ? `Every day${inMonths}`
      : `On ${dates}${ofMonths} and every ${named}${inMonths}`;
  }
  if (everyMonthDay) return `Every ${named}${inMonths}`;
  if (!everyWeekday) return `Every ${named} that is one of the ${dates.replace(/^day /, "days ")}${ofMonths}`;
  return `On ${dates}${ofMonths}${isMissingSomewhere(monthDays, months) ? whereItExists(months) : ""}`;
}

/** Whether one of the months has none of the days, at least in some years. */
function isMissingSomewhere(monthDays: readonly number[], months: ReadonlySet<number>): boolean {
  const [first = 1] = monthDays;
  return [...months].some((month) => first > (SHORTEST_LENGTHS[month - 1] ?? 31));
}

function whereItExists(months: ReadonlySet<number>): string {
  return months.size === 12 ? " that has it" : " where it exists";
}

function describeMonths(months: ReadonlySet<number>): string {
  return months.size === 12 ? " of every month" : ` of ${nameMonths(months)}`;
}

function describeTimes(minutes: readonly number[]): string {
  if (minutes.length <= MAX_LISTED_TIMES) return `at ${joinWords(minutes.map(formatTime))}`;
  const [first = 0, second = 0] = minutes;
  const last = minutes.at(-1) ?? 0;
  const step = second - first;
  if (minutes.every((minute, index) => minute === first + index * step)) {
    const each = describeStep(step);
    if (last + step < first + MINUTES_PER_DAY)
      return `${each} from ${formatTime(first)} to ${formatTime(last)}`;
    return first === 0 ? each : `${each} from ${formatTime(first)} on`;
  }
  const listed = minutes.slice(0, 3).map(formatTime).join(", ");
  return `at ${listed} and ${String(minutes.length - 3)} other times`;
}

function describeStep(step: number): string {
  const count = step % 60 === 0 ? step / 60 : step;
  const unit = step % 60 === 0 ? "hour" : "minute";
  return count === 1 ? `every ${unit}` : `every ${plural(count, unit)}`;
}

/** @param weekdays - 0 is Monday */
function isWorkingWeek(weekdays: readonly number[]): boolean {
  return weekdays.length === 5 && weekdays.every((weekday) => weekday < 5);
}

/** @param weekdays - 0 is Monday */
function nameWeekdays(weekdays: readonly number[]): string {
  const ascending = [...new Set(weekdays)].toSorted((a, b) => a - b);
  return joinNumbers(ascending, nameWeekday);
}

function nameWeekday(weekday: number): string {
  const name: Weekday = WEEKDAYS[weekday] ?? "monday";
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function nameMonths(months: ReadonlySet<number>): string {
  return joinNumbers(
    [...months].toSorted((a, b) => a - b),
    (month) => MONTHS[month - 1] ?? "",
  );
}
