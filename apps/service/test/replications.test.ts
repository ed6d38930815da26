/** Replications: what they bring and when, the replica in the catalogue, its keys, its own retention; and removing repositories. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, isAppError, newId } from "@holdfast/kernel";
import { agentTask, newPlan, newReplication, type PlanView, type ReplicationView } from "@holdfast/protocol";
import { openRepositoryWithKeys, replicate, storePreparedObjects } from "@holdfast/repository";
import { MemoryStorage } from "@holdfast/storage";
import { findCopy, listCopies } from "../src/copies/copy-rows.ts";
import { deleteCopy } from "../src/copies/copy-tasks.ts";
import { createTaskKinds } from "../src/operations/index.ts";
import { createPlan, deletePlan } from "../src/plans/plans.ts";
import { removalOf, removeRepository } from "../src/repositories/remove-repository.ts";
import { findReplication, missingCopies, showReplication } from "../src/repositories/replication-rows.ts";
import { runDueReplications, runReplication } from "../src/repositories/replication-runs.ts";
import { changeReplication, createReplication, deleteReplication } from "../src/repositories/replications.ts";
import { findRepository, refOf } from "../src/repositories/repositories.ts";
import { findUses, USES_BY_DOMAINS } from "../src/secrets/secret-uses.ts";
import { createStorage } from "../src/storages/storages.ts";
import type { NewTask, TaskEnd, TaskRow } from "../src/tasks/task-kinds.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { finishedBackup } from "./lock-fixture.ts";
import { newTaskRow } from "./task-row.ts";
import { PORTS } from "./vault-fixture.ts";

const HOUR_MS = 3_600_000;

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

interface Scene {
  readonly fixture: Catalogue;
  readonly plan: PlanView;
  readonly secret: string;
  readonly replication: ReplicationView;
  readonly worker: string;
  readonly end: (task: TaskRow, ended: TaskEnd) => Promise<void>;
  readonly backUp: (letter: string) => Promise<string>;
  /** Ends the replication that was queued last, which brought these. */
  readonly replicated: (copies: readonly string[]) => Promise<void>;
}

async function addStorage(fixture: Catalogue, name: string): Promise<string> {
  const storage = { name, description: "", location: `/srv/${name}`, identity: {}, secrets: {} };
  return (await createStorage(fixture, fixture.actor, storage)).id;
}

async function scene(
  fixture: Catalogue,
  fields: Readonly<Record<string, unknown>> = {},
  planFields: Readonly<Record<string, unknown>> = {},
): Promise<Scene> {
  const device = await fixture.addDevice();
  const worker = await fixture.addDevice(["gcm", "cbc"], true);
  const secret = await fixture.addSecret("encryption-key", "correct horse battery");
  const encryption = { method: "gcm", level: "high", secret };
  const given = planOf({ devices: [device], storage: await addStorage(fixture, "near"), encryption });
  const plan = await createPlan(fixture, fixture.actor, newPlan.parse({ ...given, ...planFields }));
  const targetStorage = await addStorage(fixture, "far");
  const wish = { name: "away", source: plan.repository, targetStorage, device: worker, ...fields };
  const replication = await createReplication(fixture, fixture.actor, newReplication.parse(wish));
  const kinds = createTaskKinds(fixture);
  const end: Scene["end"] = (task, ended) =>
    fixture.database.transaction((transaction) => kinds.ended(transaction, task, ended));
  return {
    fixture,
    plan,
    secret,
    replication,
    worker,
    end,
    backUp: async (letter) => {
      const copy = letter.repeat(64);
      const row = newTaskRow(
        "backup",
        {},
        { device_id: device, plan_id: plan.id, repository_id: plan.repository },
      );
      await end(row, finishedBackup(copy, fixture.clock.now()));
      return copy;
    },
    replicated: async (copies) => {
      const result = { copies: copies.length, bytesStored: 1, seconds: 1, replicated: [...copies] };
      await end(rowOf(lastOf(fixture)), { state: "succeeded", result, warnings: 0 });
    },
  };
}

function lastOf({ queued }: Catalogue): NewTask {
  return queued.at(-1) ?? assert.fail("no task");
}

const rowOf = (task: NewTask): TaskRow =>
  newTaskRow(task.kind, task.input, {
    device_id: task.deviceId,
    repository_id: task.repositoryId ?? null,
  });

