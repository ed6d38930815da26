/**
 * Retries: how many, how long after, and what ends them.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  maxRetryDelayMs,
  nextRuns,
  type RetryPolicy,
  retryTime,
  type Schedule,
  WEEKDAYS,
  windowAt,
} from "../src/index.ts";
import { anyMoment, anySchedule, at } from "./samples.ts";

const TARGET = { plan: "plan-1", device: "device-1" };
const POLICY: RetryPolicy = { maxRetries: 4, delaySeconds: 60, backoffFactor: 2, maxDelaySeconds: 300 };
const NIGHTLY: Schedule = { timeZone: "UTC", rules: [{ kind: "daily", times: ["22:00"] }], retry: POLICY };
const RUN = at("2026-01-01T22:00Z");

suite("retry", () => {
  test("delays grow up to their limit, and end", () => {
    const delays = [1, 2, 3, 4, 5].map((failures) => maxRetryDelayMs(POLICY, failures));
    assert.deepEqual(delays, [60_000, 120_000, 240_000, 300_000, undefined]);
    assert.equal(maxRetryDelayMs({ ...POLICY, maxRetries: 0 }, 1), undefined);
    const huge = { maxRetries: 20, delaySeconds: 86_400, backoffFactor: 10, maxDelaySeconds: 86_400 };
    assert.equal(maxRetryDelayMs(huge, 20), 86_400_000);
  });

  test("attempts lie anywhere up to the delay, differ between devices, and stay where they are", () => {
    const failedAt = RUN + 5000;
    const times = Array.from({ length: 200 }, (_, device) => {
      const failed = { plan: "plan", device: `device-${device}`, at: RUN, failures: 2, failedAt };
      const time = retryTime(NIGHTLY, failed);
      assert.ok(time !== undefined);
      assert.equal(retryTime(NIGHTLY, failed), time);
      assert.ok(time >= failedAt && time < failedAt + 120_000);
      return time - failedAt;
    });
    assert.ok(new Set(times).size > 190);
    assert.ok(times.some((time) => time < 20_000) && times.some((time) => time > 100_000), "full jitter");
  });

  test("attempts of one run differ from each other", () => {
    const policy = { maxRetries: 20, delaySeconds: 3600, backoffFactor: 1, maxDelaySeconds: 3600 };
    const times = Array.from({ length: 20 }, (_, index) =>
      retryTime({ ...NIGHTLY, retry: policy }, { ...TARGET, at: RUN, failures: index + 1, failedAt: RUN }),
    );
    assert.equal(new Set(times).size, 20);
  });

  test("no policy and used up attempts mean no retry", () => {
    const { retry: _, ...without } = NIGHTLY;
    assert.equal(retryTime(without, { ...TARGET, at: RUN, failures: 1, failedAt: RUN }), undefined);
    assert.equal(retryTime(NIGHTLY, { ...TARGET, at: RUN, failures: 5, failedAt: RUN }), undefined);
  });

  test("the next regular run takes over", () => {
    const failedAt = at("2026-01-02T22:00Z");
    assert.equal(retryTime(NIGHTLY, { ...TARGET, at: RUN, failures: 1, failedAt }), undefined);
  });

  test("a retry waits for the window, and then is spread", () => {
    const schedule: Schedule = {
      ...NIGHTLY,
      jitterSeconds: 600,
      window: { allowed: [{ weekdays: WEEKDAYS, from: "20:00", to: "23:00" }] },
    };
    const failedAt = at("2026-01-01T23:30Z");
    const opening = at("2026-01-02T20:00Z");
    const times = ["a", "b", "c"].map((device) =>
      retryTime(schedule, { plan: "plan", device, at: RUN, failures: 1, failedAt }),
    );
    assert.ok(times.every((time) => time !== undefined && time >= opening && time < opening + 600_000));
    assert.equal(new Set(times).size, 3);
  });

  test("is never outside the window, nor at or after the next regular run", () => {
    fc.assert(
      fc.property(
        anySchedule,
        anyMoment,
        fc.integer({ min: 1, max: 5 }),
        fc.nat({ max: 100_000_000 }),
        (schedule, { instant }, failures, duration) => {
          const plan = { ...schedule, retry: POLICY };
          const [run, next] = nextRuns(plan, instant, 2);
          assert.ok(run !== undefined && next !== undefined);
          const failedAt = run.at + duration;
          const time = retryTime(plan, { ...TARGET, at: run.at, failures, failedAt });
          if (time === undefined) return;
          assert.ok(failures <= POLICY.maxRetries);
          assert.ok(time >= failedAt && time < next.at);
          assert.ok(windowAt(plan, time).open);
        },
      ),
    );
  });
});
