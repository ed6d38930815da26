/**
 * What is refused: a table of one mistake each, and hostile values of every kind in a bounded time.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { isAppError } from "@holdfast/kernel";
import {
  decodeSchedule,
  describeSchedule,
  nextRun,
  nextRuns,
  type Schedule,
  SCHEDULE_LIMITS,
  validateSchedule,
  windowAt,
} from "../src/index.ts";
import { anyExpression, anySchedule, at, cron } from "./samples.ts";

const DAILY = { kind: "daily", times: ["22:00"] };
const HOURS = { weekdays: ["monday"], from: "22:00", to: "06:00" };
const FULL = {
  timeZone: "Europe/Berlin",
  rules: [
    DAILY,
    { kind: "cron", expression: "0 22 * * mon-fri" },
    { kind: "cron", expression: "\t0   22 1 JAN,Feb SUN " },
    { kind: "minutely", interval: 720, startTime: "00:07" },
    { kind: "hourly", interval: 24 },
    { kind: "weekly", weekdays: ["monday"], times: ["00:00"] },
    { kind: "monthly", on: { kind: "day", day: 31 }, times: ["23:59"] },
    { kind: "monthly", on: { kind: "lastDay" }, months: [1, 12], times: ["23:59"] },
    { kind: "monthly", on: { kind: "weekday", ordinal: "last", weekday: "sunday" }, times: ["23:59"] },
  ],
  window: { allowed: [HOURS, { weekdays: ["sunday"], from: "00:00", to: "24:00" }] },
  jitterSeconds: 600,
  catchUp: { policy: "once", maxAgeSeconds: 3600 },
};

function rule(value: unknown): unknown {
  return { timeZone: "UTC", rules: [value] };
}

function expression(text: unknown): unknown {
  return rule({ kind: "cron", expression: text });
}

function monthly(on: unknown, more: object = {}): unknown {
  return rule({ kind: "monthly", on, times: ["22:00"], ...more });
}

suite("validation", () => {
  test("accepts every field, before and after a trip through JSON", () => {
    assert.deepEqual(validateSchedule(FULL), []);
    assert.deepEqual(validateSchedule(JSON.parse(JSON.stringify(FULL))), []);
    assert.equal(decodeSchedule(FULL), FULL);
    assert.deepEqual(validateSchedule({ timeZone: "UTC", rules: [DAILY], catchUp: { policy: "skip" } }), []);
    assert.deepEqual(validateSchedule({ timeZone: "UTC", rules: [DAILY], window: undefined }), []);
  });

  const table: readonly (readonly [value: unknown, path: string, message: RegExp])[] = [
    [null, "", /null instead of an object/],
    [[], "", /a list instead of an object/],
    ["0 22 * * *", "", /instead of an object/],
    [{ rules: [DAILY] }, "timeZone", /timeZone is missing/],
    [{ timeZone: "UTC" }, "rules", /rules is missing/],
    [{ ...FULL, jitter: 5 }, "", /"jitter" is not known/],
    [{ ...FULL, timeZone: "Berlin" }, "timeZone", /"Berlin" is not a time zone/],
    [{ ...FULL, timeZone: "+02:00" }, "timeZone", /not a time zone/],
    [{ ...FULL, timeZone: 2 }, "timeZone", /2 is not a time zone/],
    [{ ...FULL, rules: [] }, "rules", /0 elements/],
    [{ ...FULL, rules: {} }, "rules", /an object instead of a list/],
    [{ ...FULL, rules: Array.from({ length: 33 }, () => DAILY) }, "rules", /33 elements; 1 to 32/],
    [rule("daily"), "rules.0", /"daily" instead of a rule/],
    [rule({ times: ["22:00"] }), "rules.0.kind", /undefined is not known/],
    [rule({ kind: "yearly" }), "rules.0.kind", /"yearly" is not known/],
    [rule({ kind: "toString" }), "rules.0.kind", /not known/],
    [rule({ kind: "daily" }), "rules.0.times", /times is missing/],
    [rule({ kind: "daily", times: [] }), "rules.0.times", /0 elements/],
    [rule({ kind: "daily", times: ["22:00"], weekdays: [] }), "rules.0", /"weekdays" is not known/],
    [rule({ kind: "daily", times: ["22:00", "7:00"] }), "rules.0.times.1", /"7:00" is not a time/],
    [rule({ kind: "daily", times: ["24:00"] }), "rules.0.times.0", /"24:00" is not a time/],
    [rule({ kind: "daily", times: ["22:60"] }), "rules.0.times.0", /not a time/],
    [rule({ kind: "daily", times: ["22:00\n"] }), "rules.0.times.0", /not a time/],
    [rule({ kind: "daily", times: [2200] }), "rules.0.times.0", /not a time/],
    [rule({ kind: "weekly", weekdays: [], times: ["22:00"] }), "rules.0.weekdays", /0 elements/],
    [
      rule({ kind: "weekly", weekdays: ["Mon"], times: ["22:00"] }),
      "rules.0.weekdays.0",
      /"Mon" is not a day/,
    ],
    [rule({ kind: "minutely", interval: 7 }), "rules.0.interval", /cannot be divided by 7/],
    [rule({ kind: "minutely", interval: 0 }), "rules.0.interval", /0 is not possible/],
    [rule({ kind: "minutely", interval: 1.5 }), "rules.0.interval", /1.5 is not possible/],
    [rule({ kind: "minutely", interval: "15" }), "rules.0.interval", /"15" is not possible/],
    [rule({ kind: "hourly", interval: 5 }), "rules.0.interval", /cannot be divided by 5/],
    [rule({ kind: "hourly", interval: 48 }), "rules.0.interval", /48 is not possible/],
    [rule({ kind: "hourly", interval: 6, startTime: "6" }), "rules.0.startTime", /"6" is not a time/],
    [monthly("last"), "rules.0.on.kind", /undefined is not known/],
    [monthly({ kind: "day", day: 32 }), "rules.0.on.day", /32 is not possible/],
    [monthly({ kind: "day", day: 0 }), "rules.0.on.day", /0 is not possible/],
    [monthly({ kind: "lastDay", day: 1 }), "rules.0.on", /"day" is not known/],
    [monthly({ kind: "weekday", ordinal: 6, weekday: "monday" }), "rules.0.on.ordinal", /6 does not say/],
    [monthly({ kind: "weekday", ordinal: 1, weekday: 1 }), "rules.0.on.weekday", /1 is not a day/],
    [monthly({ kind: "day", day: 1 }, { months: [13] }), "rules.0.months.0", /13 is not possible/],
    [monthly({ kind: "day", day: 1 }, { months: [] }), "rules.0.months", /0 elements/],
    [monthly({ kind: "day", day: 31 }, { months: [2, 4, 6, 9, 11] }), "rules.0", /never runs/],
    [expression("0 0 31 2 *"), "rules.0", /never runs/],
    [expression("0 0 30-31 2 */2"), "rules.0", /never runs/],
    [expression("0 0 31 4,6,9,11 *"), "rules.0", /never runs/],
    [expression(""), "rules.0.expression", /0 fields instead of 5/],
    [expression("* * * *"), "rules.0.expression", /4 fields/],
    [expression("0 0 22 * * *"), "rules.0.expression", /6 fields/],
    [expression("60 * * * *"), "rules.0.expression", /"60" in the field "minute" is out of range/],
    [expression("* 24 * * *"), "rules.0.expression", /"hour" is out of range/],
    [expression("* * 0 * *"), "rules.0.expression", /"day of month" is out of range/],
    [expression("* * * 13 *"), "rules.0.expression", /"month" is out of range/],
    [expression("* * * * 8"), "rules.0.expression", /"day of week" is out of range/],
    [expression("* * * mon *"), "rules.0.expression", /"mon" is not understood in the field "month"/],
    [expression("* * L * *"), "rules.0.expression", /"L" is not understood/],
    [expression("* * ? * *"), "rules.0.expression", /"\?" is not understood/],
    [expression("* * * * 1#2"), "rules.0.expression", /"1#2" is not understood/],
    [expression("5/15 * * * *"), "rules.0.expression", /steps from a single value/],
    [expression("*/0 * * * *"), "rules.0.expression", /step/],
    [expression("*/ * * * *"), "rules.0.expression", /step/],
    [expression("*/5/5 * * * *"), "rules.0.expression", /not understood/],
    [expression("1-2-3 * * * *"), "rules.0.expression", /not understood/],
    [expression("1, * * * *"), "rules.0.expression", /not understood/],
    [expression("-5 * * * *"), "rules.0.expression", /not understood/],
    [expression("1e1 * * * *"), "rules.0.expression", /not understood/],
    [expression("٣ * * * *"), "rules.0.expression", /not understood/],
    [expression("0 22-2 * * *"), "rules.0.expression", /ends before it begins/],
    [expression("0 0 * * fri-mon"), "rules.0.expression", /ends before it begins/],
    [expression("@reboot"), "rules.0.expression", /"@reboot" is not a word/],
    [expression(`0 ${"0,".repeat(200)}0 * * *`), "rules.0.expression", /characters; 256 are allowed/],
    [expression(5), "rules.0.expression", /5 instead of a text/],
    [{ ...FULL, window: {} }, "window.allowed", /allowed is missing/],
    [{ ...FULL, window: [] }, "window", /a list instead of an object/],
    [{ ...FULL, window: { allowed: [] } }, "window.allowed", /0 elements/],
    [
      { ...FULL, window: { allowed: [{ ...HOURS, to: "22:00" }] } },
      "window.allowed.0.to",
      /begin and end at "22:00"/,
    ],
    [{ ...FULL, window: { allowed: [{ ...HOURS, from: "24:00" }] } }, "window.allowed.0.from", /not a time/],
    [
      { ...FULL, window: { allowed: [HOURS, { ...HOURS, weekdays: [] }] } },
      "window.allowed.1.weekdays",
      /0 elements/,
    ],
    [{ ...FULL, jitterSeconds: -1 }, "jitterSeconds", /-1 is not possible/],
    [{ ...FULL, jitterSeconds: 86_401 }, "jitterSeconds", /not possible/],
    [{ ...FULL, catchUp: "once" }, "catchUp.policy", /undefined is not known/],
    [{ ...FULL, catchUp: { policy: "once" } }, "catchUp.maxAgeSeconds", /is missing/],
    [{ ...FULL, catchUp: { policy: "skip", maxAgeSeconds: 1 } }, "catchUp", /"maxAgeSeconds" is not known/],
    [{ ...FULL, catchUp: { policy: "all" } }, "catchUp.policy", /"all" is not known/],
    [{ ...FULL, retry: { maxRetries: 1 } }, "", /"retry" is not known/],
  ];
  for (const [value, path, message] of table) {
    test(`${path === "" ? "schedule" : path}: ${message.source}`, () => {
      const problems = validateSchedule(value);
      assert.equal(problems.length, 1, JSON.stringify(problems));
      const [problem] = problems;
      assert.equal(problem?.path.join("."), path);
      assert.match(problem?.message ?? "", message);
      assert.match(problem?.message ?? "", /\.$/);
      assert.match(problem?.remedy ?? "", /\.$/);
    });
  }

  test("tells the problems of all parts together", () => {
    const value = {
      timeZone: "x",
      rules: [{ kind: "daily", times: ["1"] }, {}],
      window: 1,
      catchUp: 2,
      extra: 3,
    };
    assert.deepEqual(
      validateSchedule(value).map(({ path }) => path.join(".")),
      ["", "timeZone", "rules.0.times.0", "rules.1.kind", "window", "catchUp.policy"],
    );
  });

  test("the advice for an interval and for a range is valid itself", () => {
    assert.equal(validateSchedule(rule({ kind: "minutely", interval: 7 }))[0]?.remedy, "Use 6 or 8.");
    const [problem] = validateSchedule(expression("0 22-2 * * fri"));
    assert.match(problem?.remedy ?? "", /"22-23,0-2"/);
    assert.deepEqual(validateSchedule(expression("0 22-23,0-2 * * fri")), []);
  });

  test("every function refuses an invalid schedule with ERR_USAGE, its place and a way out", () => {
    const invalid: Schedule = cron("0 0 31 2 *");
    for (const call of [
      () => decodeSchedule(invalid),
      () => describeSchedule(invalid),
      () => nextRuns(invalid, 0, 1),
      () => nextRun(invalid, { plan: "p", device: "d", lastFired: 0, now: 1 }),
      () => windowAt(invalid, 0),
    ]) {
      assert.throws(call, (error) => {
        assert.ok(isAppError(error, "ERR_USAGE"));
        assert.equal(error.subject, "rules.0");
        assert.match(error.remedy ?? "", /\.$/);
        return true;
      });
    }
  });

  test("an instant that is none is a fault of the caller", () => {
    for (const after of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 8.64e15]) {
      assert.throws(() => nextRuns(cron("0 0 * * *"), after, 1), assert.AssertionError);
    }
    assert.throws(() => nextRuns(cron("0 0 * * *"), 0, 1001), assert.AssertionError);
    assert.equal(nextRuns(cron("0 0 29 2 *"), at("+009000-01-01T00:00Z"), 1).length, 1);
  });
});

