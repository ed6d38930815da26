/** Plans that are due at one moment: all of them start, soon, and what waits for one device is not in the way of the others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { newPlan } from "@holdfast/protocol";
import type { Database } from "../src/database/database.ts";
import { timeDatabase } from "../src/http/database-time.ts";
import { createTaskKinds } from "../src/operations/index.ts";
import { createPlan } from "../src/plans/plans.ts";
import { runDuePlans } from "../src/plans/plan-runs.ts";
import { startScheduler } from "../src/plans/scheduler.ts";
import { createStorage } from "../src/storages/storages.ts";
import { type GivenRun, giveOutTo } from "../src/tasks/give-out.ts";
import { createTaskQueue } from "../src/tasks/task-queue.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { newTaskRow } from "./task-row.ts";

const PROCESS = "proc_of_the_test";
const DAY_MS = 86_400_000;

function failed(error: unknown): never {
  throw error;
}

async function addDevices({ addDevice, database }: Catalogue, count: number): Promise<string[]> {
  const devices: string[] = [];
  for (let index = 0; index < count; index += 1) devices.push(await addDevice());
  await database.db.updateTable("devices").set({ process_id: PROCESS }).execute();
  return devices;
}

/** One plan a device, all at the same time of the day. */
async function addPlans(fixture: Catalogue, devices: readonly string[]): Promise<void> {
  const storage = { name: "nas", description: "", location: "/srv/nas", identity: {}, secrets: {} };
  const { id } = await createStorage(fixture, fixture.actor, storage);
  const schedule = { timeZone: "UTC", rules: [{ kind: "daily", times: ["02:00"] }] };
  for (const device of devices) {
    const plan = { ...planOf({ name: device, devices: [device], storage: id, encryption: null }), schedule };
    await createPlan(fixture, fixture.actor, newPlan.parse(plan));
  }
}

interface Counted {
  readonly database: Database;
  /** Statements since it was asked last. */
  readonly take: () => number;
}

function counted(database: Database): Counted {
  let count = 0;
  return {
    database: timeDatabase(database, () => {
      count += 1;
    }),
    take: () => {
      const taken = count;
      count = 0;
      return taken;
    },
  };
}

forEachDatabase("plans due at one moment", (open) => {
  test("start with few statements each", async () => {
    await using fixture = await catalogue(await open());
    const devices = await addDevices(fixture, 20);
    await addPlans(fixture, devices);
    const { database, take } = counted(fixture.database);
    const kinds = createTaskKinds(fixture);
    const work = { ...fixture, database, kinds, queue: createTaskQueue({ ...fixture, kinds }) };
    const since = fixture.clock.now();
    fixture.clock.move(DAY_MS);
    assert.equal(await runDuePlans(work, since), 20);
    // Whether it is the one of this look, whether a backup is open, the task, the next time; and a few for all of them.
    assert.ok(take() <= 20 * 3 + 5, "to start");
    const given = await giveOutTo({ ...work, processId: PROCESS, failed }, devices);
    assert.equal(given.length, 20);
    // Target, plan, repository, storage, copies; and a few for all of them.
    assert.ok(take() <= 20 * 5 + 10, "to be given out");
  });

  test("are seen at once that become due while it is looked for others", async () => {
    await using fixture = await catalogue(await open());
    await addPlans(fixture, await addDevices(fixture, 1));
    const { at } = await fixture.database.db
      .selectFrom("plan_devices")
      .select("next_start_at as at")
      .executeTakeFirstOrThrow();
    fixture.clock.move((at ?? 0) - 1 - fixture.clock.now());
    // A look takes a millisecond, and is over when the plan is due.
    const database = timeDatabase(fixture.database, () => fixture.clock.move(1));
    const { promise, resolve } = Promise.withResolvers<void>();
    const pauses: number[] = [];
    const clock = {
      ...fixture.clock,
      sleep: async (ms: number, signal?: AbortSignal) => {
        pauses.push(ms);
        if (pauses.length === 2) resolve();
        await new Promise((stopped) => signal?.addEventListener("abort", stopped));
      },
    };
    const kinds = createTaskKinds(fixture);
    const scheduler = startScheduler({ ...fixture, database, clock, kinds }, failed);
    await promise;
    await scheduler.stop();
    // One of plans, one of the other schedules.
    pauses.sort((one, other) => one - other);
    assert.deepEqual(pauses, fixture.database.kind === "sqlite" ? [20, 250] : [250, 250]);
  });

  test("wait behind nobody's long list", async () => {
    await using fixture = await catalogue(await open());
    const devices = await addDevices(fixture, 3);
    const [busy = "", ...others] = devices;
    await addPlans(fixture, others);
    const kinds = createTaskKinds(fixture);
    const work = { ...fixture, kinds, queue: createTaskQueue({ ...fixture, kinds }) };
    const since = fixture.clock.now();
    fixture.clock.move(DAY_MS);
    await runDuePlans(work, since);
    // Older, and more than are looked at together.
    const { id: storage } = await fixture.database.db
      .selectFrom("storages")
      .select("id")
      .executeTakeFirstOrThrow();
    const waiting = Array.from({ length: 100 }, () =>
      newTaskRow("storage.test", {}, { device_id: busy, storage_id: storage, state: "queued", attempt: 0 }),
    );
    await fixture.database.db.insertInto("tasks").values(waiting).execute();
    const given = await giveOutTo({ ...work, processId: PROCESS, failed }, devices);
    const kindsOf = (device: string): string[] =>
      given.filter(({ deviceId }: GivenRun) => deviceId === device).map(({ task }) => task.kind);
    for (const other of others) assert.deepEqual(kindsOf(other), ["backup"]);
    assert.ok(kindsOf(busy).length > 0 && kindsOf(busy).length < 20);
    assert.deepEqual(new Set(kindsOf(busy)), new Set(["storage.test"]));
  });
});
