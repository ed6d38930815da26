/**
 * PostgreSQL that goes away in the middle of a transaction.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { isUnreachable } from "../src/database/failures.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { openPostgres } from "../src/database/open-postgres.ts";
import { postgresMissing, startPostgres } from "./postgres-server.ts";

suite("a database that goes away", { skip: postgresMissing }, () => {
  test("between two statements ends the transaction, not the process", async () => {
    await using server = await startPostgres();
    await server.administer("create database holdfast");
    await using database = await openDatabase(server.url("holdfast"));
    const lost = database.transaction(async (transaction) => {
      await sql`select 1`.execute(transaction);
      await server.kill();
      // The socket tells of its end meanwhile, to nobody who asked for it.
      await sleep(200);
      await sql`select 2`.execute(transaction);
    });
    await assert.rejects(lost, isUnreachable);
    await server.start();
    const { rows } = await sql<{ one: number }>`select 1 as one`.execute(database.db);
    assert.deepEqual(rows, [{ one: 1 }]);
  });

  test("while a transaction that has lost a race is done in its turn is told as that", async () => {
    await using server = await startPostgres();
    await using database = openPostgres(server.url("postgres"));
    let attempts = 0;
    const lost = database.transaction(async (transaction) => {
      attempts += 1;
      if (attempts === 1) throw Object.assign(new Error("could not serialize access"), { code: "40001" });
      await sql`select pg_terminate_backend(pg_backend_pid())`.execute(transaction);
    });
    await assert.rejects(lost, isUnreachable);
    assert.equal(attempts, 2);
    // The turn was passed on.
    assert.equal(await database.transaction(async () => "done"), "done");
    const { rows } = await sql`select 1 from pg_locks where locktype = 'advisory'`.execute(database.db);
    assert.deepEqual(rows, []);
  });
});
