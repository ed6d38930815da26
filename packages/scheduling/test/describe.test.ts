/**
 * Descriptions: what people read.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { describeRule, describeSchedule, type Schedule, type ScheduleRule, WEEKDAYS } from "../src/index.ts";
import { anySchedule } from "./samples.ts";

suite("descriptions", () => {
  const expressions: readonly (readonly [string, string])[] = [
    ["0 22 * * 1-5", "Every weekday at 22:00"],
    ["0 22 * * *", "Every day at 22:00"],
    ["0 22 * * 0-6", "Every day at 22:00"],
    ["0 22 * * 0,6", "Every Saturday and Sunday at 22:00"],
    ["0 22 * * 7", "Every Sunday at 22:00"],
    ["0 22 * * mon,wed,fri", "Every Monday, Wednesday and Friday at 22:00"],
    ["0 22 * * 1-4", "Every Monday to Thursday at 22:00"],
    ["5,35 6,22 * * *", "Every day at 06:05, 06:35, 22:05 and 22:35"],
    ["* * * * *", "Every minute"],
    ["*/15 * * * *", "Every 15 minutes"],
    ["7-59/15 * * * *", "Every 15 minutes from 00:07 on"],
    ["0 * * * *", "Every hour"],
    ["30 * * * *", "Every hour from 00:30 on"],
    ["0 */2 * * *", "Every 2 hours"],
    ["0 */2 * * 1-5", "Every weekday, every 2 hours"],
    ["*/15 8-17 * * *", "Every 15 minutes from 08:00 to 17:45"],
    ["0 8-18 * * 1-5", "Every weekday, every hour from 08:00 to 18:00"],
    ["1,2,5 0-9 * * *", "Every day at 00:01, 00:02, 00:05 and 27 other times"],
    ["0 0 1 * *", "On day 1 of every month at 00:00"],
    ["0 0 1-7,15 * *", "On days 1 to 7 and 15 of every month at 00:00"],
    ["0 0 31 * *", "On day 31 of every month that has it at 00:00"],
    ["0 0 31 1 *", "On day 31 of January at 00:00"],
    ["0 0 29 2 *", "On day 29 of February where it exists at 00:00"],
    ["0 0 1 1-3,7 *", "On day 1 of January to March and July at 00:00"],
    ["0 0 * 6-8 *", "Every day in June to August at 00:00"],
    ["0 0 13 * 5", "On day 13 of every month and every Friday at 00:00"],
    ["0 0 */13 * 5", "Every Friday that is one of the days 1, 14 and 27 of every month at 00:00"],
    ["@weekly", "Every Sunday at 00:00"],
  ];
  for (const [expression, expected] of expressions) {
    test(`${expression} is "${expected}"`, () => {
      assert.equal(describeRule({ kind: "cron", expression }), expected);
    });
  }

  const rules: readonly (readonly [ScheduleRule, string])[] = [
    [{ kind: "minutely", interval: 45 }, "Every 45 minutes"],
    [{ kind: "minutely", interval: 90, startTime: "00:30" }, "Every 90 minutes from 00:30 on"],
    [{ kind: "hourly", interval: 6, startTime: "02:00" }, "Every day at 02:00, 08:00, 14:00 and 20:00"],
    [{ kind: "hourly", interval: 3 }, "Every 3 hours"],
    [{ kind: "daily", times: ["22:00", "06:30"] }, "Every day at 06:30 and 22:00"],
    [
      { kind: "weekly", weekdays: ["friday", "monday"], times: ["22:00"] },
      "Every Monday and Friday at 22:00",
    ],
    [
      { kind: "monthly", on: { kind: "lastDay" }, times: ["22:00"] },
      "On the last day of every month at 22:00",
    ],
    [
      {
        kind: "monthly",
        on: { kind: "weekday", ordinal: 2, weekday: "tuesday" },
        months: [1, 4, 7, 10],
        times: ["22:00"],
      },
      "On the second Tuesday of January, April, July and October at 22:00",
    ],
    [
      { kind: "monthly", on: { kind: "weekday", ordinal: "last", weekday: "sunday" }, times: ["22:00"] },
      "On the last Sunday of every month at 22:00",
    ],
    [
      { kind: "monthly", on: { kind: "weekday", ordinal: 5, weekday: "sunday" }, times: ["22:00"] },
      "On the fifth Sunday of every month that has it at 22:00",
    ],
  ];
  for (const [rule, expected] of rules) {
    test(expected, () => {
      assert.equal(describeRule(rule), expected);
    });
  }

  const WEEKDAY_NIGHTS: Schedule = {
    timeZone: "Europe/Berlin",
    rules: [{ kind: "cron", expression: "0 22 * * 1-5" }],
  };

  test("a schedule names its time zone", () => {
    assert.equal(describeSchedule(WEEKDAY_NIGHTS), "Every weekday at 22:00 (Europe/Berlin)");
  });

  test("a schedule says everything that it holds", () => {
    const schedule: Schedule = {
      ...WEEKDAY_NIGHTS,
      rules: [...WEEKDAY_NIGHTS.rules, { kind: "monthly", on: { kind: "lastDay" }, times: ["12:00"] }],
      window: {
        allowed: [
          { weekdays: WEEKDAYS.slice(0, 5), from: "20:00", to: "06:00" },
          { weekdays: ["saturday", "sunday"], from: "00:00", to: "24:00" },
        ],
      },
      jitterSeconds: 600,
      catchUp: { policy: "once", maxAgeSeconds: 43_200 },
    };
    assert.equal(
      describeSchedule(schedule),
      "Every weekday at 22:00; on the last day of every month at 12:00 (Europe/Berlin). " +
        "Only Monday to Friday from 20:00 to 06:00 of the next day; Saturday and Sunday all day. " +
        "Starts are spread over 10 minutes. Missed runs are made up for by one run within 12 hours.",
    );
    assert.equal(
      describeSchedule({ ...WEEKDAY_NIGHTS, jitterSeconds: 90, catchUp: { policy: "skip" } }),
      "Every weekday at 22:00 (Europe/Berlin). Starts are spread over 90 seconds. Missed runs are skipped.",
    );
  });

  test("a window that is always open is not worth a word", () => {
    const window = { allowed: [{ weekdays: WEEKDAYS, from: "00:00", to: "24:00" }] };
    assert.equal(describeSchedule({ ...WEEKDAY_NIGHTS, window }), describeSchedule(WEEKDAY_NIGHTS));
  });

  test("every schedule has a description", () => {
    fc.assert(
      fc.property(anySchedule, (schedule) => {
        const text = describeSchedule(schedule);
        assert.match(text, /^(?:Every|On) /);
        assert.ok(!/undefined|NaN| {2}|,,/.test(text), text);
      }),
    );
  });
});
