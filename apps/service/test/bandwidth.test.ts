/** Limits by the time of the week: when they change, also where clocks are changed. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { agentTask, type Bandwidth, newPlan } from "@holdfast/protocol";
import { describeTask } from "../src/operations/describe.ts";
import { checkBandwidth, paceSteps } from "../src/plans/bandwidth.ts";
import { changePlan, createPlan } from "../src/plans/plans.ts";
import { createStorage } from "../src/storages/storages.ts";
import { catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { newTaskRow } from "./task-row.ts";

const MEGABYTE = 1_000_000;
const WORKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"] as const;

const OFFICE: Bandwidth = {
  timeZone: "Europe/Berlin",
  windows: [{ weekdays: [...WORKDAYS], from: "08:00", to: "18:00", bytesPerSecond: 5 * MEGABYTE }],
};

const shown = (steps: ReturnType<typeof paceSteps>, count: number): [string, number | null][] =>
  steps
    .slice(0, count)
    .map(({ from, bytesPerSecond }) => [new Date(from).toISOString().slice(0, 16), bytesPerSecond]);

suite("limits by the time of the week", () => {
  test("change when the local time says so, over the change of the clocks", () => {
    // Friday afternoon; the clocks are set forward on Sunday, 29 March 2026.
    assert.deepEqual(shown(paceSteps(OFFICE, null, Date.UTC(2026, 2, 27, 15)), 4), [
      ["2026-03-27T15:00", 5 * MEGABYTE],
      ["2026-03-27T17:00", null],
      ["2026-03-30T06:00", 5 * MEGABYTE],
      ["2026-03-30T16:00", null],
    ]);
    // And back on Sunday, 25 October 2026.
    assert.deepEqual(shown(paceSteps(OFFICE, MEGABYTE, Date.UTC(2026, 9, 23, 20)), 3), [
      ["2026-10-23T20:00", MEGABYTE],
      ["2026-10-26T07:00", 5 * MEGABYTE],
      ["2026-10-26T17:00", MEGABYTE],
    ]);
  });

  test("are those of the first window where several overlap", () => {
    const lunch = { weekdays: ["monday"] as const, from: "12:00", to: "13:00", bytesPerSecond: null };
    const windows = [{ ...lunch, weekdays: [...lunch.weekdays] }, ...OFFICE.windows];
    const steps = paceSteps({ timeZone: "UTC", windows }, 1, Date.UTC(2026, 0, 5, 9));
    assert.deepEqual(shown(steps, 4), [
      ["2026-01-05T09:00", 5 * MEGABYTE],
      ["2026-01-05T12:00", null],
      ["2026-01-05T13:00", 5 * MEGABYTE],
      ["2026-01-05T18:00", 1],
    ]);
  });

  test("are one step where they never change, and reach a month ahead where they do", () => {
    const always = [
      {
        weekdays: [...WORKDAYS, "saturday" as const, "sunday" as const],
        from: "00:00",
        to: "24:00",
        bytesPerSecond: 7,
      },
    ];
    const now = Date.UTC(2026, 0, 5);
    assert.deepEqual(paceSteps({ timeZone: "UTC", windows: always }, null, now), [
      { from: now, bytesPerSecond: 7 },
    ]);
    const last = paceSteps(OFFICE, null, now).at(-1);
    assert((last?.from ?? 0) > now + 30 * 86_400_000);
  });

  test("are refused for zones and times that there are not", () => {
    const [window] = OFFICE.windows;
    for (const wrong of [
      { ...OFFICE, timeZone: "Mars/Olympus" },
      { ...OFFICE, windows: [{ ...(window ?? assert.fail()), to: "25:00" }] },
      { ...OFFICE, windows: [{ ...(window ?? assert.fail()), to: "08:00" }] },
    ])
      assert.throws(
        () => checkBandwidth(wrong),
        (error) => isAppError(error, "ERR_USAGE"),
      );
  });
});

forEachDatabase("a plan with limits by the time of the week", (open) => {
  test("keeps them, and gives its backups the times at which they change", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const device = await fixture.addDevice();
    const storage = { name: "nas", description: "", location: "/srv/nas", identity: {}, secrets: {} };
    const { id } = await createStorage(fixture, fixture.actor, storage);
    const given = { ...planOf({ devices: [device], storage: id, encryption: null }), bandwidth: OFFICE };
    const plan = await createPlan(fixture, fixture.actor, newPlan.parse(given));
    assert.deepEqual(plan.bandwidth, OFFICE);
    const row = newTaskRow("backup", {}, { plan_id: plan.id, repository_id: plan.repository });
    const task = agentTask.parse(await describeTask(db, row, fixture.clock));
    assert(task.kind === "backup");
    assert.deepEqual(task.bandwidth, paceSteps(OFFICE, null, fixture.clock.now()));
    const wrong = { bandwidth: { ...OFFICE, timeZone: "Mars/Olympus" } };
    await assert.rejects(changePlan(fixture, fixture.actor, plan.id, wrong, plan.revision), (error) =>
      isAppError(error, "ERR_USAGE"),
    );
    const changed = await changePlan(fixture, fixture.actor, plan.id, { bandwidth: null }, plan.revision);
    assert.equal(changed.bandwidth, null);
    const without = await describeTask(db, row, fixture.clock);
    assert(!("bandwidth" in without));
  });
});
