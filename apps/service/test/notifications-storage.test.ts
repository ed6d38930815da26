/** A storage that is nearly full is told of by whoever has worked with it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { newPlan, type PlanView } from "@holdfast/protocol";
import { listDeliveries } from "../src/notifications/delivery-list.ts";
import { createTaskKinds } from "../src/operations/index.ts";
import { createPlan } from "../src/plans/plans.ts";
import { createStorage } from "../src/storages/storages.ts";
import type { TaskRow } from "../src/tasks/task-kinds.ts";
import { planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { finishedBackup } from "./lock-fixture.ts";
import { type NotificationFixture, notifications } from "./notifications-fixture.ts";
import { newTaskRow } from "./task-row.ts";

const DAY_MS = 24 * 3600_000;

async function addPlan(fixture: NotificationFixture, device: string, name: string): Promise<PlanView> {
  const given = { name, description: "", location: `/srv/${name}`, identity: {}, secrets: {} };
  const { id: storage } = await createStorage(fixture, fixture.actor, given);
  const plan = newPlan.parse(planOf({ name, devices: [device], storage, encryption: null }));
  return createPlan(fixture, fixture.actor, plan);
}

forEachDatabase("a storage that is nearly full", (open) => {
  test("is told of once a day, whatever has worked with it", async () => {
    await using fixture = await notifications(await open(), {});
    const { database } = fixture;
    const device = await fixture.addDevice();
    const [plan, other] = [
      await addPlan(fixture, device, "nightly"),
      await addPlan(fixture, device, "other"),
    ];
    const secret = await fixture.addSecret("password", "the key");
    const webhook = { kind: "webhook", url: "https://hooks.example/", secret } as const;
    const all = await fixture.addChannel(webhook, ["storage.low"]);
    const ofOther = await fixture.addChannel(webhook, ["storage.low"], other.id);
    const { ended } = createTaskKinds(fixture);
    const told = async (): Promise<(readonly [string, string])[]> => {
      const { items } = await listDeliveries(database.db, { limit: 200 });
      return items.map(({ kind, channel }) => [kind, channel.id] as const).toReversed();
    };
    const end = async (
      kind: TaskRow["kind"],
      fields: Partial<TaskRow>,
      result: object,
    ): Promise<string[]> => {
      const before = (await told()).length;
      fixture.clock.move(1);
      const task = newTaskRow(kind, {}, { device_id: device, ...fields });
      await database.db.insertInto("tasks").values(task).execute();
      await database.transaction((transaction) =>
        ended(transaction, task, { state: "succeeded", result, warnings: 0 }),
      );
      return (await told())
        .slice(before)
        .map(([name, channel]) => `${name} ${channel === all.id ? "all" : channel}`);
    };
    const finished = finishedBackup("a".repeat(64), 1);
    const backup = finished.state === "succeeded" ? finished.result : undefined;
    assert.ok(typeof backup === "object");
    const full = { freeBytes: 2 ** 30, seconds: 1 };
    const storage = { storage_id: plan.storage, repository_id: plan.repository };
    assert.deepEqual(await end("storage.test", storage, { milliseconds: 1, freeBytes: 2 ** 40 }), []);
    assert.deepEqual(await end("backup", { ...storage, plan_id: plan.id }, { ...backup, ...full }), [
      "storage.low all",
    ]);
    assert.deepEqual(await end("storage.test", storage, { milliseconds: 1, ...full }), [], "once a day");
    fixture.clock.move(DAY_MS);
    const ofRepository = { repository_id: plan.repository };
    assert.deepEqual(await end("clean", ofRepository, { bytesFreed: 0, ...full }), ["storage.low all"]);
    // It fills the target, not what it reads; and the plan that writes there has a rule of its own.
    const input = JSON.stringify({ target: other.repository, copies: [] });
    const replicated = { copies: 0, bytesStored: 0, replicated: [], ...full };
    assert.deepEqual(
      (await end("replicate", { ...ofRepository, input }, replicated)).toSorted(),
      ["storage.low all", `storage.low ${ofOther.id}`].toSorted(),
    );
  });
});
