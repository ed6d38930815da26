import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { newId, systemRandomness } from "@holdfast/kernel";
import { sql } from "kysely";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { giveBackSpace } from "../src/housekeeping/free-space.ts";
import { readHistoryPolicy } from "../src/housekeeping/history-policy.ts";
import { keepHouse } from "../src/housekeeping/housekeeper.ts";
import { forEachDatabase } from "./databases.ts";
import { testClock } from "./vault-fixture.ts";

const DAY_MS = 86_400_000;
const REPOSITORY = "0a".repeat(16);
const never = new AbortController().signal;

interface Bench {
  readonly database: Database;
  readonly clock: ReturnType<typeof testClock>;
  readonly deleted: Map<string, number>;
  readonly keep: () => Promise<boolean>;
}

function benchOf(database: Database): Bench {
  const clock = testClock();
  const deleted = new Map<string, number>();
  const dependencies = {
    database,
    clock,
    randomness: systemRandomness,
    deleted: (kind: string, count: number) => void deleted.set(kind, (deleted.get(kind) ?? 0) + count),
  };
  return { database, clock, deleted, keep: () => keepHouse(dependencies, never) };
}

/** A task that ended so many days ago, with a run, two events and a lease. */
async function insertTask(
  { database: { db }, clock }: Bench,
  daysAgo: number,
  state: "succeeded" | "queued" = "succeeded",
) {
  const at = clock.now() - daysAgo * DAY_MS;
  const born = { now: () => at };
  const id = newId("task", born);
  const run = newId("run", born);
  const isQueued = state === "queued";
  await db
    .insertInto("tasks")
    .values({
      id,
      kind: "backup",
      state,
      plan_id: null,
      device_id: "dev",
      storage_id: null,
      repository_id: REPOSITORY,
      input: "{}",
      result: null,
      error: null,
      created_at: at,
      created_by: "",
      not_before: at,
      started_at: null,
      ended_at: isQueued ? null : at,
      cancel_requested_at: null,
      attempt: 1,
      attempt_max: 1,
      run_id: run,
    })
    .execute();
  await db
    .insertInto("runs")
    .values({
      id: run,
      task_id: id,
      device_id: "dev",
      state: isQueued ? "failed" : "succeeded",
      given_at: at,
      started_at: at,
      ended_at: at,
      last_event: 2,
      progress: null,
    })
    .execute();
  for (const number of [1, 2])
    await db
      .insertInto("run_events")
      .values({ run_id: run, number, at, received_at: at, event: '{"kind":"started"}' })
      .execute();
  await db
    .insertInto("leases")
    .values({
      id: newId("lease", born),
      run_id: run,
      device_id: "dev",
      public_key_hash: run.slice(4).padEnd(64, "0"),
      given_at: at,
      until: at,
      ended_at: at,
    })
    .execute();
  return { id, run };
}

async function insertCopy({ database: { db } }: Bench, task: string): Promise<void> {
  const made = { created_at: 1, created_by: "", revision: 1 };
  await db
    .insertInto("storages")
    .values({
      id: "sto",
      name: "sto",
      description: "",
      location: "/",
      identity: "{}",
      secrets: "{}",
      ...made,
    })
    .execute();
  await db
    .insertInto("repositories")
    .values({ id: REPOSITORY, storage_id: "sto", folder: "", suite: 0, prepared: "[]", created_at: 1 })
    .execute();
  await db
    .insertInto("maintenance")
    .values({ repository_id: REPOSITORY, kind: "verify", every_days: 7, next_at: 0, last_task_id: task })
    .execute();
  await db
    .insertInto("copies")
    .values({
      id: "c".repeat(64),
      repository_id: REPOSITORY,
      plan_id: null,
      device_id: null,
      task_id: task,
      time: 1,
      host: "web",
      kind: "files",
      paths: "[]",
      tags: "[]",
      size: 1,
      files: 1,
      stored: 1,
      forgotten_at: null,
    })
    .execute();
}

async function idsOf({ database: { db } }: Bench, table: "tasks" | "runs" | "leases"): Promise<string[]> {
  return (await db.selectFrom(table).select("id").orderBy("id").execute()).map(({ id }) => id);
}

async function runsWithEvents({ database: { db } }: Bench): Promise<string[]> {
  const rows = await db.selectFrom("run_events").select("run_id").distinct().orderBy("run_id").execute();
  return rows.map(({ run_id: id }) => id);
}

