/**
 * Several processes of the service on one database: here as several connections, which is the same to the database.
 */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { systemClock, systemRandomness } from "@holdfast/kernel";
import { sql } from "kysely";
import { createAuditLog } from "../src/audit/audit-log.ts";
import type { Database, Db } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { runOnce } from "../src/http/idempotency.ts";
import { forEachDatabase } from "./databases.ts";

const PORTS = { clock: systemClock, randomness: systemRandomness };
const PROCESSES = 4;

async function openSeveral(url: string): Promise<Database[]> {
  const databases: Database[] = [];
  // One after the other: SQLite would wait for its own process.
  for (let count = 0; count < PROCESSES; count += 1) databases.push(await openDatabase(url));
  return databases;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : 1;
}

async function insertUser({ db }: { readonly db: Db }): Promise<void> {
  const times = { password_changed_at: 1, created_at: 1 };
  await db
    .insertInto("users")
    .values({ id: "u", name: "u", role: "viewer", password: "", disabled: 0, revision: 0, ...times })
    .execute();
}

forEachDatabase("several processes", (open) => {
  test("count one after the other", async () => {
    const databases = await openSeveral(await open.newUrl());
    const [first] = databases;
    assert.ok(first);
    await insertUser(first);
    const increment = (database: Database): Promise<void> =>
      database.transaction(async (transaction) => {
        const row = await transaction.selectFrom("users").select("revision").executeTakeFirstOrThrow();
        await transaction
          .updateTable("users")
          .set({ revision: row.revision + 1 })
          .execute();
      });
    await Promise.all(databases.flatMap((database) => Array.from({ length: 10 }, () => increment(database))));
    const { revision } = await first.db.selectFrom("users").select("revision").executeTakeFirstOrThrow();
    assert.equal(revision, PROCESSES * 10);
    for (const database of databases) await database[Symbol.asyncDispose]();
  });

  test("make the same row once, and the others find it", async () => {
    const databases = await openSeveral(await open.newUrl());
    // What a transaction does not look for before it writes, no database orders among the reads of others.
    const make = (database: Database): Promise<string> => {
      let attempts = 0;
      return database.transaction(async (transaction) => {
        attempts += 1;
        const found = async () => transaction.selectFrom("users").select("id").executeTakeFirst();
        if (attempts > 1 && (await found()) !== undefined) return "found";
        await insertUser({ db: transaction });
        return "made";
      });
    };
    const results = await Promise.allSettled(databases.map(make));
    if (open.kind === "postgres") {
      const values = results.map((result) =>
        result.status === "fulfilled" ? result.value : String(result.reason),
      );
      assert.deepEqual(values.toSorted(compareText), [
        ...Array.from({ length: PROCESSES - 1 }, () => "found"),
        "made",
      ]);
    }
    assert.equal((await databases[0]?.db.selectFrom("users").select("id").execute())?.length, 1);
    for (const database of databases) await database[Symbol.asyncDispose]();
  });

  test("write one audit log without gaps", async () => {
    const databases = await openSeveral(await open.newUrl());
    const vault = { vaultId: Buffer.alloc(16), signAudit: () => Buffer.alloc(64) };
    const logs = databases.map((database) => createAuditLog({ ...PORTS, vault, database }));
    await Promise.all(
      databases.flatMap((database, index) =>
        Array.from({ length: 5 }, () =>
          database.transaction(async (transaction) =>
            logs[index]?.append(transaction, {
              actor: { kind: "service", id: "" },
              action: "test",
              subject: { kind: "process", id: String(index) },
            }),
          ),
        ),
      ),
    );
    const rows = await databases[0]?.db.selectFrom("audit_rows").select("number").orderBy("number").execute();
    assert.deepEqual(
      rows?.map(({ number }) => number),
      Array.from({ length: PROCESSES * 5 }, (_, index) => index + 1),
    );
    for (const database of databases) await database[Symbol.asyncDispose]();
  });

  test("answer a repeated creation once", async () => {
    const databases = await openSeveral(await open.newUrl());
    const [first] = databases;
    assert.ok(first);
    await insertUser(first);
    let created = 0;
    const request = { userId: "u", key: "k", token: "t", method: "POST", path: "/", body: {} };
    const replies = await Promise.allSettled(
      databases.map((database) =>
        runOnce({ ...PORTS, database }, request, async () => {
          created += 1;
          return { status: 201, text: "{}" };
        }),
      ),
    );
    assert.equal(created, 1);
    assert.ok(replies.some(({ status }) => status === "fulfilled"));
    for (const database of databases) await database[Symbol.asyncDispose]();
  });

  if (open.kind === "postgres") {
    test("hear each other", async () => {
      const [first, second] = await openSeveral(await open.newUrl());
      assert.ok(first && second);
      const heard = new EventEmitter();
      second.listen("devices", () => heard.emit("heard"));
      // Once for the connection itself.
      await once(heard, "heard");
      const next = once(heard, "heard");
      await first.notify("devices");
      await next;
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
    });

    test("listen again after the connection broke, and look for what they missed", async () => {
      await using database = await openDatabase(await open.newUrl());
      const heard = new EventEmitter();
      database.listen("tasks", () => heard.emit("heard"));
      await once(heard, "heard");
      const again = once(heard, "heard");
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query like 'listen%'`.execute(database.db);
      await again;
      const next = once(heard, "heard");
      await database.notify("tasks");
      await next;
    });

    test("broken connections cost the queries on them, not the service", async () => {
      await using database = await openDatabase(await open.newUrl());
      await using other = await openDatabase(await open.newUrl());
      const ask = () => sql`select 1`.execute(database.db);
      await Promise.all([ask(), ask(), ask()]);
      const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(database.db);
      const name = rows[0]?.name ?? assert.fail();
      const left = async (): Promise<number> => {
        const result = await sql`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = ${name}`.execute(other.db);
        return result.rows.length;
      };
      while ((await left()) > 0);
      let failures = 0;
      while (
        !(await ask().then(
          () => true,
          () => false,
        ))
      )
        failures += 1;
      // The connections that the pool may have.
      assert.ok(failures <= 10, String(failures));
      await ask();
    });
  }
});