forEachDatabase("a replication", (open) => {
  test("brings what is missing, which is then in the catalogue a second time", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { replication, backUp, replicated, plan, worker } = await scene(fixture);
    assert.equal(await runReplication(fixture, fixture.actor, replication.id), null);
    const copies = [await backUp("a"), await backUp("b")];
    await runReplication(fixture, fixture.actor, replication.id);
    const task = lastOf(fixture);
    assert.deepEqual(
      [task.kind, task.deviceId, task.repositoryId, task.input],
      ["replicate", worker, plan.repository, { target: replication.target, copies }],
    );
    // One was damaged.
    await replicated(["a".repeat(64)]);
    const { items } = await listCopies(db, { limit: 10, repository: replication.target }, fixture.clock);
    assert.deepEqual(
      items.map(({ id, isReplica, plan: made, device }) => [id, isReplica, made, device]),
      [["a".repeat(64), true, plan.id, plan.devices[0]]],
    );
    assert.equal((await findCopy(db, "a".repeat(64))).repositoryId, plan.repository);
    assert.equal((await findCopy(db, "a".repeat(64), replication.target)).repositoryId, replication.target);
    const shown = await showReplication(db, fixture.clock, await findReplication(db, replication.id));
    assert.equal(shown.behind, 1);
  });

  test("lists copies of both repositories page by page", async () => {
    await using fixture = await catalogue(await open());
    const { replication, backUp, replicated } = await scene(fixture);
    const copies = [await backUp("a"), await backUp("b"), await backUp("c")];
    await runReplication(fixture, fixture.actor, replication.id);
    await replicated(copies);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const query = { limit: 1, ...(cursor === undefined ? {} : { cursor }) };
      const page = await listCopies(fixture.database.db, query, fixture.clock);
      seen.push(...page.items.map(({ id, repository }) => `${id} ${repository}`));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    assert.equal(new Set(seen).size, 6);
    assert.equal(seen.length, 6);
  });

  test("is a task that the protocol allows, with credentials of both storages and one capability", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { replication, backUp, plan } = await scene(fixture);
    const copy = await backUp("a");
    await runReplication(fixture, fixture.actor, replication.id);
    const row = rowOf(lastOf(fixture));
    const kinds = createTaskKinds(fixture);
    const task = agentTask.parse(await kinds.describe(db, row));
    assert(task.kind === "replicate");
    assert.deepEqual([task.repository.id, task.copies], [plan.repository, [copy]]);
    const { storage } = await refOf(db, await findRepository(db, replication.target));
    assert.deepEqual(task.target, storage);
    assert(task.target.location.startsWith("/srv/far/"));
    const { payload } = await kinds.grant(db, row);
    assert.deepEqual(
      Object.keys(payload.storages).toSorted(),
      [plan.storage, replication.targetStorage].toSorted(),
    );
    await db.updateTable("copies").set({ forgotten_at: 1 }).execute();
    await assert.rejects(kinds.describe(db, row), hasCode("ERR_NOT_FOUND"));
  });

  test("fills a repository that the leases of its own tasks open", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { replication, plan } = await scene(fixture);
    const kinds = createTaskKinds(fixture);
    const openWith = async (repositoryId: string, kind: string, storage: MemoryStorage) => {
      const row = newTaskRow(kind, {}, { repository_id: repositoryId });
      const { payload } = await kinds.grant(db, row);
      const { repository = "", tableKey = "", idKey, privateSeed } = payload.repository ?? {};
      const bytes = (text: string): Buffer => Buffer.from(text, "base64");
      const keys = {
        repository: Buffer.from(repository, "hex"),
        tableKey: bytes(tableKey),
        ...(idKey === undefined ? {} : { idKey: bytes(idKey) }),
        ...(privateSeed === undefined ? {} : { privateSeed: bytes(privateSeed) }),
      };
      const process = { host: "x", bootId: "", processId: 1, startTime: "" };
      return openRepositoryWithKeys({ ...PORTS, storage, process, hasEnded: () => false }, keys);
    };
    const near = new MemoryStorage();
    const { prepared } = await refOf(db, await findRepository(db, plan.repository));
    await storePreparedObjects(
      near,
      prepared.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes, "base64") })),
    );
    const far = new MemoryStorage();
    await replicate(await openWith(plan.repository, "clean", near), far);
    const replica = await openWith(replication.target, "copies", far);
    assert.equal(replica.config.repository.toString("hex"), plan.repository);
    assert.equal(replica.config.suite.name, "aes-256-gcm");
  });

  test("that no device can do is done by its next run, and meanwhile not in the way of others", async () => {
    await using fixture = await catalogue(await open());
    const { clock, database, queued } = fixture;
    const schedule = { timeZone: "UTC", rules: [{ kind: "hourly", interval: 1 }] };
    const { backUp } = await scene(fixture, { schedule });
    await backUp("a");
    clock.move(HOUR_MS);
    await database.db.updateTable("devices").set({ disabled: 1 }).execute();
    const before = queued.length;
    assert.equal(await runDueReplications(fixture, clock.now()), 0);
    await database.db.updateTable("devices").set({ disabled: 0 }).execute();
    assert.equal(await runDueReplications(fixture, clock.now()), 0, "it was looked at");
    clock.move(HOUR_MS);
    assert.equal(await runDueReplications(fixture, clock.now()), 1);
    assert.equal(queued.length, before + 1);
  });

  test("runs by its schedule, once, and after backups of its plans", async () => {
    await using fixture = await catalogue(await open());
    const { clock, queued } = fixture;
    const schedule = { timeZone: "UTC", rules: [{ kind: "hourly", interval: 1 }] };
    const { backUp, replication } = await scene(fixture, { schedule });
    await backUp("a");
    assert.equal(await runDueReplications(fixture, clock.now()), 0);
    clock.move(HOUR_MS);
    const since = clock.now();
    const starts = await Promise.all([1, 2, 3].map(() => runDueReplications(fixture, since)));
    assert.deepEqual(
      starts.toSorted((a, b) => a - b),
      [0, 0, 1],
    );
    const change = { schedule: null, afterBackup: true, plans: [newId("plan")] };
    const changed = await changeReplication(fixture, fixture.actor, replication.id, change, 1);
    assert.equal(changed.nextRunAt, null);
    await backUp("b");
    assert.equal(queued.length, 1);
    await changeReplication(fixture, fixture.actor, replication.id, { plans: [] }, changed.revision);
    await backUp("c");
    assert.equal(queued.length, 2);
    await changeReplication(fixture, fixture.actor, replication.id, { enabled: false }, changed.revision + 1);
    await backUp("d");
    assert.equal(queued.length, 2);
  });

  test("is done by another device when the one that is named is gone, and not once it is switched off", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { backUp, replication, worker, plan } = await scene(fixture);
    const other = await fixture.addDevice(["gcm"], true);
    await db.updateTable("devices").set({ disabled: 1 }).where("id", "=", worker).execute();
    await backUp("a");
    await runReplication(fixture, fixture.actor, replication.id);
    assert([other, plan.devices[0]].includes(lastOf(fixture).deviceId));
    const input = { target: replication.target, copies: [] };
    const row = newTaskRow("replicate", input, {
      id: "task_1",
      state: "queued",
      repository_id: plan.repository,
    });
    await db.insertInto("tasks").values(row).execute();
    await changeReplication(fixture, fixture.actor, replication.id, { enabled: false }, 1);
    assert.deepEqual(fixture.cancelled, ["task_1"]);
  });

  test("follows a backup also when retention cannot", async () => {
    await using fixture = await catalogue(await open());
    const { backUp, plan } = await scene(fixture, { afterBackup: true });
    // It ran when its plan was deleted.
    await deletePlan(fixture, fixture.actor, plan.id);
    await assert.rejects(backUp("a"), hasCode("ERR_NOT_FOUND"));
    assert.deepEqual(
      fixture.queued.map(({ kind }) => kind),
      ["replicate"],
    );
  });

  test("forgets at the target by its own rules, and brings nothing that it would forget", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { replication, backUp, replicated, end } = await scene(fixture, { retention: { last: 1 } });
    const first = await backUp("a");
    await runReplication(fixture, fixture.actor, replication.id);
    await replicated([first]);
    fixture.clock.move(HOUR_MS);
    await backUp("b");
    fixture.clock.move(HOUR_MS);
    const third = await backUp("c");
    const missing = await missingCopies(db, fixture.clock, await findReplication(db, replication.id));
    assert.deepEqual(missing, [third]);
    await runReplication(fixture, fixture.actor, replication.id);
    await replicated([third]);
    const forget = lastOf(fixture);
    assert.deepEqual(
      [forget.kind, forget.repositoryId, forget.input],
      ["forget", replication.target, { copies: [first] }],
    );
    await end(rowOf(forget), { state: "succeeded", result: { copies: [first] }, warnings: 0 });
    assert.deepEqual(await missingCopies(db, fixture.clock, await findReplication(db, replication.id)), []);
    assert.equal((await findCopy(db, first)).id, first);
  });

  test("keeps the lock of the original", async () => {
    await using fixture = await catalogue(await open());
    const { replication, backUp, replicated } = await scene(fixture, {}, { lockDays: 30 });
    const copy = await backUp("a");
    await runReplication(fixture, fixture.actor, replication.id);
    await replicated([copy]);
    const wish = { confirmation: copy.slice(0, 8), repository: replication.target };
    await assert.rejects(deleteCopy(fixture, fixture.actor, copy, wish), hasCode("ERR_RETENTION_LOCKED"));
    fixture.clock.move(30 * 24 * HOUR_MS);
    await deleteCopy(fixture, fixture.actor, copy, wish);
    assert.equal(lastOf(fixture).repositoryId, replication.target);
  });

  test("brings again what its target has lost", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { replication, backUp, replicated, end } = await scene(fixture);
    const copy = await backUp("a");
    await runReplication(fixture, fixture.actor, replication.id);
    await replicated([copy]);
    const look = newTaskRow("copies", {}, { repository_id: replication.target });
    await end(look, { state: "succeeded", result: { copies: [], complete: true }, warnings: 0 });
    assert.deepEqual(await missingCopies(db, fixture.clock, await findReplication(db, replication.id)), [
      copy,
    ]);
  });

  test("is refused into the same storage, and without the right to use the key", async () => {
    await using fixture = await catalogue(await open());
    const { plan, replication } = await scene(fixture);
    const attempt = (targetStorage: string, rights = fixture.actor.rights): Promise<unknown> =>
      createReplication(
        fixture,
        { ...fixture.actor, rights },
        newReplication.parse({ name: "x", source: plan.repository, targetStorage }),
      );
    await assert.rejects(attempt(plan.storage), hasCode("ERR_USAGE"));
    await assert.rejects(
      attempt(replication.targetStorage, new Set(["plans.edit"])),
      hasCode("ERR_FORBIDDEN"),
    );
  });

  test("that is deleted leaves the replica, which the next one takes again", async () => {
    await using fixture = await catalogue(await open());
    const { plan, replication } = await scene(fixture);
    await deleteReplication(fixture, fixture.actor, replication.id);
    const { targetStorage } = replication;
    const given = newReplication.parse({ name: "again", source: plan.repository, targetStorage });
    assert.equal((await createReplication(fixture, fixture.actor, given)).target, replication.target);
  });
});

