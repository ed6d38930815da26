/**
 * When rules run: tables over real changes of clocks and calendars, and a comparison with a scan of every minute.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { nextRuns, type Schedule, type ScheduleRule, validateSchedule } from "../src/index.ts";
import { matchesCron, scanMinutes } from "./oracle.ts";
import { anyExpression, anyMoment, at, cron, iso } from "./samples.ts";

function runs(schedule: Schedule, after: string, count: number): readonly string[] {
  return nextRuns(schedule, at(after), count).map((run) => iso(run.at));
}

suite("changes of the clock", () => {
  const table: readonly (readonly [
    title: string,
    timeZone: string,
    expression: string,
    after: string,
    expected: readonly string[],
  ])[] = [
    [
      "a skipped time runs when the clock is set forward",
      "Europe/Berlin",
      "30 2 * * *",
      "2026-03-28T12:00Z",
      ["2026-03-29T01:00Z", "2026-03-30T00:30Z"],
    ],
    [
      "several skipped times are one run",
      "Europe/Berlin",
      "10,40 2 * * *",
      "2026-03-28T12:00Z",
      ["2026-03-29T01:00Z", "2026-03-30T00:10Z", "2026-03-30T00:40Z"],
    ],
    [
      "a skipped time and the time of the change are one run",
      "Europe/Berlin",
      "0 2,3 * * *",
      "2026-03-28T12:00Z",
      ["2026-03-29T01:00Z", "2026-03-30T00:00Z", "2026-03-30T01:00Z"],
    ],
    [
      "a repeated time runs the first time",
      "Europe/Berlin",
      "30 2 * * *",
      "2026-10-24T12:00Z",
      ["2026-10-25T00:30Z", "2026-10-26T01:30Z"],
    ],
    [
      "and not again when asked between the two",
      "Europe/Berlin",
      "30 2 * * *",
      "2026-10-25T00:30Z",
      ["2026-10-26T01:30Z"],
    ],
    [
      "minutes of a repeated hour run the first time",
      "Europe/Berlin",
      "*/30 2 * * *",
      "2026-10-24T12:00Z",
      ["2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-26T01:00Z"],
    ],
    [
      "a rule of every hour runs in both passes",
      "Europe/Berlin",
      "30 * * * *",
      "2026-10-24T23:45Z",
      ["2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-25T02:30Z"],
    ],
    [
      "a rule of every hour leaves skipped times out",
      "Europe/Berlin",
      "30 0-23 * * *",
      "2026-03-29T00:00Z",
      ["2026-03-29T00:30Z", "2026-03-29T01:30Z", "2026-03-29T02:30Z"],
    ],
    [
      "every second hour runs once for each time",
      "Europe/Berlin",
      "0 */2 * * *",
      "2026-10-24T21:00Z",
      ["2026-10-24T22:00Z", "2026-10-25T00:00Z", "2026-10-25T03:00Z"],
    ],
    [
      "New York forward",
      "America/New_York",
      "15 2 * * 0",
      "2026-03-07T12:00Z",
      ["2026-03-08T07:00Z", "2026-03-15T06:15Z"],
    ],
    [
      "New York back",
      "America/New_York",
      "30 1 * * *",
      "2026-10-31T12:00Z",
      ["2026-11-01T05:30Z", "2026-11-02T06:30Z"],
    ],
    [
      "Lord Howe forward by half an hour",
      "Australia/Lord_Howe",
      "10 2 * * *",
      "2026-10-02T16:00Z",
      ["2026-10-03T15:30Z", "2026-10-04T15:10Z"],
    ],
    [
      "Lord Howe back by half an hour",
      "Australia/Lord_Howe",
      "45 1 * * *",
      "2026-04-03T16:00Z",
      ["2026-04-04T14:45Z", "2026-04-05T15:15Z"],
    ],
    [
      "Havana skips midnight",
      "America/Havana",
      "30 0 * * *",
      "2026-03-07T12:00Z",
      ["2026-03-08T05:00Z", "2026-03-09T04:30Z"],
    ],
    [
      "Apia skips a date: its run comes when the next date begins",
      "Pacific/Apia",
      "0 12 * * *",
      "2011-12-29T00:00Z",
      ["2011-12-29T22:00Z", "2011-12-30T10:00Z", "2011-12-30T22:00Z"],
    ],
    [
      "Apia on the skipped date alone",
      "Pacific/Apia",
      "0 12 30 12 *",
      "2011-12-01T00:00Z",
      ["2011-12-30T10:00Z", "2012-12-29T22:00Z"],
    ],
    [
      "a zone without changes",
      "Asia/Kolkata",
      "30 2 * * *",
      "2026-03-28T12:00Z",
      ["2026-03-28T21:00Z", "2026-03-29T21:00Z"],
    ],
    ["UTC", "UTC", "30 2 * * *", "2026-03-28T12:00Z", ["2026-03-29T02:30Z", "2026-03-30T02:30Z"]],
  ];
  for (const [title, timeZone, expression, after, expected] of table) {
    test(title, () => {
      assert.deepEqual(runs(cron(expression, timeZone), after, expected.length), expected);
    });
  }
});

