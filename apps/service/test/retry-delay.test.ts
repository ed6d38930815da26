import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { longestDelayMs } from "../src/operations/retry-delay.ts";

suite("the delay of a failed task", () => {
  test("doubles with each failure, up to an hour", () => {
    const failures = [1, 2, 3, 6, 7, 20, 2000];
    const seconds = failures.map((count) => longestDelayMs(60, count) / 1000);
    assert.deepEqual(seconds, [60, 120, 240, 1920, 3600, 3600, 3600]);
  });

  test("stays what the plan says when that is longer, or nothing", () => {
    assert.deepEqual(
      [1, 2, 50].map((failures) => longestDelayMs(7200, failures)),
      [7_200_000, 7_200_000, 7_200_000],
    );
    assert.equal(longestDelayMs(0, 9), 0);
  });
});