forEachDatabase("removing a repository", (open) => {
  test("needs everything gone, and then lets its key go", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { plan, replication, secret, backUp, replicated, end } = await scene(fixture);
    const copy = await backUp("a");
    await runReplication(fixture, fixture.actor, replication.id);
    await replicated([copy]);
    const uses = async (): Promise<string[]> => {
      const found = await findUses(db, USES_BY_DOMAINS, secret);
      return found.map(({ kind, name, copies }) => `${kind} ${name} ${String(copies ?? "")}`.trim());
    };
    assert.deepEqual(await uses(), ["plan nightly", "repository far 1", "repository near 1"]);
    const remove = (id: string): Promise<unknown> =>
      removeRepository(fixture, fixture.actor, id, id.slice(0, 8));
    assert.equal((await removalOf(db, plan.repository)).obstacles.length, 3);
    await deletePlan(fixture, fixture.actor, plan.id);
    await deleteReplication(fixture, fixture.actor, replication.id);
    for (const id of [plan.repository, replication.target]) {
      await assert.rejects(remove(id), hasCode("ERR_IN_USE"));
      const forget = newTaskRow("forget", { copies: [copy] }, { repository_id: id });
      await end(forget, { state: "succeeded", result: { copies: [copy] }, warnings: 0 });
      // The catalogue knows of none; nobody has looked whether the storage does.
      await assert.rejects(remove(id), hasCode("ERR_IN_USE"));
      const look = { ...newTaskRow("copies", {}, { repository_id: id }), state: "succeeded" as const };
      const result = JSON.stringify({ copies: [], complete: true });
      await db
        .insertInto("tasks")
        .values({ ...look, result, started_at: 5, ended_at: 6 })
        .execute();
      await assert.rejects(
        removeRepository(fixture, fixture.actor, id, "something"),
        hasCode("ERR_CONFIRMATION"),
      );
      await remove(id);
      await assert.rejects(findRepository(db, id), hasCode("ERR_NOT_FOUND"));
    }
    assert.deepEqual(await uses(), []);
    const values = db.selectFrom("vault_values").select("object_id").where("object_kind", "=", "repository");
    assert.deepEqual(await values.execute(), []);
  });

  test("that was written to since the last look is refused", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { plan, replication } = await scene(fixture);
    await deletePlan(fixture, fixture.actor, plan.id);
    await deleteReplication(fixture, fixture.actor, replication.id);
    const look = {
      ...newTaskRow("copies", {}, { repository_id: plan.repository }),
      state: "succeeded" as const,
    };
    const result = JSON.stringify({ copies: [], complete: true });
    const backup = {
      ...newTaskRow("backup", {}, { repository_id: plan.repository }),
      state: "failed" as const,
    };
    await db
      .insertInto("tasks")
      .values([
        { ...look, result, started_at: 5, ended_at: 6 },
        { ...backup, started_at: 4, ended_at: 7 },
      ])
      .execute();
    const { obstacles } = await removalOf(db, plan.repository);
    assert.equal(obstacles.length, 1);
    assert.match(obstacles[0] ?? "", /looked/u);
  });
});
