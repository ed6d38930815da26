/** The clock that retention locks go by: set forward, it unlocks nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { listCopies } from "../src/copies/copy-rows.ts";
import { createLockClock, lockTime } from "../src/policies/lock-clock.ts";
import {
  applyDueLockChanges,
  DAY_MS,
  requestClockChange,
  showLockPolicy,
} from "../src/policies/retention-lock.ts";
import { type Catalogue, catalogue } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { lockScene } from "./lock-fixture.ts";

const HOUR_MS = 3_600_000;

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

/** The system's clock apart from the time that passes. */
function twoClocks(fixture: Catalogue) {
  const time = { now: fixture.clock.now(), monotonic: 0 };
  const clock = { ...fixture.clock, now: () => time.now, monotonic: () => time.monotonic };
  return {
    clock,
    pass: (ms: number) => {
      time.now += ms;
      time.monotonic += ms;
    },
    set: (ms: number) => {
      time.now += ms;
    },
  };
}

forEachDatabase("the lock clock", (open) => {
  test("passes with the time, and does not follow a clock that is set", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { clock, pass, set } = twoClocks(fixture);
    const lockClock = createLockClock(fixture.database, clock);
    const begin = clock.now();
    await lockClock.look();
    pass(HOUR_MS);
    await lockClock.look();
    assert.equal(await lockTime(db), begin + HOUR_MS);
    set(365 * DAY_MS);
    pass(HOUR_MS);
    await lockClock.look();
    assert.equal(await lockTime(db), begin + 2 * HOUR_MS);
    set(-400 * DAY_MS);
    pass(HOUR_MS);
    await lockClock.look();
    assert.equal(await lockTime(db), begin + 2 * HOUR_MS);
  });

  test("catches up at a start with a day at most, and not again and again", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { clock, pass, set } = twoClocks(fixture);
    const start = async (): Promise<number> => {
      await createLockClock(fixture.database, clock).look();
      return lockTime(db);
    };
    const begin = await start();
    pass(20 * HOUR_MS);
    assert.equal(await start(), begin + 20 * HOUR_MS);
    for (let round = 0; round < 50; round += 1) {
      set(20 * HOUR_MS);
      assert.equal(await start(), begin + 20 * HOUR_MS);
    }
    const { clock: state } = await showLockPolicy(db, clock);
    assert.deepEqual([state.isBehind, state.behindMs], [true, 1000 * HOUR_MS]);
  });

  test("of several processes does not run faster", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { clock, pass, set } = twoClocks(fixture);
    const processes = [1, 2, 3].map(() => createLockClock(fixture.database, clock));
    for (const process of processes) await process.look();
    const begin = clock.now();
    set(365 * DAY_MS);
    for (let round = 0; round < 10; round += 1) {
      pass(HOUR_MS);
      for (const process of processes) await process.look();
    }
    assert.equal(await lockTime(db), begin + 10 * HOUR_MS);
  });

  test("is set by an administrator after the waiting period, and makes no copy older than it is", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { clock, pass, set } = twoClocks(fixture);
    const { backUp } = await lockScene({ ...fixture, clock: { ...clock, move: () => {} } }, { lockDays: 30 });
    const dependencies = { ...fixture, clock };
    await assert.rejects(requestClockChange(dependencies, fixture.actor), hasCode("ERR_USAGE"));
    const lockClock = createLockClock(fixture.database, clock);
    await lockClock.look();
    const old = await backUp("a");
    pass(HOUR_MS);
    await lockClock.look();
    // The service was down for 100 days.
    set(100 * DAY_MS);
    const restarted = createLockClock(fixture.database, clock);
    await restarted.look();
    pass(HOUR_MS);
    await restarted.look();
    const young = await backUp("b");
    const locks = async (): Promise<unknown> => {
      const { items } = await listCopies(db, { limit: 10 }, clock);
      return items.filter(({ lockedUntil }) => lockedUntil !== null).map(({ id }) => id);
    };
    assert.deepEqual(await locks(), [young, old]);
    await requestClockChange(dependencies, fixture.actor);
    pass(7 * DAY_MS);
    await restarted.look();
    assert.equal(await applyDueLockChanges(dependencies), 1);
    assert.equal(await lockTime(db), clock.now());
    assert.deepEqual(await locks(), [young]);
    pass(HOUR_MS);
    await restarted.look();
    pass(23 * DAY_MS);
    await restarted.look();
    assert.deepEqual(await locks(), []);
  });
});
