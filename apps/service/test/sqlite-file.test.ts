/** The embedded database in a file: when answers come, whose turn it is, and what becomes of its log. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "@holdfast/kernel";
import { sql } from "kysely";
import type { Database } from "../src/database/database.ts";
import { openSqlite } from "../src/database/open-sqlite.ts";
import { asRequest, asStart } from "../src/database/query-lines.ts";

const folder = mkdtempSync(join(tmpdir(), "hf-sqlite-file-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

async function openFile(): Promise<{ readonly database: Database; readonly path: string }> {
  files += 1;
  const path = join(folder, `${String(files)}.sqlite`);
  const database = openSqlite(path);
  await sql`create table words (number integer primary key, word text)`.execute(database.db);
  return { database, path };
}

suite("SQLite in a file", () => {
  test("rows come back as they were written, with their columns", async () => {
    const { database } = await openFile();
    await using closing = database;
    await sql`insert into words values (${1}, ${"one"}), (${2}, ${null})`.execute(closing.db);
    const { rows } = await sql`select *, x'0a0b' as bytes from words order by number`.execute(closing.db);
    assert.deepEqual(rows, [
      { number: 1, word: "one", bytes: Buffer.from("0a0b", "hex") },
      { number: 2, word: null, bytes: Buffer.from("0a0b", "hex") },
    ]);
  });

  test("another program that keeps the file locked is told as that, and ends with its lock", async (context) => {
    const { database, path } = await openFile();
    await using closing = database;
    using other = new DatabaseSync(path);
    other.exec("begin immediate");
    const insert = (): Promise<unknown> =>
      closing.transaction((transaction) => sql`insert into words values (1, 'one')`.execute(transaction));
    // The time that it waits passes at once.
    let now = performance.now();
    const clock = context.mock.method(performance, "now", () => {
      now += 6000;
      return now;
    });
    await assert.rejects(insert(), (error) => isAppError(error, "ERR_DATABASE_BUSY"));
    clock.mock.restore();
    other.exec("rollback");
    await insert();
  });

  test("columns that were added are in the rows of queries that were asked before", async () => {
    const { database } = await openFile();
    await using closing = database;
    await sql`insert into words values (1, 'one')`.execute(closing.db);
    assert.equal((await sql`select * from words`.execute(closing.db)).rows.length, 1);
    await sql`alter table words add column more text default 'and more'`.execute(closing.db);
    const { rows } = await sql`select * from words`.execute(closing.db);
    assert.deepEqual(rows, [{ number: 1, word: "one", more: "and more" }]);
  });

  test("transactions at the same time are whole, each by itself", async () => {
    const { database } = await openFile();
    await using closing = database;
    const add = async (number: number): Promise<void> => {
      await closing.transaction(async (transaction) => {
        await sql`insert into words values (${number}, 'first')`.execute(transaction);
        await sql`insert into words values (${number + 1000}, 'second')`.execute(transaction);
        if (number % 10 === 0) throw new Error("taken back");
      });
    };
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, index) => add(index)));
    assert.equal(outcomes.filter(({ status }) => status === "rejected").length, 10);
    const { rows } = await sql`select number % 1000 as n, count(*) as c from words group by n`.execute(
      closing.db,
    );
    assert.equal(rows.length, 90);
    assert.ok(rows.every((row) => typeof row === "object" && row !== null && "c" in row && row.c === 2));
  });

  for (const isNotified of [false, true])
    test(`of those who wait, requests come after ${isNotified ? "what they set going" : "the others"}, and not last of all`, async () => {
      const { database } = await openFile();
      await using closing = database;
      const order: string[] = [];
      const ask = async (name: string): Promise<void> => {
        await sql`select 1`.execute(closing.db);
        order.push(name);
      };
      const asked: Promise<void>[] = [];
      const askAll = (): void => {
        asked.push(...Array.from({ length: 8 }, () => ask("queue")));
      };
      const all = Promise.withResolvers<void>();
      const held = closing.transaction(async (transaction) => {
        await sql`select 1`.execute(transaction);
        await all.promise;
      });
      asked.push(...Array.from({ length: 8 }, () => asRequest(() => ask("request"))));
      if (isNotified) {
        const told = Promise.withResolvers<void>();
        closing.listen("tasks", () => {
          askAll();
          told.resolve();
        });
        await asRequest(() => closing.notify("tasks"));
        await told.promise;
      } else askAll();
      all.resolve();
      await held;
      await Promise.all(asked);
      const firstHalf = order.slice(0, 8).filter((name) => name === "queue").length;
      assert.ok(firstHalf >= 5 && firstHalf < 8, order.join(" "));
    });

  test("of those who wait, starts come before devices at work, which do not wait for all of them", async () => {
    const { database } = await openFile();
    await using closing = database;
    const order: string[] = [];
    const ask = async (name: string): Promise<void> => {
      await sql`select 1`.execute(closing.db);
      order.push(name);
    };
    const all = Promise.withResolvers<void>();
    const held = closing.transaction(async (transaction) => {
      await sql`select 1`.execute(transaction);
      await all.promise;
    });
    const asked = [
      ...Array.from({ length: 8 }, () => ask("device")),
      ...Array.from({ length: 100 }, () => asStart(() => ask("start"))),
    ];
    all.resolve();
    await held;
    await Promise.all(asked);
    assert.ok(order.slice(0, 20).filter((name) => name === "start").length >= 19, order.join(" "));
    assert.ok(order.indexOf("device") < order.lastIndexOf("start"), order.join(" "));
  });

  test("of those who wait, devices at work come after a start that asks one thing after the other", async () => {
    const { database } = await openFile();
    await using closing = database;
    const order: string[] = [];
    const ask = async (name: string): Promise<void> => {
      await sql`select 1`.execute(closing.db);
      order.push(name);
    };
    const starting = asStart(async () => {
      for (let index = 0; index < 100; index += 1) await ask("start");
    });
    await Promise.all([starting, ...Array.from({ length: 8 }, () => ask("device"))]);
    assert.ok(order.slice(0, 20).filter((name) => name === "start").length >= 18, order.join(" "));
    assert.ok(order.indexOf("device") < order.lastIndexOf("start"), order.join(" "));
  });

  test("the log is moved into the file by the thread of the service, and begins anew", async () => {
    const { database, path } = await openFile();
    await using closing = database;
    for (let round = 1; round <= 5; round += 1) {
      await addRows(closing, round);
      await untilFileHas(path, round * ROWS * BYTES);
    }
    // 32 MiB, from which on nobody writes until it is moved, and what one round adds; all together are 60 MB.
    const { size } = statSync(`${path}-wal`);
    assert.ok(size < 50_000_000, `the log has ${String(size)} bytes`);
  });
});

const ROWS = 12_000;
const BYTES = 1000;

async function addRows(database: Database, round: number): Promise<void> {
  await database.transaction(async (transaction) => {
    for (let row = 0; row < ROWS; row += 1)
      await sql`insert into words values (${round * ROWS + row}, ${"x".repeat(BYTES)})`.execute(transaction);
  });
}

/** Without its log. */
async function untilFileHas(path: string, bytes: number): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (statSync(path).size < bytes) {
    assert.ok(Date.now() < deadline, `the file has ${String(statSync(path).size)} bytes`);
    await sleep(50);
  }
}
