/**
 * What runs next on one device: jitter, catching up, and a simulated service that is there only now and then.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  LATE_START_MS,
  nextRun,
  type NextRunQuery,
  nextRuns,
  type PlannedRun,
  type Schedule,
  startTime,
  WEEKDAYS,
  windowAt,
} from "../src/index.ts";
import { anyMoment, anySchedule, at, iso } from "./samples.ts";

const TARGET = { plan: "plan-1", device: "device-1" };
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const NIGHTLY: Schedule = { timeZone: "UTC", rules: [{ kind: "daily", times: ["22:00"] }] };
const SKIPPING: Schedule = { ...NIGHTLY, catchUp: { policy: "skip" } };
const IN_WINDOW: Schedule = {
  ...NIGHTLY,
  window: { allowed: [{ weekdays: WEEKDAYS, from: "20:00", to: "02:00" }] },
};

function show(run: PlannedRun): string {
  return `${run.reason} ${iso(run.at)} at ${iso(run.startAt)}`;
}

suite("jitter", () => {
  const schedule: Schedule = { ...NIGHTLY, jitterSeconds: 3600 };

  test("pinned (computed with another language): a change would move the backups of every installation", () => {
    const [first, second] = nextRuns(schedule, at("2026-01-01T00:00Z"), 2);
    assert.ok(first !== undefined && second !== undefined);
    const offsets = [
      startTime(first, TARGET) - first.at,
      startTime(first, { ...TARGET, device: "device-2" }) - first.at,
      startTime(first, { ...TARGET, plan: "plan-2" }) - first.at,
      startTime(second, TARGET) - second.at,
    ];
    assert.deepEqual(offsets, [1_867_822, 3_592_502, 1_534_188, 908_442]);
  });

  test("a thousand devices spread evenly", () => {
    const [run] = nextRuns(schedule, at("2026-01-01T00:00Z"), 1);
    assert.ok(run !== undefined);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let device = 0; device < 1000; device += 1) {
      const offset: number = startTime(run, { plan: "plan", device: `device-${device}` }) - run.at;
      assert.ok(offset >= 0 && offset < HOUR_MS);
      const tenth = Math.floor(offset / (HOUR_MS / 10));
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    // 100 expected in each; standard deviation 9.5.
    assert.ok(
      tenths.every((count) => count > 55 && count < 145),
      tenths.join(),
    );
  });

  test("stays before the next run and before the window closes", () => {
    const often: Schedule = {
      timeZone: "UTC",
      rules: [{ kind: "minutely", interval: 15 }],
      jitterSeconds: 86_400,
    };
    assert.equal(nextRuns(often, at("2026-01-01T00:00Z"), 1)[0]?.jitterMs, 15 * MINUTE_MS);
    const closing: Schedule = {
      ...NIGHTLY,
      jitterSeconds: 86_400,
      window: { allowed: [{ weekdays: WEEKDAYS, from: "20:00", to: "22:10" }] },
    };
    assert.equal(nextRuns(closing, at("2026-01-01T00:00Z"), 1)[0]?.jitterMs, 10 * MINUTE_MS);
  });
});

suite("next run", () => {
  const table: readonly (readonly [
    title: string,
    schedule: Schedule,
    query: { readonly lastFired: string; readonly now: string; readonly availableSince?: string },
    expected: string,
  ])[] = [
    [
      "nothing missed",
      NIGHTLY,
      { lastFired: "2026-01-01T22:00Z", now: "2026-01-02T09:00Z" },
      "scheduled 2026-01-02T22:00Z at 2026-01-02T22:00Z",
    ],
    [
      "due now",
      SKIPPING,
      { lastFired: "2026-01-01T22:00Z", now: "2026-01-02T22:00Z" },
      "scheduled 2026-01-02T22:00Z at 2026-01-02T22:00Z",
    ],
    [
      "a moment late is on time",
      SKIPPING,
      { lastFired: "2026-01-01T22:00Z", now: "2026-01-02T22:01Z" },
      "scheduled 2026-01-02T22:00Z at 2026-01-02T22:00Z",
    ],
    [
      "later is missed",
      SKIPPING,
      { lastFired: "2026-01-01T22:00Z", now: "2026-01-02T22:02Z" },
      "scheduled 2026-01-03T22:00Z at 2026-01-03T22:00Z",
    ],
    [
      "one run for many that were missed",
      NIGHTLY,
      { lastFired: "2025-06-01T22:00Z", now: "2026-01-02T09:00Z" },
      "catchUp 2026-01-01T22:00Z at 2026-01-02T09:00Z",
    ],
    [
      "too old",
      { ...NIGHTLY, catchUp: { policy: "once", maxAgeSeconds: 3600 } },
      { lastFired: "2025-06-01T22:00Z", now: "2026-01-02T23:01Z" },
      "scheduled 2026-01-03T22:00Z at 2026-01-03T22:00Z",
    ],
    [
      "just not too old",
      { ...NIGHTLY, catchUp: { policy: "once", maxAgeSeconds: 3600 } },
      { lastFired: "2025-06-01T22:00Z", now: "2026-01-02T23:00Z" },
      "catchUp 2026-01-02T22:00Z at 2026-01-02T23:00Z",
    ],
    [
      "nothing is missed before the plan was given to the device",
      NIGHTLY,
      { lastFired: "2026-01-02T08:00Z", now: "2026-01-02T09:00Z" },
      "scheduled 2026-01-02T22:00Z at 2026-01-02T22:00Z",
    ],
    [
      "a clock that was set back runs nothing twice",
      NIGHTLY,
      { lastFired: "2026-01-02T22:00Z", now: "2026-01-02T21:00Z" },
      "scheduled 2026-01-03T22:00Z at 2026-01-03T22:00Z",
    ],
    [
      "catching up waits for the window",
      IN_WINDOW,
      { lastFired: "2026-01-01T22:00Z", now: "2026-01-03T09:00Z" },
      "catchUp 2026-01-02T22:00Z at 2026-01-03T20:00Z",
    ],
    [
      "but not when it is too old by then",
      { ...IN_WINDOW, catchUp: { policy: "once", maxAgeSeconds: 12 * 3600 } },
      { lastFired: "2026-01-01T22:00Z", now: "2026-01-03T09:00Z" },
      "scheduled 2026-01-03T22:00Z at 2026-01-03T22:00Z",
    ],
    [
      "nor when the next regular run is not later",
      { ...IN_WINDOW, rules: [{ kind: "daily", times: ["20:00"] }] },
      { lastFired: "2026-01-01T20:00Z", now: "2026-01-03T09:00Z" },
      "scheduled 2026-01-03T20:00Z at 2026-01-03T20:00Z",
    ],
    [
      "a run that waits for the window is not missed",
      { ...IN_WINDOW, rules: [{ kind: "daily", times: ["12:00"] }], catchUp: { policy: "skip" } },
      { lastFired: "2026-01-01T20:00Z", now: "2026-01-02T19:00Z" },
      "scheduled 2026-01-02T20:00Z at 2026-01-02T20:00Z",
    ],
    [
      "a run that waited and was missed",
      { ...IN_WINDOW, rules: [{ kind: "daily", times: ["12:00"] }] },
      { lastFired: "2026-01-01T20:00Z", now: "2026-01-02T21:00Z" },
      "catchUp 2026-01-02T20:00Z at 2026-01-02T21:00Z",
    ],
    [
      "a moment late is too late when the window closed meanwhile",
      {
        ...SKIPPING,
        window: { allowed: [{ weekdays: WEEKDAYS, from: "21:30", to: "22:01" }] },
      },
      { lastFired: "2026-01-01T22:00Z", now: "2026-01-02T22:01Z" },
      "scheduled 2026-01-03T22:00Z at 2026-01-03T22:00Z",
    ],
    [
      "a run of months ago",
      {
        timeZone: "UTC",
        rules: [{ kind: "monthly", on: { kind: "lastDay" }, months: [6], times: ["22:00"] }],
        catchUp: { policy: "once", maxAgeSeconds: 31_536_000 },
      },
      { lastFired: "2020-01-01T00:00Z", now: "2026-09-15T00:00Z" },
      "catchUp 2026-06-30T22:00Z at 2026-09-15T00:00Z",
    ],
    [
      "a run that was only late, because the one before took long, runs when asked",
      NIGHTLY,
      { lastFired: "2026-01-01T22:00Z", now: "2026-01-03T01:00Z", availableSince: "2026-01-01T00:00Z" },
      "catchUp 2026-01-02T22:00Z at 2026-01-02T22:00Z",
    ],
  ];
  for (const [title, schedule, query, expected] of table) {
    test(title, () => {
      const { lastFired, now, availableSince } = query;
      const found = nextRun(schedule, {
        ...TARGET,
        lastFired: at(lastFired),
        now: at(now),
        ...(availableSince === undefined ? {} : { availableSince: at(availableSince) }),
      });
      assert.equal(show(found), expected);
    });
  }

  test("devices that come back together catch up spread over the jitter, at a time that waiting does not move", () => {
    const schedule: Schedule = { ...NIGHTLY, jitterSeconds: 3600 };
    const availableSince = at("2026-01-03T09:00Z");
    const starts = new Set<number>();
    for (let device = 0; device < 50; device += 1) {
      const query = {
        plan: "plan",
        device: `device-${device}`,
        lastFired: at("2026-01-01T22:00Z"),
        availableSince,
      };
      const first = nextRun(schedule, { ...query, now: availableSince });
      assert.equal(first.reason, "catchUp");
      assert.ok(first.startAt >= availableSince && first.startAt < availableSince + HOUR_MS);
      for (const minutes of [1, 20, 59]) {
        assert.deepEqual(nextRun(schedule, { ...query, now: availableSince + minutes * MINUTE_MS }), first);
      }
      starts.add(first.startAt);
    }
    assert.ok(starts.size > 40);
  });

  test("the same for an opening that was waited for", () => {
    const schedule: Schedule = { ...IN_WINDOW, jitterSeconds: 3600 };
    const query = { ...TARGET, lastFired: at("2026-01-01T22:00Z"), availableSince: at("2026-01-03T09:00Z") };
    const first = nextRun(schedule, { ...query, now: at("2026-01-03T09:00Z") });
    assert.ok(first.startAt > at("2026-01-03T20:00Z"));
    assert.deepEqual(nextRun(schedule, { ...query, now: at("2026-01-03T20:00Z") }), first);
    assert.deepEqual(nextRun(schedule, { ...query, now: first.startAt }), first);
  });
});

suite("a service that is there now and then", () => {
  /** Stretches of time in which the service runs, one after the other. */
  const anyPresence = fc.array(
    fc.record({
      offMinutes: fc.integer({ min: 0, max: 3000 }),
      onMinutes: fc.integer({ min: 1, max: 2000 }),
    }),
    { minLength: 1, maxLength: 4 },
  );

  interface Fired extends PlannedRun {
    readonly started: number;
    readonly stretch: number;
  }

  function simulate(
    schedule: Schedule,
    start: number,
    presence: readonly { readonly offMinutes: number; readonly onMinutes: number }[],
    knowsPresence: boolean,
  ): readonly Fired[] {
    const fired: Fired[] = [];
    let lastFired = start;
    let now = start;
    for (const [stretch, { offMinutes, onMinutes }] of presence.entries()) {
      const since = now + offMinutes * MINUTE_MS;
      const until = since + onMinutes * MINUTE_MS;
      now = since;
      while (fired.length < 200) {
        const query: NextRunQuery = {
          ...TARGET,
          lastFired,
          now,
          ...(knowsPresence ? { availableSince: since } : {}),
        };
        const run = nextRun(schedule, query);
        if (Math.max(run.startAt, now) >= until) break;
        now = Math.max(run.startAt, now);
        // What was planned is what is due when its time comes.
        assert.deepEqual(nextRun(schedule, { ...query, now }), run);
        fired.push({ ...run, started: now, stretch });
        lastFired = run.at;
      }
      now = until;
    }
    return fired;
  }

  test("starts each run at most once, in the window, and catches up at most once after each outage", () => {
    let caughtUp = 0;
    fc.assert(
      fc.property(
        anySchedule,
        anyMoment,
        anyPresence,
        fc.boolean(),
        fc.constantFrom(undefined, 0, 7200, 31_536_000),
        (schedule, { instant }, presence, knowsPresence, maxAgeSeconds) => {
          const plan: Schedule = {
            ...schedule,
            catchUp: maxAgeSeconds === undefined ? { policy: "skip" } : { policy: "once", maxAgeSeconds },
          };
          const fired = simulate(plan, instant, presence, knowsPresence);
          let previous: Fired | undefined;
          for (const run of fired) {
            assert.ok(run.at > (previous?.at ?? instant), "no run twice");
            assert.ok(run.started >= run.at, "none before its time");
            assert.ok(windowAt(plan, run.started).open, "none outside the window");
            if (run.reason === "catchUp") {
              caughtUp += 1;
              assert.ok(maxAgeSeconds !== undefined && run.started - run.at <= maxAgeSeconds * 1000);
              assert.notEqual(previous?.stretch, run.stretch, "only the first of a stretch");
            } else {
              assert.ok(run.started <= run.startAt + LATE_START_MS);
            }
            previous = run;
          }
        },
      ),
      { numRuns: process.env["SLOW"] === "1" ? 1000 : 100 },
    );
    assert.ok(caughtUp > 0, "the simulation missed runs");
  });

  test("a service that is always there starts every run at its time", () => {
    fc.assert(
      fc.property(anySchedule, anyMoment, (schedule, { instant }) => {
        const fired = simulate(schedule, instant, [{ offMinutes: 0, onMinutes: 10_000 }], true);
        const runs = nextRuns(schedule, instant, fired.length);
        assert.deepEqual(
          fired.map(({ at: time, started, reason }) => ({ time, started, reason })),
          runs.map((run) => ({ time: run.at, started: startTime(run, TARGET), reason: "scheduled" })),
        );
      }),
      { numRuns: process.env["SLOW"] === "1" ? 300 : 30 },
    );
  });
});
