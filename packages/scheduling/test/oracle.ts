/**
 * Slow and simple answers to compare the real ones with: every minute of UTC is shown to `Intl`, and what the local
 * clock shows is matched. Only types come from the package.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AllowedHours } from "../src/index.ts";

const MINUTE_MS = 60_000;

export interface LocalMinute {
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
}

export type MatchesMinute = (local: LocalMinute) => boolean;

/** Every `*`, `a`, `a-b`, `/n` and list, by trying each value; day fields are joined as in crontab(5). */
export function matchesCron(expression: string): MatchesMinute {
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = expression.split(" ");
  const matches = (field: string, value: number, min: number): boolean =>
    field.split(",").some((item) => {
      const [span = "", step = "1"] = item.split("/");
      const [from = "", to = from] = span === "*" ? [String(min), "99"] : span.split("-");
      return value >= Number(from) && value <= Number(to) && (value - Number(from)) % Number(step) === 0;
    });
  return (local) => {
    const byDay = matches(day, local.day, 1);
    const byWeekday =
      matches(weekday, local.weekday, 0) ||
      (weekday.includes("7") && matches(weekday, 7, 0) && local.weekday === 0);
    const either = !day.startsWith("*") && !weekday.startsWith("*");
    return (
      matches(minute, local.minute, 0) &&
      matches(hour, local.hour, 0) &&
      matches(month, local.month, 1) &&
      (either ? byDay || byWeekday : byDay && byWeekday)
    );
  };
}

/** The local clock at every minute from `from` up to and without `to`, as if it were UTC. */
export function* localClock(
  timeZone: string,
  from: number,
  to: number,
): Generator<{ instant: number; local: number }> {
  const clock = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
  for (let instant = from; instant < to; instant += MINUTE_MS) {
    yield { instant, local: Date.parse(`${clock.format(instant).replace(" ", "T")}Z`) };
  }
}

function toMinute(local: number): LocalMinute {
  const date = new Date(local);
  return {
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
  };
}

/**
 * Instants later than `after` and before `to` at which the rule runs.
 *
 * @param once - each local time once, skipped ones when the clock is set forward; otherwise whenever the clock shows one
 */
export function scanMinutes(
  timeZone: string,
  matches: MatchesMinute,
  once: boolean,
  [after, to]: readonly [number, number],
): readonly number[] {
  const found: number[] = [];
  let newest: number | undefined; // the latest local time shown so far
  // Two days earlier, so that a clock that was set back just before is known.
  const from = Math.floor(after / MINUTE_MS) * MINUTE_MS - 2 * 1440 * MINUTE_MS;
  for (const { instant, local } of localClock(timeZone, from, to)) {
    assert.equal(local % MINUTE_MS, 0, "the zone's offset is whole minutes here");
    const shown = once ? newSince(newest, local) : [local];
    if (instant > after && shown.some((time) => matches(toMinute(time)))) found.push(instant);
    newest = Math.max(newest ?? local, local);
  }
  return found;
}

/** What the clock shows for the first time now: skipped minutes as well, nothing while it repeats itself. */
function newSince(newest: number | undefined, local: number): readonly number[] {
  if (newest === undefined) return [local];
  const minutes = Math.max(0, (local - newest) / MINUTE_MS);
  return Array.from({ length: minutes }, (_, index) => newest + (index + 1) * MINUTE_MS);
}

/**
 * For every minute from `from` up to and without `to`: whether the hours hold the latest local time shown so far. (While
 * the clock repeats itself, that is the time at which it was set back.)
 */
export function* scanWindow(
  timeZone: string,
  allowed: readonly AllowedHours[],
  [from, to]: readonly [number, number],
): Generator<{ readonly instant: number; readonly open: boolean }> {
  let newest = Number.NEGATIVE_INFINITY;
  for (const { instant, local } of localClock(timeZone, from - 2 * 1440 * MINUTE_MS, to)) {
    newest = Math.max(newest, local);
    if (instant >= from) yield { instant, open: allowed.some((hours) => holds(hours, new Date(newest))) };
  }
}

function holds({ weekdays, from, to }: AllowedHours, local: Date): boolean {
  const names = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
  const time = local.toISOString().slice(11, 16);
  const today = (weekdays as readonly string[]).includes(names[local.getUTCDay()] ?? "");
  const yesterday = (weekdays as readonly string[]).includes(names[(local.getUTCDay() + 6) % 7] ?? "");
  if (from < to) return today && time >= from && time < to;
  return (today && time >= from) || (yesterday && time < to);
}
