/** How fast a run stores: at the rate of each time, evenly, and on through its changes. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { CREDIT_MS, Pace, type PaceStep } from "../src/lease/pace.ts";
import { VirtualClock } from "./virtual-clock.ts";

const HOUR_MS = 3_600_000;
const NEVER = new AbortController().signal;

/** When each of the transfers may begin, asked for one after the other. */
async function startsOf(
  clock: VirtualClock,
  steps: readonly PaceStep[],
  sizes: readonly number[],
): Promise<number[]> {
  const pace = new Pace(steps, clock);
  const begin = clock.monotonic();
  const starts: number[] = [];
  const done = (async () => {
    for (const bytes of sizes) {
      await pace.wait(bytes, NEVER);
      starts.push(clock.monotonic() - begin);
    }
  })();
  for (let round = 0; round < 2000 && starts.length < sizes.length; round += 1)
    await clock.pass(60_000, 60_000);
  await done;
  return starts;
}

suite("the pace of a run", () => {
  test("follows a change of the limit in the middle of a transfer", async () => {
    const clock = new VirtualClock();
    const begin = clock.now();
    const steps = [
      { from: 0, bytesPerSecond: 1000 },
      { from: begin + HOUR_MS, bytesPerSecond: 2000 },
    ];
    // One hour at 1000 bytes a second, and half an hour at 2000.
    const [first] = await startsOf(clock, steps, [7_200_000]);
    assert.equal(first, 1.5 * HOUR_MS);
  });

  test("lets everything go once there is no limit any more", async () => {
    const clock = new VirtualClock();
    const begin = clock.now();
    const steps = [
      { from: 0, bytesPerSecond: 1 },
      { from: begin + HOUR_MS, bytesPerSecond: null },
    ];
    assert.deepEqual(await startsOf(clock, steps, [1e9, 1e9, 1e9]), [HOUR_MS, HOUR_MS, HOUR_MS]);
  });

  test("is limited again after hours without a limit", async () => {
    const clock = new VirtualClock();
    const begin = clock.now();
    const steps = [
      { from: 0, bytesPerSecond: null },
      { from: begin + HOUR_MS, bytesPerSecond: 1000 },
    ];
    const pace = new Pace(steps, clock);
    await pace.wait(1e9, NEVER);
    await clock.pass(2 * HOUR_MS, HOUR_MS);
    let isDone = false;
    const waiting = pace.wait(60_000, NEVER).then(() => (isDone = true));
    await clock.pass(59_000, 1000);
    assert.equal(isDone, false);
    await clock.pass(1000, 1000);
    await waiting;
  });

  test("never lets more pass than the rate and an eighth of a second allow", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5_000_000 }), { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1000, max: 1_000_000 }),
        async (sizes, bytesPerSecond) => {
          const starts = await startsOf(new VirtualClock(), [{ from: 0, bytesPerSecond }], sizes);
          let sum = 0;
          for (const [index, bytes] of sizes.entries()) {
            sum += bytes;
            const allowed = ((starts[index] ?? 0) + CREDIT_MS) * bytesPerSecond;
            assert(sum * 1000 <= allowed + bytesPerSecond, `transfer ${String(index)}`);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test("ends a wait when the run does", async () => {
    const run = new AbortController();
    const pace = new Pace([{ from: 0, bytesPerSecond: 1 }], new VirtualClock());
    const waiting = pace.wait(1000, run.signal);
    run.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/u);
  });
});
