/**
 * Many weeks of many machines, by seed. `HOLDFAST_SEEDS=n` chooses how many runs, `HOLDFAST_SEED=n` repeats a single one.
 */
import assert from "node:assert/strict";
import { env } from "node:process";
import { suite, test } from "node:test";
import { simulate, type SimulationOptions } from "./simulation.ts";
import {
  alwaysSeesItself,
  seesNoNewCopies,
  seesNoSessions,
  seesNothingCondemned,
} from "./simulation-broken.ts";
import { Violation } from "./simulation-world.ts";

const SEEDS = Number(env["HOLDFAST_SEEDS"] ?? (env["SLOW"] === "1" ? 2000 : 120));
/** A broken rule shows in one run of ten to a hundred. */
const BROKEN_SEEDS_MAX = 1000;

function chosenSeeds(): readonly number[] {
  const single = env["HOLDFAST_SEED"];
  return single === undefined ? Array.from({ length: SEEDS }, (_, index) => index + 1) : [Number(single)];
}

async function firstViolation(
  broken: NonNullable<SimulationOptions["broken"]>,
): Promise<Violation | undefined> {
  for (let seed = 1; seed <= BROKEN_SEEDS_MAX; seed += 1) {
    try {
      await simulate({ seed, broken });
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return error;
    }
  }
  return undefined;
}

suite("writers, readers, cleaners and replicators at once", () => {
  test(`lose no copy and leave no garbage, ${String(SEEDS)} times`, async () => {
    let copies = 0;
    for (const seed of chosenSeeds()) {
      try {
        copies += (await simulate({ seed })).copies;
      } catch (error) {
        const replay = `HOLDFAST_SEED=${String(seed)} node --test packages/repository/test/simulation.test.ts`;
        assert.fail(`seed ${String(seed)}: ${String(error)}\nto repeat it: ${replay}`);
      }
    }
    assert(copies > 0, "nobody finished a copy");
  });
});

suite("the simulation notices", () => {
  const broken: readonly (readonly [string, NonNullable<SimulationOptions["broken"]>])[] = [
    ["a cleaner that waits for nobody", { cleaner: seesNoSessions }],
    ["a cleaner that does not look at the copies again", { cleaner: seesNoNewCopies }],
    ["a writer that uses condemned packs", { writer: seesNothingCondemned }],
    ["a writer that publishes although others gave it up", { writer: alwaysSeesItself }],
  ];
  for (const [what, variant] of broken) {
    test(what, async () => {
      assert((await firstViolation(variant)) instanceof Violation);
    });
  }
});