suite("calendar", () => {
  const table: readonly (readonly [
    title: string,
    rule: ScheduleRule,
    after: string,
    expected: readonly string[],
  ])[] = [
    [
      "29 February",
      { kind: "cron", expression: "0 0 29 2 *" },
      "2096-01-01T00:00Z",
      ["2096-02-29T00:00Z", "2104-02-29T00:00Z"],
    ],
    [
      "a year that a century keeps a leap year",
      { kind: "cron", expression: "0 0 29 2 *" },
      "1999-01-01T00:00Z",
      ["2000-02-29T00:00Z", "2004-02-29T00:00Z"],
    ],
    [
      "either day field",
      { kind: "cron", expression: "0 0 13 * 5" },
      "2026-02-01T00:00Z",
      [
        "2026-02-06T00:00Z",
        "2026-02-13T00:00Z",
        "2026-02-20T00:00Z",
        "2026-02-27T00:00Z",
        "2026-03-06T00:00Z",
        "2026-03-13T00:00Z",
      ],
    ],
    [
      "both day fields where one begins with a star",
      { kind: "cron", expression: "0 0 */13 * fri" },
      "2026-01-01T00:00Z",
      ["2026-02-27T00:00Z", "2026-03-27T00:00Z", "2026-05-01T00:00Z"],
    ],
    [
      "7 and 5-7 hold Sunday",
      { kind: "cron", expression: "0 0 * * 6-7" },
      "2026-05-01T00:00Z",
      ["2026-05-02T00:00Z", "2026-05-03T00:00Z", "2026-05-09T00:00Z"],
    ],
    [
      "@monthly",
      { kind: "cron", expression: "@monthly" },
      "2026-11-02T00:00Z",
      ["2026-12-01T00:00Z", "2027-01-01T00:00Z"],
    ],
    [
      "every 90 minutes",
      { kind: "minutely", interval: 90 },
      "2026-01-01T21:00Z",
      ["2026-01-01T22:30Z", "2026-01-02T00:00Z", "2026-01-02T01:30Z"],
    ],
    [
      "every 8 hours from a time",
      { kind: "hourly", interval: 8, startTime: "22:15" },
      "2026-01-01T00:00Z",
      ["2026-01-01T06:15Z", "2026-01-01T14:15Z", "2026-01-01T22:15Z", "2026-01-02T06:15Z"],
    ],
    [
      "daily, times in any order and twice",
      { kind: "daily", times: ["22:00", "06:30", "22:00"] },
      "2026-01-01T07:00Z",
      ["2026-01-01T22:00Z", "2026-01-02T06:30Z"],
    ],
    [
      "weekly",
      { kind: "weekly", weekdays: ["sunday", "wednesday"], times: ["01:00"] },
      "2026-11-22T01:00Z",
      ["2026-11-25T01:00Z", "2026-11-29T01:00Z"],
    ],
    [
      "day 31 only where it exists",
      { kind: "monthly", on: { kind: "day", day: 31 }, times: ["00:00"] },
      "2026-01-31T00:00Z",
      ["2026-03-31T00:00Z", "2026-05-31T00:00Z"],
    ],
    [
      "last day",
      { kind: "monthly", on: { kind: "lastDay" }, times: ["23:59"] },
      "2028-02-01T00:00Z",
      ["2028-02-29T23:59Z", "2028-03-31T23:59Z", "2028-04-30T23:59Z"],
    ],
    [
      "second Tuesday of some months",
      {
        kind: "monthly",
        on: { kind: "weekday", ordinal: 2, weekday: "tuesday" },
        months: [1, 7],
        times: ["03:00"],
      },
      "2026-01-01T00:00Z",
      ["2026-01-13T03:00Z", "2026-07-14T03:00Z", "2027-01-12T03:00Z"],
    ],
    [
      "the first and the last day of a month after others that are left out",
      { kind: "cron", expression: "0 0 1,31 7 *" },
      "2026-02-02T00:00Z",
      ["2026-07-01T00:00Z", "2026-07-31T00:00Z", "2027-07-01T00:00Z"],
    ],
    [
      "last Friday",
      { kind: "monthly", on: { kind: "weekday", ordinal: "last", weekday: "friday" }, times: ["03:00"] },
      "2026-01-01T00:00Z",
      [
        "2026-01-30T03:00Z",
        "2026-02-27T03:00Z",
        "2026-03-27T03:00Z",
        "2026-04-24T03:00Z",
        "2026-05-29T03:00Z",
        "2026-06-26T03:00Z",
        "2026-07-31T03:00Z",
        "2026-08-28T03:00Z",
      ],
    ],
    [
      "the rarest date: a fifth Monday in February",
      {
        kind: "monthly",
        on: { kind: "weekday", ordinal: 5, weekday: "monday" },
        months: [2],
        times: ["00:00"],
      },
      "2072-03-01T00:00Z",
      ["2112-02-29T00:00Z"],
    ],
  ];
  for (const [title, rule, after, expected] of table) {
    test(title, () => {
      assert.deepEqual(runs({ timeZone: "UTC", rules: [rule] }, after, expected.length), expected);
    });
  }

  test("a kind runs when the cron expression that means the same does", () => {
    const pairs: readonly (readonly [ScheduleRule, string])[] = [
      [{ kind: "minutely", interval: 15 }, "*/15 * * * *"],
      [{ kind: "hourly", interval: 6, startTime: "02:30" }, "30 2,8,14,20 * * *"],
      [{ kind: "daily", times: ["02:30"] }, "30 2 * * *"],
      [{ kind: "weekly", weekdays: ["monday", "sunday"], times: ["02:30"] }, "30 2 * * 0,1"],
      [{ kind: "monthly", on: { kind: "day", day: 29 }, times: ["02:30"] }, "30 2 29 * *"],
    ];
    for (const [rule, expression] of pairs) {
      const schedule = { timeZone: "Europe/Berlin", rules: [rule] };
      const after = at("2026-03-01T00:00Z");
      assert.deepEqual(
        nextRuns(schedule, after, 400),
        nextRuns(cron(expression, "Europe/Berlin"), after, 400),
      );
    }
  });
});

