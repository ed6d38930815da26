/** Verification of repositories: by hand, when it is due, once each; and what policies say about instant access. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { newPlan, type PlanView } from "@holdfast/protocol";
import {
  changeMaintenance,
  type RepositoryTask,
  runDueMaintenance,
  startRepositoryTask,
} from "../src/maintenance/maintenance.ts";
import { DAY_MS } from "../src/maintenance/times.ts";
import { createPlan } from "../src/plans/plans.ts";
import {
  checkInstantAccess,
  readInstantAccessPolicy,
  setInstantAccessPolicy,
} from "../src/policies/instant-access.ts";
import { findRepository } from "../src/repositories/repositories.ts";
import { listRepositories, showRepository } from "../src/repositories/repository-view.ts";
import { createStorage } from "../src/storages/storages.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { newTaskRow } from "./task-row.ts";

const COPY = "a".repeat(64);

/** What the tests about verification are not about. */
const VERIFICATION_ALONE = { retentionEveryDays: 0, cleanUpEveryDays: 0 };
const RETENTION_ALONE = { verificationEveryDays: 0, fullVerificationEveryDays: 0, cleanUpEveryDays: 0 };
const CLEAN_UP_ALONE = { verificationEveryDays: 0, fullVerificationEveryDays: 0, retentionEveryDays: 0 };

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

async function addPlan(
  fixture: Catalogue,
  level: "normal" | "high" = "high",
  others: Readonly<Record<string, unknown>> = {},
): Promise<PlanView> {
  const device = await fixture.addDevice();
  const secret = await fixture.addSecret("encryption-key", "correct horse battery");
  const storage = { name: "nas", description: "", location: "/srv/nas", identity: {}, secrets: {} };
  const { id } = await createStorage(fixture, fixture.actor, storage);
  const encryption = { method: "gcm", level, secret };
  const given = { ...planOf({ devices: [device], storage: id, encryption }), ...others };
  return createPlan(fixture, fixture.actor, newPlan.parse(given));
}

async function addCopy(
  { database }: Catalogue,
  plan: PlanView,
  { kind = "files", id: copy = COPY, time = 1 } = {},
): Promise<void> {
  const { repository, id, devices } = plan;
  await database.db
    .insertInto("copies")
    .values({
      id: copy,
      repository_id: repository,
      plan_id: id,
      device_id: devices[0] ?? null,
      task_id: null,
      time,
      host: "h",
      kind,
      paths: "[]",
      tags: "[]",
      size: 1,
      files: 1,
      stored: 1,
      forgotten_at: null,
    })
    .execute();
}

