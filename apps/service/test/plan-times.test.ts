/** When plans run: over changes of the clocks, spread, in their window or not at all, and not once they are switched off. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toErrorRecord, AppError } from "@holdfast/kernel";
import { newPlan, type PlanView } from "@holdfast/protocol";
import { createTaskKinds } from "../src/operations/index.ts";
import { endMissedRuns } from "../src/plans/missed-runs.ts";
import { runDuePlans, runPlan } from "../src/plans/plan-runs.ts";
import { changePlan, createPlan } from "../src/plans/plans.ts";
import { createStorage } from "../src/storages/storages.ts";
import { endRun } from "../src/tasks/run-end.ts";
import { createTaskQueue, findTask } from "../src/tasks/task-queue.ts";
import type { TaskRow } from "../src/tasks/task-kinds.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { newTaskRow } from "./task-row.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

async function addPlan(fixture: Catalogue, fields: object, deviceCount = 1): Promise<PlanView> {
  const devices: string[] = [];
  for (let count = 0; count < deviceCount; count += 1) devices.push(await fixture.addDevice());
  const storage = { name: "nas", description: "", location: "/srv/nas", identity: {}, secrets: {} };
  const { id } = await createStorage(fixture, fixture.actor, storage);
  const given = { ...planOf({ devices, storage: id, encryption: null }), ...fields };
  return createPlan(fixture, fixture.actor, newPlan.parse(given));
}

/** With a queue that stores. */
async function withQueue(fixture: Catalogue) {
  const kinds = createTaskKinds(fixture);
  const queue = createTaskQueue({ ...fixture, kinds });
  return { ...fixture, kinds, queue };
}

/** Local times at which backups began, looking every ten minutes. */
async function startsUntil(fixture: Catalogue, end: number, timeZone: string): Promise<string[]> {
  const { clock, queued } = fixture;
  const format = new Intl.DateTimeFormat("sv", { timeZone, dateStyle: "short", timeStyle: "short" });
  const since = clock.now();
  const starts: string[] = [];
  while (clock.now() < end) {
    const before = queued.length;
    await runDuePlans(fixture, since);
    for (let count = before; count < queued.length; count += 1) starts.push(format.format(clock.now()));
    clock.move(10 * MINUTE_MS);
  }
  return starts;
}

forEachDatabase("a plan's schedule", (open) => {
  test("runs once a day where the clocks are set forward and its time does not exist", async () => {
    await using fixture = await catalogue(await open());
    fixture.clock.move(Date.UTC(2026, 2, 27, 12) - fixture.clock.now());
    const schedule = { timeZone: "Europe/Berlin", rules: [{ kind: "daily", times: ["02:30"] }] };
    await addPlan(fixture, { schedule });
    assert.deepEqual(await startsUntil(fixture, Date.UTC(2026, 2, 30, 12), "Europe/Berlin"), [
      "2026-03-28 02:30",
      "2026-03-29 03:00",
      "2026-03-30 02:30",
    ]);
  });

  test("runs once a day where the clocks are set back and its time comes twice", async () => {
    await using fixture = await catalogue(await open());
    fixture.clock.move(Date.UTC(2026, 9, 24, 12) - fixture.clock.now());
    const schedule = { timeZone: "Europe/Berlin", rules: [{ kind: "daily", times: ["02:30"] }] };
    await addPlan(fixture, { schedule });
    const begin = fixture.queued.length;
    assert.deepEqual(await startsUntil(fixture, Date.UTC(2026, 9, 26, 12), "Europe/Berlin"), [
      "2026-10-25 02:30",
      "2026-10-26 02:30",
    ]);
    assert.equal(fixture.queued.length - begin, 2);
  });

  test("spreads its devices over the jitter, each once", async () => {
    await using fixture = await catalogue(await open());
    const rules = [{ kind: "daily", times: ["12:00"] }];
    await addPlan(fixture, { schedule: { timeZone: "UTC", rules, jitterSeconds: 7200 } }, 24);
    fixture.clock.move(12 * HOUR_MS - MINUTE_MS);
    assert.equal(await runDuePlans(fixture, 0), 0);
    const starts = await startsUntil(fixture, fixture.clock.now() + 3 * HOUR_MS, "UTC");
    assert.equal(starts.length, 24);
    assert(new Set(starts).size > 3, starts.join(", "));
    assert(starts.every((start) => start >= "2026-01-05 12:00" && start < "2026-01-05 14:10"));
  });
});

const NIGHT = {
  timeZone: "UTC",
  rules: [{ kind: "daily", times: ["22:00"] }],
  window: { allowed: [{ weekdays: ["monday", "tuesday", "wednesday"], from: "20:00", to: "23:00" }] },
};

async function tasksOf(fixture: Catalogue): Promise<TaskRow[]> {
  return fixture.database.db.selectFrom("tasks").selectAll().orderBy("id").execute();
}

