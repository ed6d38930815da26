import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { backupSqlite, checkSqlite } from "../src/database/backup-sqlite.ts";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";

let folder = "";
let count = 0;

/** A path where nothing is. */
function newPath(): string {
  count += 1;
  return join(folder, `${String(count)}.sqlite`);
}

async function insertTerms({ db }: Database, first: number, last: number): Promise<void> {
  for (let number = first; number <= last; number += 1) {
    const box = Buffer.alloc(2000, number);
    await db.insertInto("keyring_terms").values({ number, created_at: 1, box }).execute();
  }
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-backup-"));
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

suite("backup of SQLite", () => {
  test("has all rows, triggers and steps, while the database is in use", async () => {
    const [source, target] = [newPath(), newPath()];
    await using database = await openDatabase(source);
    await insertTerms(database, 1, 50);
    backupSqlite(source, target);
    await insertTerms(database, 51, 60);
    await using copy = await openDatabase(target);
    const rows = await copy.db.selectFrom("keyring_terms").select("number").execute();
    assert.equal(rows.length, 50);
    const triggers = async ({ db }: Database): Promise<number> => {
      const found = await db
        .withTables<{ sqlite_master: { type: string } }>()
        .selectFrom("sqlite_master")
        .select("type")
        .where("type", "=", "trigger")
        .execute();
      return found.length;
    };
    assert.ok((await triggers(copy)) > 5);
    assert.equal(await triggers(copy), await triggers(database));
  });

  test("leaves out a transaction that is not finished", async () => {
    const [source, target] = [newPath(), newPath()];
    await using database = await openDatabase(source);
    await database.transaction(async (transaction) => {
      await transaction
        .insertInto("keyring_terms")
        .values({ number: 1, created_at: 1, box: Buffer.alloc(1) })
        .execute();
      backupSqlite(source, target);
    });
    await using copy = await openDatabase(target);
    assert.deepEqual(await copy.db.selectFrom("keyring_terms").selectAll().execute(), []);
  });

  test("is for its owner alone, and replaces nothing", async () => {
    const [source, target] = [newPath(), newPath()];
    await (await openDatabase(source))[Symbol.asyncDispose]();
    backupSqlite(source, target);
    assert.equal(statSync(target).mode & 0o777, 0o600);
    const bytes = readFileSync(target);
    assert.throws(
      () => backupSqlite(source, target),
      (error) => isAppError(error, "ERR_USAGE"),
    );
    assert.deepEqual(readFileSync(target), bytes);
  });

  test("of a damaged database fails and leaves nothing", async () => {
    const [source, target] = [newPath(), newPath()];
    {
      await using database = await openDatabase(source);
      await insertTerms(database, 1, 100);
    }
    const bytes = readFileSync(source);
    bytes.fill(0x55, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 8192);
    writeFileSync(source, bytes);
    assert.throws(
      () => checkSqlite(source),
      (error) => isAppError(error, "ERR_DAMAGED"),
    );
    assert.throws(() => backupSqlite(source, target), isAppError);
    assert.equal(existsSync(target), false);
  });

  test("of what is no database, or to a folder that is not there, is refused", () => {
    const text = newPath();
    writeFileSync(text, "no database");
    const target = newPath();
    assert.throws(() => backupSqlite(text, target), isAppError);
    assert.equal(existsSync(target), false);
    assert.throws(
      () => backupSqlite(newPath(), target),
      (error) => isAppError(error, "ERR_USAGE"),
    );
    assert.throws(
      () => backupSqlite(text, join(dirname(target), "missing", "x")),
      (error) => isAppError(error, "ERR_USAGE"),
    );
  });
});
