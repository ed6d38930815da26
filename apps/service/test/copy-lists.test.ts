/** Lists of copies: filters, the newest, sums. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { newPlan, copyQuery } from "@holdfast/protocol";
import { listCopies, newestCopies, summarizeCopies } from "../src/copies/copy-rows.ts";
import { createPlan } from "../src/plans/plans.ts";
import { createStorage } from "../src/storages/storages.ts";
import { type Catalogue, catalogue, planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";

interface Scene {
  readonly repository: string;
  readonly plan: string;
  readonly device: string;
  readonly storage: string;
}

async function scene(fixture: Catalogue): Promise<Scene> {
  const device = await fixture.addDevice();
  const storage = { name: "nas", description: "", location: "/srv/backups", identity: {}, secrets: {} };
  const { id } = await createStorage(fixture, fixture.actor, storage);
  const given = { ...planOf({ devices: [device], storage: id, encryption: null }), name: "Nightly 100%" };
  const plan = await createPlan(fixture, fixture.actor, newPlan.parse(given));
  return { repository: plan.repository, plan: plan.id, device, storage: id };
}

interface Given {
  readonly number: number;
  readonly plan?: string | null;
  readonly device?: string | null;
  readonly host?: string;
  readonly kind?: string;
  readonly paths?: readonly string[];
  readonly tags?: readonly string[];
  readonly forgotten?: boolean;
}

const idOf = (number: number): string => number.toString(16).padStart(64, "a");

async function addCopy(
  { database: { db } }: Catalogue,
  { repository, plan, device }: Scene,
  copy: Given,
): Promise<void> {
  await db
    .insertInto("copies")
    .values({
      id: idOf(copy.number),
      repository_id: repository,
      plan_id: copy.plan === undefined ? plan : copy.plan,
      device_id: copy.device === undefined ? device : copy.device,
      task_id: null,
      time: copy.number * 1000,
      host: copy.host ?? "alpha",
      kind: copy.kind ?? "files",
      paths: JSON.stringify(copy.paths ?? ["/srv"]),
      tags: JSON.stringify(copy.tags ?? []),
      size: 3_000_000_000,
      files: 10,
      stored: copy.number === 1 ? null : 5,
      forgotten_at: copy.forgotten === true ? 1 : null,
      lock_days: 0,
      recorded_at: 1,
    })
    .execute();
}

forEachDatabase("a list of copies", (open) => {
  test("has those that everything fits that is asked for", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const at = await scene(fixture);
    await addCopy(fixture, at, { number: 1, tags: ["daily"], paths: ["/home/Ada"] });
    await addCopy(fixture, at, { number: 2, tags: ["dai", "50%_"], host: "beta" });
    await addCopy(fixture, at, { number: 3, kind: "disk", tags: ['a "daily" one'], plan: null });
    await addCopy(fixture, at, { number: 4, device: null, plan: null, host: "gamma" });
    await addCopy(fixture, at, { number: 5, forgotten: true, tags: ["daily"] });
    const found = async (query: Readonly<Record<string, string>>): Promise<number[]> => {
      const { items } = await listCopies(db, copyQuery.parse(query));
      return items.map(({ time }) => time / 1000);
    };
    assert.deepEqual(await found({}), [4, 3, 2, 1]);
    assert.deepEqual(await found({ tag: "daily" }), [1]);
    assert.deepEqual(await found({ tag: "50%_" }), [2]);
    assert.deepEqual(await found({ tag: "%" }), []);
    assert.deepEqual(await found({ tag: 'a "daily" one' }), [3]);
    assert.deepEqual(await found({ kind: "disk" }), [3]);
    assert.deepEqual(await found({ since: "2000", until: "4000" }), [3, 2]);
    assert.deepEqual(await found({ text: "ADA" }), [1]);
    assert.deepEqual(await found({ text: "BET" }), [2]);
    assert.deepEqual(await found({ text: "nightly 100%" }), [2, 1]);
    assert.deepEqual(await found({ text: "1__%" }), []);
    assert.deepEqual(await found({ text: at.device.slice(4, 20) }), [3, 2, 1]);
    assert.deepEqual(await found({ text: idOf(4).slice(0, 64) }), [4]);
    assert.deepEqual(
      await found({ plan: at.plan, device: at.device, storage: at.storage, text: "beta" }),
      [2],
    );
    assert.deepEqual(await found({ newest: "true" }), [4, 3, 2]);
    assert.deepEqual(await found({ newest: "true", plan: at.plan }), [2]);
    assert.deepEqual(
      (await newestCopies(db, { plan: at.plan }, 1)).map(({ id }) => id),
      [idOf(2)],
    );
  });

  test("is summed up, also when it is empty", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const at = await scene(fixture);
    const nothing = { copies: 0, size: 0, files: 0, stored: 0, oldest: null, newest: null };
    assert.deepEqual(await summarizeCopies(db, {}), nothing);
    for (const number of [1, 2, 3]) await addCopy(fixture, at, { number });
    assert.deepEqual(await summarizeCopies(db, { plan: at.plan }), {
      copies: 3,
      size: 9_000_000_000,
      files: 30,
      stored: 10,
      oldest: 1000,
      newest: 3000,
    });
    assert.deepEqual(await summarizeCopies(db, { kind: "disk" }), nothing);
  });
});