forEachDatabase("a backup in a window", (open) => {
  test("that cannot begin before its end is missed, and the next one is regular", async () => {
    await using fixture = await withQueue(await catalogue(await open()));
    const { clock } = fixture;
    await addPlan(fixture, { schedule: NIGHT });
    clock.move(22 * HOUR_MS);
    assert.equal(await runDuePlans(fixture, 0), 1);
    const [task] = await tasksOf(fixture);
    assert.equal(task?.start_before, Date.UTC(2026, 0, 5, 23));
    clock.move(HOUR_MS - 1);
    assert.equal(await endMissedRuns(fixture), 0);
    clock.move(1);
    assert.equal(await endMissedRuns(fixture), 1);
    const missed = await findTask(fixture.database.db, task.id);
    assert.equal(missed.state, "failed");
    assert.equal(JSON.parse(missed.error ?? "{}").code, "ERR_RUN_MISSED");
    assert.equal(await runDuePlans(fixture, 0), 0);
    clock.move(23 * HOUR_MS);
    assert.equal(await runDuePlans(fixture, 0), 1);
  });

  test("is tried again inside of the window only, and then ends with what it failed with", async () => {
    await using fixture = await withQueue(await catalogue(await open()));
    const { clock, database, kinds } = fixture;
    await addPlan(fixture, { schedule: NIGHT, retries: { count: 5, delaySeconds: 60 } });
    clock.move(22 * HOUR_MS);
    await runDuePlans(fixture, 0);
    const [task] = await tasksOf(fixture);
    assert(task !== undefined);
    const given = { id: "run_1", task_id: task.id, device_id: task.device_id, state: "running" as const };
    const times = { given_at: 1, started_at: 1, ended_at: null, last_event: 0, progress: null };
    await database.db
      .insertInto("runs")
      .values({ ...given, ...times })
      .execute();
    await database.db.updateTable("tasks").set({ state: "running", run_id: "run_1", attempt: 1 }).execute();
    const error = toErrorRecord(new AppError("ERR_STORAGE_UNREACHABLE", "The storage does not answer."));
    await database.transaction((transaction) =>
      endRun({ kinds, clock }, transaction, given, { state: "failed", error }),
    );
    const waiting = await findTask(database.db, task.id);
    assert.equal(waiting.state, "queued");
    assert.equal(await endMissedRuns(fixture), 0);
    // Its next attempt would come when the window has closed.
    await database.db
      .updateTable("tasks")
      .set({ not_before: task.start_before ?? 0 })
      .execute();
    assert.equal(await endMissedRuns(fixture), 1);
    const ended = await findTask(database.db, task.id);
    assert.equal(JSON.parse(ended.error ?? "{}").code, "ERR_STORAGE_UNREACHABLE");
  });

  test("that a person started is not bound to it, nor is one without a window", async () => {
    await using fixture = await withQueue(await catalogue(await open()));
    const plan = await addPlan(fixture, { schedule: NIGHT });
    await runPlan(fixture, { kind: "user", id: "user_1" }, plan.id, undefined);
    fixture.clock.move(48 * HOUR_MS);
    assert.equal(await endMissedRuns(fixture), 0);
    assert.deepEqual(
      (await tasksOf(fixture)).map(({ start_before: startBefore }) => startBefore),
      [null],
    );
  });
});

forEachDatabase("a plan that is switched off", (open) => {
  const rows = (plan: PlanView): TaskRow[] =>
    (["queued", "running", "queued"] as const).map((state, index) =>
      newTaskRow(
        index === 2 ? "forget" : "backup",
        {},
        {
          id: `task_${String(index)}`,
          state,
          plan_id: plan.id,
          repository_id: plan.repository,
        },
      ),
    );

  test("has its waiting backups cancelled, and lets those that run finish", async () => {
    await using fixture = await catalogue(await open());
    const plan = await addPlan(fixture, {});
    await fixture.database.db.insertInto("tasks").values(rows(plan)).execute();
    const off = { enabled: false };
    const changed = await changePlan(fixture, fixture.actor, plan.id, off, plan.revision);
    assert.deepEqual(fixture.cancelled, ["task_0"]);
    assert.deepEqual(fixture.audited.at(-1)?.details?.["cancelled"], ["task_0"]);
    assert.deepEqual([changed.queuedBackups, changed.runningBackups], [1, 1]);
    // If it fails, it is not tried again.
    assert.equal((await findTask(fixture.database.db, "task_1")).start_before, 0);
    await changePlan(fixture, fixture.actor, plan.id, { ...off, name: "other" }, changed.revision);
    assert.equal(fixture.cancelled.length, 1);
  });

  test("ends those that run, where that is wanted", async () => {
    await using fixture = await catalogue(await open());
    const plan = await addPlan(fixture, {});
    await fixture.database.db.insertInto("tasks").values(rows(plan)).execute();
    const off = { enabled: false, running: "cancel" } as const;
    await changePlan(fixture, fixture.actor, plan.id, off, plan.revision);
    assert.deepEqual(fixture.cancelled.toSorted(), ["task_0", "task_1"]);
  });

  test("keeps its tasks when something else is changed", async () => {
    await using fixture = await catalogue(await open());
    const plan = await addPlan(fixture, {});
    await fixture.database.db.insertInto("tasks").values(rows(plan)).execute();
    await changePlan(fixture, fixture.actor, plan.id, { name: "x", running: "cancel" }, plan.revision);
    assert.deepEqual(fixture.cancelled, []);
  });
});