suite("hostile values", () => {
  const BUDGET_MS = 10_000;

  function within(work: () => void): void {
    const start = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(start);
    const spentMs = (user + system) / 1000;
    assert.ok(spentMs < BUDGET_MS, `took ${spentMs} ms of a processor`);
  }

  test("any JSON gets an answer", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.ok(validateSchedule(value).length > 0);
      }),
    );
  });

  test("a schedule with one part replaced is either refused or works", () => {
    const keys = Object.keys(FULL);
    fc.assert(
      fc.property(anySchedule, fc.constantFrom(...keys), fc.jsonValue(), (schedule, key, value) => {
        const changed: unknown = { ...schedule, [key]: value };
        if (validateSchedule(changed).length > 0) return;
        assert.equal(nextRuns(decodeSchedule(changed), 0, 3).length, 3);
      }),
    );
  });

  const anyCronText = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.string({ unit: fc.constantFrom(...Array.from("0123456789*/,-@ LW#?jansu\t\n\0é")), maxLength: 300 }),
    anyExpression.chain((text) =>
      fc
        .tuple(fc.nat({ max: text.length }), fc.string({ unit: "binary", maxLength: 3 }))
        .map(([place, noise]) => text.slice(0, place) + noise + text.slice(place)),
    ),
  );

  test("any text as a cron expression or a zone is refused, or has next runs, soon", () => {
    fc.assert(
      fc.property(anyCronText, fc.oneof(fc.constant("Europe/Berlin"), fc.string()), (text, timeZone) => {
        within(() => {
          const schedule = cron(text, timeZone);
          const problems = validateSchedule(schedule);
          for (const problem of problems)
            assert.ok(problem.message.length < 400 && problem.remedy.length < 400);
          if (problems.length === 0) assert.equal(nextRuns(schedule, at("2026-01-01T00:00Z"), 5).length, 5);
        });
      }),
      { numRuns: process.env["SLOW"] === "1" ? 20_000 : 500 },
    );
  });

  test("the costliest schedules take a bounded time", () => {
    const all = { kind: "cron", expression: "* * * * *" } as const;
    const never = { kind: "cron", expression: "* * 31 2 *" } as const;
    const rare = {
      kind: "monthly",
      on: { kind: "weekday", ordinal: 5, weekday: "monday" },
      months: [2],
    } as const;
    const allowed = Array.from({ length: SCHEDULE_LIMITS.allowedHours }, (_, index) => ({
      weekdays: ["sunday"] as const,
      from: `02:${String(index % 60).padStart(2, "0")}`,
      to: `03:${String(index % 60).padStart(2, "0")}`,
    }));
    const many = <T>(value: T): readonly T[] => Array.from({ length: SCHEDULE_LIMITS.rules }, () => value);
    const times = Array.from(
      { length: SCHEDULE_LIMITS.timesPerRule },
      (_, index) => `${String(index % 24).padStart(2, "0")}:0${Math.floor(index / 24)}`,
    );
    const timeZone = "Europe/Berlin";
    within(() => {
      assert.equal(validateSchedule({ timeZone, rules: many(never) }).length, 32);
    });
    for (const rules of [many(all), many({ ...rare, times })]) {
      within(() => {
        const schedule: Schedule = { timeZone, rules, window: { allowed }, jitterSeconds: 86_400 };
        const query = { plan: "p", device: "d", lastFired: 0, now: at("2026-03-28T12:00Z") };
        assert.ok(nextRun(schedule, query).at > 0);
        assert.ok(nextRuns(schedule, at("2026-03-28T12:00Z"), 1000).length > 0);
      });
    }
    within(() => {
      assert.ok(validateSchedule("x".repeat(10_000_000)).length > 0);
      assert.ok(validateSchedule({ timeZone: "a/".repeat(5_000_000), rules: Array(1_000_000) }).length > 0);
      assert.ok(validateSchedule(expression("1,".repeat(5_000_000))).length > 0);
    });
  });
});