forEachDatabase("a repository", (open) => {
  test("is verified weekly without keys and monthly byte by byte, once each", async () => {
    await using fixture = await catalogue(await open());
    const { clock, queued } = fixture;
    const plan = await addPlan(fixture);
    await addCopy(fixture, plan);
    await changeMaintenance(fixture, fixture.actor, plan.repository, VERIFICATION_ALONE);
    assert.equal(await runDueMaintenance(fixture), 0);
    clock.move(8 * DAY_MS);
    const starts = await Promise.all([1, 2, 3].map(() => runDueMaintenance(fixture)));
    assert.deepEqual(
      starts.toSorted((a, b) => a - b),
      [0, 0, 1],
    );
    assert.deepEqual(queued.at(-1)?.input, { readData: false, copies: [] });
    assert.equal(queued.at(-1)?.deviceId, plan.devices[0]);
    clock.move(23 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 2);
    const inputs = queued.slice(-2).map(({ input }) => JSON.stringify(input));
    assert.equal(new Set(inputs).size, 2);
    const { db } = fixture.database;
    const shown = await showRepository(db, await findRepository(db, plan.repository));
    assert(shown.verification.lastTask !== null && shown.verification.nextAt !== null);
  });

  test("without a copy is not worth it, and one that is never to be verified is not", async () => {
    await using fixture = await catalogue(await open());
    const plan = await addPlan(fixture);
    await changeMaintenance(fixture, fixture.actor, plan.repository, VERIFICATION_ALONE);
    fixture.clock.move(40 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 0);
    await addCopy(fixture, plan);
    const never = { verificationEveryDays: 0, fullVerificationEveryDays: 0 };
    await changeMaintenance(fixture, fixture.actor, plan.repository, never);
    fixture.clock.move(400 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 0);
    await changeMaintenance(fixture, fixture.actor, plan.repository, { verificationEveryDays: 1 });
    fixture.clock.move(3 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 1);
  });

  test("gives back space weekly where copies were made, once, and not while that is under way", async () => {
    await using fixture = await catalogue(await open());
    const { clock, queued, database } = fixture;
    const plan = await addPlan(fixture);
    await changeMaintenance(fixture, fixture.actor, plan.repository, CLEAN_UP_ALONE);
    clock.move(9 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 0);
    await addCopy(fixture, plan);
    clock.move(8 * DAY_MS);
    const starts = await Promise.all([1, 2, 3].map(() => runDueMaintenance(fixture)));
    assert.equal(
      starts.reduce((sum, started) => sum + started, 0),
      1,
    );
    assert.deepEqual(
      queued.map(({ kind, repositoryId }) => [kind, repositoryId]),
      [["clean", plan.repository]],
    );
    const waiting = newTaskRow("clean", {}, { repository_id: plan.repository, state: "queued" });
    await database.db.insertInto("tasks").values(waiting).execute();
    clock.move(8 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 0);
  });

  test("forgets daily what the rules of its plans do not keep, but not of a plan that rests", async () => {
    await using fixture = await catalogue(await open());
    const { clock, queued, database } = fixture;
    const plan = await addPlan(fixture, "high", { retention: { last: 1 } });
    await changeMaintenance(fixture, fixture.actor, plan.repository, RETENTION_ALONE);
    await addCopy(fixture, plan, { id: "a".repeat(64), time: 1 });
    await addCopy(fixture, plan, { id: "b".repeat(64), time: 2 });
    await database.db.updateTable("plans").set({ enabled: 0 }).execute();
    clock.move(3 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 0);
    await database.db.updateTable("plans").set({ enabled: 1 }).execute();
    clock.move(2 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 1);
    assert.deepEqual(
      queued.map(({ kind, planId, input }) => [kind, planId, input]),
      [["forget", plan.id, { copies: ["a".repeat(64)] }]],
    );
    const { db } = database;
    const shown = await showRepository(db, await findRepository(db, plan.repository));
    assert.equal(shown.retention.everyDays, 1);
    assert(shown.retention.lastTask !== null && (shown.retention.nextAt ?? 0) > clock.now());
  });

  test("that no device can reach is looked at again soon, and is not in the way of others", async () => {
    await using fixture = await catalogue(await open());
    const { clock, queued, database } = fixture;
    const plan = await addPlan(fixture);
    await addCopy(fixture, plan);
    await changeMaintenance(fixture, fixture.actor, plan.repository, VERIFICATION_ALONE);
    await database.db.updateTable("devices").set({ disabled: 1 }).execute();
    clock.move(9 * DAY_MS);
    assert.equal(await runDueMaintenance(fixture), 0);
    await database.db.updateTable("devices").set({ disabled: 0 }).execute();
    assert.equal(await runDueMaintenance(fixture), 0);
    clock.move(DAY_MS / 24);
    assert.equal(await runDueMaintenance(fixture), 1);
    assert.deepEqual(
      queued.map(({ kind }) => kind),
      ["verify"],
    );
  });

  test("is verified, cleaned and looked into by hand", async () => {
    await using fixture = await catalogue(await open());
    const plan = await addPlan(fixture);
    const worker = await fixture.addDevice(["gcm"], true);
    const task: RepositoryTask = { kind: "verify", input: { readData: true, copies: [COPY] } };
    await startRepositoryTask(fixture, fixture.actor, plan.repository, task, undefined);
    await startRepositoryTask(
      fixture,
      fixture.actor,
      plan.repository,
      { kind: "clean", input: {} },
      undefined,
    );
    assert.deepEqual(
      fixture.queued.map(({ kind, deviceId }) => [kind, deviceId]),
      [
        ["verify", worker],
        ["clean", worker],
      ],
    );
    await assert.rejects(
      startRepositoryTask(fixture, fixture.actor, "0".repeat(32), { kind: "copies", input: {} }, undefined),
      hasCode("ERR_NOT_FOUND"),
    );
    const { items } = await listRepositories(fixture.database.db, { limit: 10 });
    assert.deepEqual(
      items.map(({ id, plans }) => [id, plans]),
      [[plan.repository, 1]],
    );
  });
});

forEachDatabase("instant access", (open) => {
  test("to a copy at the High level is refused until an administrator allows it", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    await addCopy(fixture, await addPlan(fixture, "high"), { kind: "disk" });
    await assert.rejects(checkInstantAccess(db, COPY), (error) => {
      assert(isAppError(error, "ERR_INSTANT_ACCESS_LEVEL"));
      return error.remedy?.includes("/policies/instant-access") === true;
    });
    const { revision } = await readInstantAccessPolicy(db);
    await setInstantAccessPolicy(fixture, fixture.actor, true, revision);
    await checkInstantAccess(db, COPY);
    assert.deepEqual(fixture.audited.at(-1)?.details, { highLevelAllowed: true });
    await assert.rejects(
      setInstantAccessPolicy(fixture, fixture.actor, false, revision),
      hasCode("ERR_CHANGED_MEANWHILE"),
    );
    await setInstantAccessPolicy(fixture, fixture.actor, false, revision + 1);
    await assert.rejects(checkInstantAccess(db, COPY), hasCode("ERR_INSTANT_ACCESS_LEVEL"));
  });

  test("is for images only", async () => {
    await using fixture = await catalogue(await open());
    await addCopy(fixture, await addPlan(fixture, "normal"), { kind: "files" });
    await assert.rejects(checkInstantAccess(fixture.database.db, COPY), hasCode("ERR_UNSUPPORTED"));
  });

  test("to an image at the Normal level is not refused", async () => {
    await using fixture = await catalogue(await open());
    await addCopy(fixture, await addPlan(fixture, "normal"), { kind: "disk" });
    await checkInstantAccess(fixture.database.db, COPY);
  });
});
