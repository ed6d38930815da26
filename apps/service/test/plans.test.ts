/** Plans: their encryption never changes, repositories are shared, schedules fire once. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { newPlan, type PlanView } from "@holdfast/protocol";
import { openRepository, storePreparedObjects } from "@holdfast/repository";
import { MemoryStorage } from "@holdfast/storage";
import { runDuePlans, runPlan } from "../src/plans/plan-runs.ts";
import { changePlan, clonePlan, createPlan, deletePlan } from "../src/plans/plans.ts";
import { findRepository, refOf } from "../src/repositories/repositories.ts";
import type { TaskRow } from "../src/tasks/task-kinds.ts";
import { createStorage } from "../src/storages/storages.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { newTaskRow } from "./task-row.ts";
import { PORTS } from "./vault-fixture.ts";

const HOUR = 3_600_000;

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

async function addStorage(fixture: Catalogue, name = "nas"): Promise<string> {
  const storage = { name, description: "", location: `/srv/${name}`, identity: {}, secrets: {} };
  return (await createStorage(fixture, fixture.actor, storage)).id;
}

async function addPlan(
  fixture: Catalogue,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly plan: PlanView; readonly secret: string; readonly device: string }> {
  const secret = await fixture.addSecret("encryption-key", "correct horse battery");
  const device = await fixture.addDevice();
  const given = planOf({
    devices: [device],
    storage: await addStorage(fixture),
    encryption: { method: "gcm", level: "high", secret },
  });
  const plan = await createPlan(fixture, fixture.actor, newPlan.parse({ ...given, ...fields }));
  return { plan, secret, device };
}

forEachDatabase("a plan", (open) => {
  test("is saved with a repository that its key opens without the service", async () => {
    await using fixture = await catalogue(await open());
    const { plan } = await addPlan(fixture);
    const { db } = fixture.database;
    const { prepared, storage } = await refOf(db, await findRepository(db, plan.repository));
    assert.equal(storage.location, `/srv/nas/holdfast-${plan.repository.slice(0, 8)}`);
    const objects = prepared.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes, "base64") }));
    const memory = new MemoryStorage();
    await storePreparedObjects(memory, objects);
    const process = { host: "x", bootId: "", processId: 1, startTime: "" };
    const ports = { ...PORTS, storage: memory, process, hasEnded: () => false };
    const key = { kind: "passphrase" as const, passphrase: Buffer.from("correct horse battery") };
    const opened = await openRepository(ports, key, ["read"]);
    assert.equal(opened.config.suite.name, "aes-256-gcm");
    assert.equal(opened.config.repository.toString("hex"), plan.repository);
  });

  test("shares its repository with plans of the same storage and encryption only", async () => {
    await using fixture = await catalogue(await open());
    const { plan, secret, device } = await addPlan(fixture);
    const other = async (name: string, encryption: unknown, storage = plan.storage): Promise<string> => {
      const given = planOf({ name, devices: [device], storage, encryption });
      return (await createPlan(fixture, fixture.actor, newPlan.parse(given))).repository;
    };
    const key = await fixture.addSecret("encryption-key", "another key of mine");
    assert.equal(await other("same", { method: "gcm", level: "high", secret }), plan.repository);
    const repositories = [
      plan.repository,
      await other("method", { method: "cbc", level: "high", secret }),
      await other("level", { method: "gcm", level: "low", secret }),
      await other("key", { method: "gcm", level: "high", secret: key }),
      await other("none", null),
      await other("storage", { method: "gcm", level: "high", secret }, await addStorage(fixture, "other")),
    ];
    assert.equal(new Set(repositories).size, repositories.length);
  });

  test("never changes its encryption, and says how to get another one", async () => {
    await using fixture = await catalogue(await open());
    const { plan, secret } = await addPlan(fixture);
    const key = await fixture.addSecret("encryption-key", "another key of mine");
    for (const encryption of [
      null,
      { method: "cbc", level: "high", secret },
      { method: "gcm", level: "normal", secret },
      { method: "gcm", level: "high", secret: key },
    ] as const) {
      await assert.rejects(
        changePlan(fixture, fixture.actor, plan.id, { encryption }, undefined),
        (error) => {
          assert(isAppError(error, "ERR_PLAN_ENCRYPTION_FIXED"));
          return error.remedy?.includes(`/plans/${plan.id}/clone`) === true;
        },
      );
    }
    const same = { encryption: plan.encryption, name: "renamed" };
    assert.equal((await changePlan(fixture, fixture.actor, plan.id, same, plan.revision)).name, "renamed");
  });

  test("is cloned with other encryption, and otherwise like the original", async () => {
    await using fixture = await catalogue(await open());
    const { plan, secret } = await addPlan(fixture);
    const change = { name: "clone", encryption: { method: "cbc", level: "low", secret } } as const;
    const clone = await clonePlan(fixture, fixture.actor, plan.id, change);
    assert.deepEqual(clone.encryption, change.encryption);
    assert.deepEqual(clone.devices, plan.devices);
    assert.deepEqual(clone.paths, plan.paths);
    assert.notEqual(clone.repository, plan.repository);
    const same = await clonePlan(fixture, fixture.actor, plan.id, { name: "same" });
    assert.equal(same.repository, plan.repository);
  });

  test("can be changed in everything else, its storage too", async () => {
    await using fixture = await catalogue(await open());
    const { plan, device } = await addPlan(fixture);
    const storage = await addStorage(fixture, "other");
    const second = await fixture.addDevice();
    const change = {
      storage,
      devices: [device, second].toSorted(),
      paths: ["/home", "/etc"],
      exclude: ["*.tmp"],
      tags: ["t"],
      compression: 9,
      schedule: { timeZone: "UTC", rules: [{ kind: "daily", times: ["22:00"] }] },
      retention: { daily: 7 },
      retries: { count: 0, delaySeconds: 5 },
      enabled: false,
      description: "d",
    };
    const changed = await changePlan(fixture, fixture.actor, plan.id, change, plan.revision);
    assert.deepEqual(
      Object.fromEntries(Object.keys(change).map((key) => [key, Reflect.get(changed, key)])),
      change,
    );
    assert.notEqual(changed.repository, plan.repository);
    assert.deepEqual(changed.encryption, plan.encryption);
    const again = changePlan(fixture, fixture.actor, plan.id, { name: "x" }, plan.revision);
    await assert.rejects(again, hasCode("ERR_CHANGED_MEANWHILE"));
  });

  test("warns of devices that do not have its method, by what they announced", async () => {
    await using fixture = await catalogue(await open());
    const { plan } = await addPlan(fixture);
    assert.deepEqual(plan.warnings, []);
    const mac = await fixture.addDevice(["cbc"]);
    const changed = await changePlan(fixture, fixture.actor, plan.id, { devices: [mac] }, plan.revision);
    assert.deepEqual(
      changed.warnings.map(({ code, device }) => [code, device]),
      [["ERR_METHOD_UNSUPPORTED", mac]],
    );
  });

  test("is refused with a key that is none, is disabled, or may not be used", async () => {
    await using fixture = await catalogue(await open());
    const { plan, secret, device } = await addPlan(fixture);
    const attempt = (key: string, rights = fixture.actor.rights): Promise<unknown> => {
      const encryption = { method: "gcm", level: "low", secret: key };
      const given = planOf({ name: "second", devices: [device], storage: plan.storage, encryption });
      return createPlan(fixture, { ...fixture.actor, rights }, newPlan.parse(given));
    };
    await assert.rejects(attempt(await fixture.addSecret("password", "no key")), hasCode("ERR_NOT_FOUND"));
    await assert.rejects(attempt(secret, new Set(["plans.edit"])), hasCode("ERR_FORBIDDEN"));
    await fixture.database.db.updateTable("secrets").set({ disabled: 1 }).where("id", "=", secret).execute();
    await assert.rejects(attempt(secret), hasCode("ERR_SECRET_DISABLED"));
  });

  test("is deleted without its repository, and its tasks are cancelled", async () => {
    await using fixture = await catalogue(await open());
    const { plan, device } = await addPlan(fixture);
    const { db } = fixture.database;
    const task = openTask(plan, device, { id: "task_1" });
    const ended = { ...task, id: "task_2", state: "succeeded" as const };
    await db.insertInto("tasks").values([task, ended]).execute();
    await deletePlan(fixture, fixture.actor, plan.id);
    assert.deepEqual(fixture.cancelled, ["task_1"]);
    await findRepository(fixture.database.db, plan.repository);
    await assert.rejects(deletePlan(fixture, fixture.actor, plan.id), hasCode("ERR_NOT_FOUND"));
  });
});

forEachDatabase("a plan's runs", (open) => {
  test("begin by hand on all of its devices or on some", async () => {
    await using fixture = await catalogue(await open());
    const { plan, device } = await addPlan(fixture);
    const actor = { kind: "user", id: fixture.actor.userId } as const;
    assert.equal((await runPlan(fixture, actor, plan.id, undefined)).length, 1);
    assert.equal(fixture.queued.at(-1)?.deviceId, device);
    assert.equal(fixture.queued.at(-1)?.attemptMax, 3);
    const stranger = await fixture.addDevice();
    await assert.rejects(runPlan(fixture, actor, plan.id, [stranger]), hasCode("ERR_NOT_FOUND"));
  });

  test("begin by schedule, once each, and not while one is open", async () => {
    await using fixture = await catalogue(await open());
    const { clock, queued } = fixture;
    const schedule = { timeZone: "UTC", rules: [{ kind: "hourly", interval: 1 }] };
    const { plan, device } = await addPlan(fixture, { schedule });
    const since = clock.now();
    assert.equal(plan.nextRunAt, since + HOUR);
    assert.equal(await runDuePlans(fixture, since), 0);
    clock.move(HOUR);
    assert.deepEqual(
      (await Promise.all([1, 2, 3].map(() => runDuePlans(fixture, since)))).toSorted((a, b) => a - b),
      [0, 0, 1],
    );
    assert.equal(queued.length, 1);
    const open1 = openTask(plan, device, { id: "task_1" });
    await fixture.database.db.insertInto("tasks").values(open1).execute();
    clock.move(HOUR);
    assert.equal(await runDuePlans(fixture, since), 0);
    await fixture.database.db.updateTable("tasks").set({ state: "succeeded" }).execute();
    clock.move(HOUR);
    assert.equal(await runDuePlans(fixture, since), 1);
  });

  test("that were missed are made up for once", async () => {
    await using fixture = await catalogue(await open());
    const { clock } = fixture;
    const schedule = { timeZone: "UTC", rules: [{ kind: "daily", times: ["01:00"] }] };
    await addPlan(fixture, { schedule });
    clock.move(5 * 24 * HOUR + 2 * HOUR);
    assert.equal(await runDuePlans(fixture, clock.now()), 1);
    assert.equal(await runDuePlans(fixture, clock.now()), 0);
  });

  test("do not begin when it is switched off", async () => {
    await using fixture = await catalogue(await open());
    const schedule = { timeZone: "UTC", rules: [{ kind: "hourly", interval: 1 }] };
    await addPlan(fixture, { schedule, enabled: false });
    fixture.clock.move(2 * HOUR);
    assert.equal(await runDuePlans(fixture, fixture.clock.now()), 0);
  });
});

suite("a schedule of a plan", () => {
  test("is refused when it makes no sense", async () => {
    const { openDatabase } = await import("../src/database/open-database.ts");
    await using fixture = await catalogue(await openDatabase(":memory:"));
    const schedule = { timeZone: "Mars/Olympus", rules: [{ kind: "daily", times: ["22:00"] }] };
    await assert.rejects(addPlan(fixture, { schedule }), hasCode("ERR_USAGE"));
  });
});

function openTask(plan: PlanView, device: string, fields: Partial<TaskRow>): TaskRow {
  return newTaskRow(
    "backup",
    {},
    {
      plan_id: plan.id,
      device_id: device,
      storage_id: plan.storage,
      repository_id: plan.repository,
      state: "queued",
      attempt: 0,
      ...fields,
    },
  );
}
