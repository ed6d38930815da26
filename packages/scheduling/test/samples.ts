/**
 * Schedules, zones and changes of clocks that several tests use.
 *
 * @module
 */
import fc from "fast-check";
import { type AllowedHours, type Schedule, type ScheduleRule, WEEKDAYS } from "../src/index.ts";

export function at(text: string): number {
  const instant = Date.parse(text);
  if (Number.isNaN(instant)) throw new Error(`not an instant: ${text}`);
  return instant;
}

export function iso(instant: number): string {
  return new Date(instant).toISOString().replace(":00.000Z", "Z");
}

export function cron(expression: string, timeZone = "UTC"): Schedule {
  return { timeZone, rules: [{ kind: "cron", expression }] };
}

/** Instants shortly before a change of the clock, or of no particular day. */
export const MOMENTS: readonly (readonly [timeZone: string, instant: string])[] = [
  ["UTC", "2028-02-28T12:00Z"],
  ["Asia/Kolkata", "2026-01-01T00:00Z"],
  ["Asia/Kathmandu", "2026-07-01T00:00Z"],
  ["Europe/Berlin", "2026-03-28T12:00Z"],
  ["Europe/Berlin", "2026-10-24T12:00Z"],
  ["Europe/London", "2026-03-28T20:00Z"],
  ["America/New_York", "2026-03-07T20:00Z"],
  ["America/New_York", "2026-10-31T20:00Z"],
  ["America/Havana", "2026-03-07T20:00Z"],
  ["America/Havana", "2026-10-31T20:00Z"],
  ["America/St_Johns", "2010-03-13T20:00Z"],
  ["America/St_Johns", "2010-11-06T20:00Z"],
  ["Australia/Lord_Howe", "2026-04-03T20:00Z"],
  ["Australia/Lord_Howe", "2026-10-02T20:00Z"],
  ["Antarctica/Troll", "2026-03-28T12:00Z"],
  ["Antarctica/Troll", "2026-10-24T12:00Z"],
  ["Pacific/Apia", "2011-12-29T00:00Z"],
  ["Africa/Casablanca", "2026-02-14T12:00Z"],
  ["Africa/Casablanca", "2026-03-21T12:00Z"],
  ["Asia/Pyongyang", "2018-05-04T00:00Z"],
  ["Pacific/Kwajalein", "1993-08-20T00:00Z"],
];

export const anyMoment = fc
  .tuple(fc.constantFrom(...MOMENTS), fc.integer({ min: 0, max: 36 * 60 }))
  .map(([[timeZone, instant], minutes]) => ({ timeZone, instant: at(instant) + minutes * 60_000 }));

function anyItem(min: number, max: number): fc.Arbitrary<string> {
  const value = fc.integer({ min, max });
  const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const step = fc.integer({ min: 1, max: max - min });
  return fc.oneof(
    { weight: 4, arbitrary: value.map(String) },
    { weight: 2, arbitrary: range },
    { weight: 1, arbitrary: fc.tuple(range, step).map(([span, by]) => `${span}/${by}`) },
  );
}

function anyField(min: number, max: number, starWeight: number): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: starWeight, arbitrary: fc.constant("*") },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: max - min }).map((step) => `*/${step}`) },
    {
      weight: 4,
      arbitrary: fc.array(anyItem(min, max), { minLength: 1, maxLength: 3 }).map((items) => items.join(",")),
    },
  );
}

/** Expressions that run often enough to be met in a few days, most of them in the hours in which clocks are changed. */
export const anyExpression = fc
  .tuple(
    anyField(0, 59, 1),
    fc.oneof(anyField(0, 3, 1), anyField(0, 23, 3)),
    anyField(1, 31, 12),
    fc.oneof({ weight: 9, arbitrary: fc.constant("*") }, { weight: 1, arbitrary: anyField(1, 12, 1) }),
    anyField(0, 7, 12),
  )
  .map((fields) => fields.join(" "));

const anyTime = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
  .map(([hour, minute]) => `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`);

const anyTimes = fc.array(anyTime, { minLength: 1, maxLength: 4 });
const anyWeekdays = fc.uniqueArray(fc.constantFrom(...WEEKDAYS), { minLength: 1, maxLength: 7 });

export const anyRule: fc.Arbitrary<ScheduleRule> = fc.oneof(
  anyTimes.map((times) => ({ kind: "daily" as const, times })),
  fc.tuple(anyWeekdays, anyTimes).map(([weekdays, times]) => ({ kind: "weekly" as const, weekdays, times })),
  fc.constantFrom(1, 5, 15, 45, 90).map((interval) => ({ kind: "minutely" as const, interval })),
  fc
    .tuple(fc.constantFrom(1, 2, 6, 12), anyTime)
    .map(([interval, startTime]) => ({ kind: "hourly" as const, interval, startTime })),
  fc
    .tuple(fc.integer({ min: 1, max: 31 }), anyTimes)
    .map(([day, times]) => ({ kind: "monthly" as const, on: { kind: "day" as const, day }, times })),
);

export const anyHours: fc.Arbitrary<AllowedHours> = fc
  .record({ weekdays: anyWeekdays, from: anyTime, to: anyTime }, { noNullPrototype: true })
  .filter(({ from, to }) => from !== to);

export const anySchedule: fc.Arbitrary<Schedule> = fc.record(
  {
    timeZone: fc.constantFrom(...MOMENTS.map(([timeZone]) => timeZone)),
    rules: fc.array(anyRule, { minLength: 1, maxLength: 3 }),
    window: fc.option(
      fc.array(anyHours, { minLength: 1, maxLength: 3 }).map((allowed) => ({ allowed })),
      { nil: undefined },
    ),
    jitterSeconds: fc.constantFrom(0, 60, 3600, 86_400),
  },
  { noNullPrototype: true },
);