forEachDatabase("housekeeping", (open) => {
  test("deletes tasks and events by their age, in more steps than one, and nothing younger", async () => {
    await using database = await open();
    const bench = benchOf(database);
    for (let index = 0; index < 120; index += 1) await insertTask(bench, 401 + index);
    const waiting = await insertTask(bench, 500, "queued");
    const old = await insertTask(bench, 399);
    const eventful = await insertTask(bench, 89);
    assert.equal(await bench.keep(), true);
    assert.deepEqual(await idsOf(bench, "tasks"), [waiting.id, old.id, eventful.id].toSorted());
    assert.deepEqual(await idsOf(bench, "runs"), [waiting.run, old.run, eventful.run].toSorted());
    assert.deepEqual(await runsWithEvents(bench), [eventful.run]);
    assert.equal((await idsOf(bench, "leases")).length, 1);
    assert.equal(bench.deleted.get("tasks"), 120);
    bench.clock.move(2 * DAY_MS);
    assert.equal(await bench.keep(), true);
    assert.deepEqual(await runsWithEvents(bench), []);
    assert.deepEqual(await idsOf(bench, "tasks"), [waiting.id, eventful.id].toSorted());
  });

  test("lets copies and verifications go on without the task that they name", async () => {
    await using database = await open();
    const bench = benchOf(database);
    const { id } = await insertTask(bench, 500);
    await insertCopy(bench, id);
    await bench.keep();
    assert.deepEqual(await idsOf(bench, "tasks"), []);
    const copy = await database.db.selectFrom("copies").select("task_id").executeTakeFirstOrThrow();
    const verification = await database.db
      .selectFrom("maintenance")
      .select("last_task_id")
      .executeTakeFirstOrThrow();
    assert.deepEqual([copy.task_id, verification.last_task_id], [null, null]);
  });

  test("keeps as long as the policy says", async () => {
    await using database = await open();
    const bench = benchOf(database);
    assert.deepEqual(await readHistoryPolicy(database.db), {
      taskDays: 400,
      eventDays: 90,
      changedAt: null,
      changedBy: null,
      revision: 0,
    });
    const value = JSON.stringify({ taskDays: 30, eventDays: 7 });
    await database.db
      .insertInto("policies")
      .values({ name: "history", value, changed_at: 1, changed_by: "", revision: 1 })
      .execute();
    await insertTask(bench, 31);
    const kept = await insertTask(bench, 8);
    await bench.keep();
    assert.deepEqual(await idsOf(bench, "tasks"), [kept.id]);
    assert.deepEqual(await runsWithEvents(bench), []);
  });

  test("deletes keys of requests, sessions, tokens and codes that have ended", async () => {
    await using database = await open();
    const bench = benchOf(database);
    const { db } = database;
    const now = bench.clock.now();
    const user = newId("user");
    await db
      .insertInto("users")
      .values({
        id: user,
        name: "ada",
        role: "viewer",
        password: "",
        password_changed_at: 1,
        totp_version: null,
        totp_pending_version: null,
        disabled: 0,
        created_at: 1,
        revision: 1,
      })
      .execute();
    const ages = [
      [1, "old"],
      [now, "new"],
    ] as const;
    for (const [at, name] of ages) {
      const hash = name.padEnd(64, "0");
      await db
        .insertInto("idempotency_keys")
        .values({ user_id: user, key: name, request_hash: "", status: 200, body: "", created_at: at })
        .execute();
      await db
        .insertInto("sessions")
        .values({
          id: hash,
          user_id: user,
          created_at: 1,
          used_at: 1,
          expires_at: at,
          address: "",
          user_agent: "",
        })
        .execute();
      await db
        .insertInto("api_tokens")
        .values({
          id: name,
          hash,
          user_id: user,
          name,
          scopes: "[]",
          created_at: 1,
          used_at: null,
          expires_at: at,
        })
        .execute();
      await db
        .insertInto("one_time_tokens")
        .values({
          hash,
          purpose: "enrolment",
          created_at: 1,
          created_by: "",
          expires_at: at,
          used_at: null,
          details: "{}",
        })
        .execute();
      await db.insertInto("sign_in_failures").values({ subject: name, count: 1, last_at: at }).execute();
    }
    await bench.keep();
    for (const table of [
      "idempotency_keys",
      "sessions",
      "api_tokens",
      "one_time_tokens",
      "sign_in_failures",
    ] as const) {
      const { count } = await db
        .selectFrom(table)
        .select((eb) => eb.fn.countAll<number>().as("count"))
        .executeTakeFirstOrThrow();
      assert.equal(count, 1, table);
    }
  });

  test("is done by one process at a time, once an hour, and taken over from one that died", async () => {
    await using database = await open();
    const bench = benchOf(database);
    const place = database.db.updateTable("housekeeping");
    // Another process is at it.
    await place.set({ next_at: bench.clock.now() + 1000, process_id: "other" }).execute();
    await insertTask(bench, 500);
    assert.equal(await bench.keep(), false);
    assert.equal((await idsOf(bench, "tasks")).length, 1);
    bench.clock.move(1000);
    assert.equal(await bench.keep(), true);
    assert.deepEqual(await idsOf(bench, "tasks"), []);
    assert.equal(await bench.keep(), false);
    bench.clock.move(DAY_MS / 24);
    assert.equal(await bench.keep(), true);
  });

  test("goes on later with what a stop has left", async () => {
    await using database = await open();
    const bench = benchOf(database);
    await insertTask(bench, 500);
    const stopped = AbortSignal.abort();
    const dependencies = { database, clock: bench.clock, randomness: systemRandomness };
    assert.equal(await keepHouse(dependencies, stopped), true);
    assert.equal((await idsOf(bench, "tasks")).length, 1);
    assert.equal(await bench.keep(), true);
    assert.deepEqual(await idsOf(bench, "tasks"), []);
  });
});

test("space of SQLite goes back to the file system, but for a tenth", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hf-space-"));
  try {
    await using database = await openDatabase(`sqlite:${folder}/holdfast.sqlite`);
    await sql.raw("create table filler (bytes blob)").execute(database.db);
    await sql
      .raw(
        "with recursive s(i) as (select 1 union all select i + 1 from s where i < 3000) insert into filler select zeroblob(4000) from s",
      )
      .execute(database.db);
    assert.equal(await giveBackSpace(database), 0);
    await sql.raw("delete from filler").execute(database.db);
    let given = 0;
    for (let some = await giveBackSpace(database); some > 0; some = await giveBackSpace(database))
      given += some;
    assert.ok(given > 2000, String(given));
    const { rows } = await sql<{ freelist_count: number }>`pragma freelist_count`.execute(database.db);
    assert.ok((rows[0]?.freelist_count ?? 0) <= 200);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