suite("against a scan of every minute", () => {
  const DAYS = 4;

  /** What each hour of a day must have for a rule to follow elapsed time. */
  function runsEveryHour(expression: string): boolean {
    const matches = matchesCron(expression.replace(/ \S+ \S+ \S+$/, " * * *"));
    const minutes = Array.from({ length: 60 }, (_, minute) => minute);
    return Array.from({ length: 24 }, (_, hour) => hour).every((hour) =>
      minutes.some((minute) => matches({ month: 1, day: 1, weekday: 1, hour, minute })),
    );
  }

  test("nextRuns finds the same instants", () => {
    let met = 0;
    fc.assert(
      fc.property(anyExpression, anyMoment, (expression, { timeZone, instant }) => {
        const schedule = cron(expression, timeZone);
        fc.pre(validateSchedule(schedule).length === 0);
        const end = instant + DAYS * 86_400_000;
        const once = !runsEveryHour(expression);
        const expected = scanMinutes(timeZone, matchesCron(expression), once, [instant, end]).slice(0, 500);
        const found = nextRuns(schedule, instant, expected.length + 1).map((run) => run.at);
        assert.deepEqual(found.slice(0, expected.length).map(iso), expected.map(iso));
        if (expected.length < 500) assert.ok((found[expected.length] ?? Number.POSITIVE_INFINITY) >= end);
        met += expected.length;
      }),
      { numRuns: process.env["SLOW"] === "1" ? 2000 : 80 },
    );
    assert.ok(met > 300, "the comparison met occurrences");
  });
});
