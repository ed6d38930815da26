/** Repositories whose storage is gone for good. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import { newPlan, type PlanView } from "@holdfast/protocol";
import { createTaskKinds } from "../src/operations/index.ts";
import { createPlan, deletePlan } from "../src/plans/plans.ts";
import { removeRepository } from "../src/repositories/remove-repository.ts";
import { findRepository } from "../src/repositories/repositories.ts";
import { writeOffOf, writeOffRepository } from "../src/repositories/write-off.ts";
import { findUses, USES_BY_DOMAINS } from "../src/secrets/secret-uses.ts";
import { createStorage } from "../src/storages/storages.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { finishedBackup } from "./lock-fixture.ts";
import { newTaskRow } from "./task-row.ts";

const DAY_MS = 86_400_000;

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

interface Scene {
  readonly plan: PlanView;
  readonly secret: string;
  readonly obstacles: () => Promise<readonly string[]>;
  readonly writeOff: (copies: number, confirmation?: string) => Promise<unknown>;
  /** A task of the repository that has ended. */
  readonly ended: (kind: "copies" | "backup", endedAt: number, code?: ErrorCode) => Promise<void>;
}

/** A repository with two copies, which a worker could look at. */
async function scene(fixture: Catalogue, planFields: object = {}): Promise<Scene> {
  const { database, clock, actor } = fixture;
  const device = await fixture.addDevice(["gcm", "cbc"], true);
  const secret = await fixture.addSecret("encryption-key", "correct horse battery");
  const encryption = { method: "gcm", level: "high", secret };
  const shelf = { name: "shelf", description: "", location: "/srv/shelf", identity: {}, secrets: {} };
  const { id: storage } = await createStorage(fixture, actor, shelf);
  const given = { ...planOf({ devices: [device], storage, encryption }), ...planFields };
  const plan = await createPlan(fixture, actor, newPlan.parse(given));
  const { repository } = plan;
  const { ended } = createTaskKinds(fixture);
  const of = { device_id: device, plan_id: plan.id, repository_id: repository };
  for (const letter of ["a", "b"]) {
    const end = finishedBackup(letter.repeat(64), clock.now());
    await database.transaction((transaction) => ended(transaction, newTaskRow("backup", {}, of), end));
  }
  return {
    plan,
    secret,
    obstacles: async () => (await writeOffOf(database.db, clock, repository)).obstacles,
    writeOff: (copies, confirmation = repository.slice(0, 8)) =>
      writeOffRepository(fixture, actor, repository, { confirmation, copies }),
    ended: async (kind, endedAt, code) => {
      const error = code === undefined ? null : JSON.stringify({ code, message: "It is away." });
      const state = code === undefined ? ("succeeded" as const) : ("failed" as const);
      const row = newTaskRow(kind, {}, { ...of, state, error, started_at: endedAt - 1, ended_at: endedAt });
      await database.db.insertInto("tasks").values(row).execute();
    },
  };
}

forEachDatabase("a repository that is lost for good", (open) => {
  test("is written off when nothing uses it and it is out of reach, and lets its key go", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { plan, secret, obstacles, writeOff, ended } = await scene(fixture);
    const { repository } = plan;
    await ended("backup", 10);
    assert.equal((await obstacles()).length, 2, "a plan, and nobody has looked");
    await assert.rejects(writeOff(2), hasCode("ERR_IN_USE"));
    await deletePlan(fixture, fixture.actor, plan.id);
    await assert.rejects(writeOff(2), hasCode("ERR_IN_USE"));
    // What has failed for another reason says nothing of the storage.
    await ended("copies", 20, "ERR_RUN_LOST");
    await assert.rejects(writeOff(2), hasCode("ERR_IN_USE"));
    await ended("copies", 30, "ERR_STORAGE_UNREACHABLE");
    assert.deepEqual(await obstacles(), []);
    // It was only away.
    await ended("backup", 40);
    assert.equal((await obstacles()).length, 1);
    await ended("copies", 50, "ERR_REPOSITORY_MISSING");
    await assert.rejects(
      removeRepository(fixture, fixture.actor, repository, repository.slice(0, 8)),
      hasCode("ERR_IN_USE"),
    );
    await assert.rejects(writeOff(2, "something"), hasCode("ERR_CONFIRMATION"));
    await assert.rejects(writeOff(1), hasCode("ERR_CONFIRMATION"));
    assert.equal((await findUses(db, USES_BY_DOMAINS, secret)).length, 1);
    await writeOff(2);
    await assert.rejects(findRepository(db, repository), hasCode("ERR_NOT_FOUND"));
    assert.deepEqual(await findUses(db, USES_BY_DOMAINS, secret), []);
    assert.deepEqual(await db.selectFrom("copies").select("id").execute(), []);
    const values = db.selectFrom("vault_values").select("object_id").where("object_kind", "=", "repository");
    assert.deepEqual(await values.execute(), []);
    const row = fixture.audited.find(({ action }) => action === "repository.write-off");
    assert.deepEqual([row?.subject.id, row?.details?.["copies"]], [repository, 2]);
  });

  test("is not written off as long as a retention lock holds a copy of it", async () => {
    await using fixture = await catalogue(await open());
    const { plan, obstacles, writeOff, ended } = await scene(fixture, { lockDays: 30 });
    await deletePlan(fixture, fixture.actor, plan.id);
    await ended("copies", 30, "ERR_STORAGE_MISSING");
    const [obstacle = "", ...others] = await obstacles();
    assert.match(obstacle, /2 of its copies are locked/u);
    assert.deepEqual(others, []);
    await assert.rejects(writeOff(2), hasCode("ERR_RETENTION_LOCKED"));
    fixture.clock.move(31 * DAY_MS);
    await writeOff(2);
  });

  test("needs no look when no device is left that could look", async () => {
    await using fixture = await catalogue(await open());
    const { plan, obstacles, writeOff } = await scene(fixture);
    await deletePlan(fixture, fixture.actor, plan.id);
    assert.equal((await obstacles()).length, 1);
    await fixture.database.db.updateTable("devices").set({ disabled: 1 }).execute();
    assert.deepEqual(await obstacles(), []);
    await writeOff(2);
  });
});
