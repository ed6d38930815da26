/** What is done with repositories every day and week: with replicas, and with repositories from before there was such a schedule. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { newPlan, newReplication } from "@holdfast/protocol";
import { MIGRATIONS } from "../src/database/migrate.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { changeMaintenance, runDueMaintenance } from "../src/maintenance/maintenance.ts";
import { DAY_MS } from "../src/maintenance/times.ts";
import { createPlan } from "../src/plans/plans.ts";
import { changeReplication, createReplication } from "../src/repositories/replications.ts";
import { createStorage } from "../src/storages/storages.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";

const RETENTION_ALONE = { verificationEveryDays: 0, fullVerificationEveryDays: 0, cleanUpEveryDays: 0 };

async function addStorage(fixture: Catalogue, name: string): Promise<string> {
  const storage = { name, description: "", location: `sftp://${name}/srv`, identity: {}, secrets: {} };
  return (await createStorage(fixture, fixture.actor, storage)).id;
}

forEachDatabase("a replica", (open) => {
  test("forgets by its own rules every day, also when nothing is brought", async () => {
    await using fixture = await catalogue(await open());
    const { database, clock, actor, queued } = fixture;
    const device = await fixture.addDevice();
    const worker = await fixture.addDevice(["gcm", "cbc"], true);
    const storage = await addStorage(fixture, "near");
    // The plan keeps everything: what is forgotten at the target stays at the source.
    const given = planOf({ devices: [device], storage, encryption: null });
    const plan = await createPlan(fixture, actor, newPlan.parse(given));
    const wish = { name: "away", source: plan.repository, targetStorage: await addStorage(fixture, "far") };
    const { id, target } = await createReplication(fixture, actor, newReplication.parse(wish));
    for (const repository of [plan.repository, target]) {
      await changeMaintenance(fixture, actor, repository, RETENTION_ALONE);
      const of = { repository_id: repository, plan_id: plan.id, device_id: device, task_id: null };
      const texts = { host: "h", kind: "files", paths: "[]", tags: "[]" };
      for (const [time, letter] of ["a", "b"].entries())
        await database.db
          .insertInto("copies")
          .values({
            id: letter.repeat(64),
            time,
            ...of,
            ...texts,
            size: 1,
            files: 1,
            stored: 1,
            forgotten_at: null,
          })
          .execute();
    }
    const forgotten = (): unknown[] =>
      queued.map(({ kind, repositoryId, deviceId, input }) => [kind, repositoryId, deviceId, input]);
    const aDayLater = async (): Promise<void> => {
      clock.move(2 * DAY_MS);
      await runDueMaintenance(fixture);
    };
    await aDayLater();
    assert.deepEqual(forgotten(), [], "without rules everything stays");
    const { revision } = await changeReplication(fixture, actor, id, { retention: { last: 1 } }, 1);
    await aDayLater();
    const expected = [["forget", target, worker, { copies: ["a".repeat(64)] }]];
    assert.deepEqual(forgotten(), expected);
    // One that is switched off rests.
    await changeReplication(fixture, actor, id, { enabled: false }, revision);
    await aDayLater();
    assert.deepEqual(forgotten(), expected);
  });
});

forEachDatabase("a repository from before retention and clean-up had schedules", (open) => {
  test("gets both, begun with its verification, and keeps what it had", async () => {
    const url = await open.newUrl();
    const before = MIGRATIONS.slice(
      0,
      MIGRATIONS.findIndex(({ name }) => name === "0009"),
    );
    const [first, second] = ["a".repeat(32), "b".repeat(32)];
    const had = [
      { repository_id: first, kind: "verify", every_days: 7, next_at: 1000, last_task_id: "task_1" },
      { repository_id: first, kind: "verify-data", every_days: 30, next_at: 2000, last_task_id: null },
      { repository_id: second, kind: "verify", every_days: 0, next_at: 3000, last_task_id: null },
      { repository_id: second, kind: "verify-data", every_days: 5, next_at: 4000, last_task_id: null },
    ] as const;
    {
      await using old = await openDatabase(url, { migrations: before });
      const texts = { description: "", location: "/srv", identity: "{}", secrets: "{}", created_by: "" };
      await old.db
        .insertInto("storages")
        .values({ id: "sto", name: "nas", ...texts, created_at: 1, revision: 1 })
        .execute();
      for (const id of [first, second]) {
        const repository = { storage_id: "sto", folder: id, suite: 0, secret_id: null, prepared: "[]" };
        await old.db
          .insertInto("repositories")
          .values({ id, ...repository, created_at: 1 })
          .execute();
      }
      await old.db
        .insertInto("maintenance")
        .values([...had])
        .execute();
    }
    await using database = await openDatabase(url);
    const rows = await database.db.selectFrom("maintenance").selectAll().execute();
    const added: typeof rows = [
      { repository_id: first, kind: "retention", every_days: 1, next_at: 1000, last_task_id: null },
      { repository_id: first, kind: "clean", every_days: 7, next_at: 1000, last_task_id: null },
      { repository_id: second, kind: "retention", every_days: 1, next_at: 3000, last_task_id: null },
      { repository_id: second, kind: "clean", every_days: 7, next_at: 3000, last_task_id: null },
    ];
    type Row = (typeof rows)[number];
    const sorted = (given: readonly Row[]): string[] =>
      given
        .map((row) => [row.repository_id, row.kind, row.every_days, row.next_at, row.last_task_id].join(" "))
        .toSorted();
    assert.deepEqual(sorted(rows), sorted([...had, ...added]));
  });
});
