/**
 * The backup window: a table over changes of the clock, and a comparison with a scan of every minute.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { type AllowedHours, nextRuns, type Schedule, WEEKDAYS, windowAt } from "../src/index.ts";
import { scanWindow } from "./oracle.ts";
import { anyHours, anyMoment, anySchedule, at, iso } from "./samples.ts";

function schedule(timeZone: string, ...allowed: readonly AllowedHours[]): Schedule {
  return { timeZone, rules: [{ kind: "minutely", interval: 15 }], window: { allowed } };
}

function show(plan: Schedule, instant: string): string {
  const state = windowAt(plan, at(instant));
  if (!state.open) return `opens ${iso(state.opensAt)}`;
  return state.closesAt === undefined ? "open" : `closes ${iso(state.closesAt)}`;
}

const NIGHTS: AllowedHours = { weekdays: WEEKDAYS, from: "22:00", to: "06:00" };
const WORKING_WEEK = WEEKDAYS.slice(0, 5);

suite("backup window", () => {
  const table: readonly (readonly [title: string, Schedule, instant: string, expected: string])[] = [
    ["no window", { timeZone: "UTC", rules: [{ kind: "hourly", interval: 1 }] }, "2026-01-01T00:00Z", "open"],
    [
      "every hour of the week",
      schedule(
        "UTC",
        { weekdays: WEEKDAYS, from: "00:00", to: "12:00" },
        { weekdays: WEEKDAYS, from: "12:00", to: "24:00" },
      ),
      "2026-01-01T00:00Z",
      "open",
    ],
    ["across midnight, before", schedule("UTC", NIGHTS), "2026-01-01T21:59Z", "opens 2026-01-01T22:00Z"],
    [
      "across midnight, first minute",
      schedule("UTC", NIGHTS),
      "2026-01-01T22:00Z",
      "closes 2026-01-02T06:00Z",
    ],
    [
      "across midnight, last minute",
      schedule("UTC", NIGHTS),
      "2026-01-02T05:59Z",
      "closes 2026-01-02T06:00Z",
    ],
    ["across midnight, closed", schedule("UTC", NIGHTS), "2026-01-02T06:00Z", "opens 2026-01-02T22:00Z"],
    [
      "to midnight",
      schedule("UTC", { weekdays: ["monday"], from: "22:00", to: "00:00" }),
      "2026-11-23T23:00Z",
      "closes 2026-11-24T00:00Z",
    ],
    [
      "from Saturday into Sunday, the week's ends",
      schedule("UTC", { weekdays: ["sunday"], from: "20:00", to: "04:00" }),
      "2026-11-23T03:00Z",
      "closes 2026-11-23T04:00Z",
    ],
    [
      "hours that touch are one stretch",
      schedule(
        "UTC",
        { weekdays: WORKING_WEEK, from: "20:00", to: "06:00" },
        { weekdays: ["saturday", "sunday"], from: "00:00", to: "24:00" },
        { weekdays: ["monday"], from: "00:00", to: "06:00" },
      ),
      "2026-11-20T21:00Z",
      "closes 2026-11-23T06:00Z",
    ],
    ["a short night", schedule("Europe/Berlin", NIGHTS), "2026-03-28T21:00Z", "closes 2026-03-29T04:00Z"],
    ["a long night", schedule("Europe/Berlin", NIGHTS), "2026-10-24T20:00Z", "closes 2026-10-25T05:00Z"],
    [
      "a border in a repeated hour is the first of two",
      schedule("Europe/Berlin", { weekdays: WEEKDAYS, from: "22:00", to: "02:30" }),
      "2026-10-25T00:15Z",
      "closes 2026-10-25T00:30Z",
    ],
    [
      "and stays closed when the time comes again",
      schedule("Europe/Berlin", { weekdays: WEEKDAYS, from: "22:00", to: "02:30" }),
      "2026-10-25T01:15Z",
      "opens 2026-10-25T21:00Z",
    ],
    [
      "a window that is open while the clock repeats itself",
      schedule("Europe/Berlin", { weekdays: WEEKDAYS, from: "02:30", to: "03:00" }),
      "2026-10-25T01:15Z",
      "closes 2026-10-25T02:00Z",
    ],
    [
      "hours that are skipped do not exist",
      schedule("Europe/Berlin", { weekdays: WEEKDAYS, from: "02:00", to: "02:45" }),
      "2026-03-29T00:30Z",
      "opens 2026-03-30T00:00Z",
    ],
    [
      "an opening that is skipped",
      schedule("Europe/Berlin", { weekdays: WEEKDAYS, from: "02:15", to: "05:00" }),
      "2026-03-29T00:30Z",
      "opens 2026-03-29T01:00Z",
    ],
    [
      "half an hour in Lord Howe",
      schedule("Australia/Lord_Howe", { weekdays: WEEKDAYS, from: "01:00", to: "03:00" }),
      "2026-10-03T15:00Z",
      "closes 2026-10-03T16:00Z",
    ],
    [
      "the only closed day is skipped",
      schedule("Pacific/Apia", {
        weekdays: WEEKDAYS.filter((day) => day !== "friday"),
        from: "00:00",
        to: "24:00",
      }),
      "2011-12-29T00:00Z",
      "closes 2012-01-05T10:00Z",
    ],
    [
      "the only open day is skipped",
      schedule("Pacific/Apia", { weekdays: ["friday"], from: "00:00", to: "24:00" }),
      "2011-12-29T00:00Z",
      "opens 2012-01-05T10:00Z",
    ],
  ];
  for (const [title, plan, instant, expected] of table) {
    test(title, () => {
      assert.equal(show(plan, instant), expected);
    });
  }

  test("is open at the minutes that a scan finds, and says when that changes", () => {
    fc.assert(
      fc.property(
        fc.array(anyHours, { minLength: 1, maxLength: 4 }),
        anyMoment,
        (allowed, { timeZone, instant }) => {
          const plan = schedule(timeZone, ...allowed);
          const scan = [...scanWindow(timeZone, allowed, [instant, instant + 4 * 86_400_000])];
          let change: number | undefined; // the next change of the scan, going backwards
          for (const [index, { instant: minute, open }] of [...scan.entries()].toReversed()) {
            if (scan[index + 1]?.open !== open) change = scan[index + 1]?.instant;
            const state = windowAt(plan, minute);
            assert.equal(state.open, open, `${timeZone} ${iso(minute)}`);
            const changesAt = state.open ? state.closesAt : state.opensAt;
            if (change !== undefined) assert.equal(changesAt, change, `${timeZone} ${iso(minute)}`);
          }
        },
      ),
      { numRuns: process.env["SLOW"] === "1" ? 200 : 6 },
    );
  });
});

suite("runs in the window", () => {
  test("what is due outside waits for the opening, and all that wait are one run", () => {
    const plan = schedule("UTC", { weekdays: ["monday"], from: "22:05", to: "22:35" });
    const runs = nextRuns(plan, at("2026-11-20T00:00Z"), 4);
    assert.deepEqual(
      runs.map((run) => [iso(run.at), iso(run.due)]),
      [
        ["2026-11-23T22:05Z", "2026-11-23T22:00Z"],
        ["2026-11-23T22:15Z", "2026-11-23T22:15Z"],
        ["2026-11-23T22:30Z", "2026-11-23T22:30Z"],
        ["2026-11-30T22:05Z", "2026-11-30T22:00Z"],
      ],
    );
  });

  test("a run at the closing waits, one at the opening does not", () => {
    const plan: Schedule = {
      timeZone: "UTC",
      rules: [{ kind: "daily", times: ["08:00", "12:00"] }],
      window: { allowed: [{ weekdays: WEEKDAYS, from: "08:00", to: "12:00" }] },
    };
    const runs = nextRuns(plan, at("2026-01-01T00:00Z"), 2);
    assert.deepEqual(
      runs.map((run) => [iso(run.at), iso(run.due)]),
      [
        ["2026-01-01T08:00Z", "2026-01-01T08:00Z"],
        ["2026-01-02T08:00Z", "2026-01-02T08:00Z"],
      ],
    );
  });

  test("runs ascend, lie in the window with all of their jitter, and asking from any of them goes on the same", () => {
    fc.assert(
      fc.property(anySchedule, anyMoment, (plan, { instant }) => {
        const runs = nextRuns(plan, instant, 20);
        assert.equal(runs.length, 20, "a valid schedule goes on");
        let previous = instant;
        for (const [index, run] of runs.entries()) {
          assert.ok(run.at > previous);
          assert.ok(run.due > previous && run.due <= run.at);
          const state = windowAt(plan, run.at);
          assert.ok(state.open);
          assert.ok(run.jitterMs <= (plan.jitterSeconds ?? 0) * 1000);
          assert.ok(run.at + run.jitterMs <= (runs[index + 1]?.at ?? Number.POSITIVE_INFINITY));
          assert.ok(run.at + run.jitterMs <= (state.closesAt ?? Number.POSITIVE_INFINITY));
          previous = run.at;
        }
        assert.deepEqual(nextRuns(plan, runs[9]?.at ?? 0, 10), runs.slice(10));
      }),
    );
  });
});
