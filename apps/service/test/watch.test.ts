/** How long a process has been looking on: not while it stood still, or could not write down what it heard. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { PROCESS_BEAT_MS, PROCESS_DEAD_MS } from "../src/channel/processes.ts";
import { createWatch, type Watch } from "../src/channel/watch.ts";

const MINUTE_MS = 60_000;

interface Scene {
  readonly watch: Watch;
  /** Time passes, and what is heard is stored all the while. */
  readonly store: (ms: number) => void;
  /** Time passes, and nothing is stored. */
  readonly pass: (ms: number, wallMs?: number) => void;
}

function newScene(): Scene {
  let [ms, wallMs] = [5000, 1_700_000_000_000];
  const watch = createWatch({ monotonic: () => ms, now: () => wallMs });
  const pass: Scene["pass"] = (more, wall = more) => {
    ms += more;
    wallMs += wall;
  };
  const store = (more: number): void => {
    for (let passed = 0; passed < more; passed += PROCESS_BEAT_MS) {
      pass(PROCESS_BEAT_MS);
      watch.stored();
    }
  };
  return { watch, store, pass };
}

suite("a process that looks on", () => {
  test("counts from its start", () => {
    const { watch, store } = newScene();
    assert.equal(watch.steadyMs(), 0);
    store(10 * MINUTE_MS);
    assert.equal(watch.steadyMs(), 10 * MINUTE_MS);
  });

  for (const [what, ms, wallMs] of [
    ["was stopped, or had no database", MINUTE_MS, MINUTE_MS],
    ["slept, and its monotonic clock as well", 0, MINUTE_MS],
    ["has a wall clock that was put back", MINUTE_MS, -MINUTE_MS],
  ] as const) {
    test(`counts anew after it ${what}`, () => {
      const { watch, store, pass } = newScene();
      store(10 * MINUTE_MS);
      pass(ms, wallMs);
      assert.equal(watch.steadyMs(), 0);
      watch.stored();
      assert.equal(watch.steadyMs(), 0);
      store(MINUTE_MS);
      assert.equal(watch.steadyMs(), MINUTE_MS);
    });
  }

  test("does not count anew after a short one", () => {
    const { watch, store, pass } = newScene();
    store(MINUTE_MS);
    pass(PROCESS_DEAD_MS);
    watch.stored();
    assert.equal(watch.steadyMs(), MINUTE_MS + PROCESS_DEAD_MS);
  });
});
