/**
 * What the database itself refuses to change or delete, whatever the program asks.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import type { Database, Db } from "../src/database/database.ts";
import { isForeignKeyViolation, isFrozen, isUniqueViolation } from "../src/database/failures.ts";
import { forEachDatabase, type OpenTestDatabase } from "./databases.ts";

const HASH = Buffer.alloc(32, 1);
const REPOSITORY = "a".repeat(32);
const OTHER_REPOSITORY = "b".repeat(32);

async function insertSecret(db: Db, id: string, kind: "password" | "encryption-key"): Promise<void> {
  await db
    .insertInto("secrets")
    .values({
      id,
      kind,
      name: `name of ${id}`,
      description: "",
      hint: "",
      current_version: 1,
      head_box: HASH,
      generated: 0,
      disabled: 0,
      created_at: 1,
      created_by: "",
      updated_at: 1,
      revision: 1,
    })
    .execute();
}

async function insertValue(db: Db, object_kind: string, object_id: string, version: number): Promise<void> {
  await db
    .insertInto("vault_values")
    .values({
      object_kind,
      object_id,
      version,
      field: "value",
      term: 1,
      key_box: HASH,
      value_box: HASH,
      created_at: 1,
    })
    .execute();
}

async function insertPlan(db: Db): Promise<void> {
  await db
    .insertInto("storages")
    .values({
      id: "sto",
      name: "sto",
      description: "",
      location: "/srv",
      identity: "{}",
      secrets: "{}",
      created_at: 1,
      created_by: "",
      revision: 1,
    })
    .execute();
  await insertSecret(db, "other key", "encryption-key");
  for (const [id, secret_id] of [
    [REPOSITORY, "key"],
    [OTHER_REPOSITORY, "other key"],
  ] as const) {
    await db
      .insertInto("repositories")
      .values({ id, storage_id: "sto", folder: id, suite: 3, secret_id, prepared: "[]", created_at: 1 })
      .execute();
  }
  await db
    .insertInto("plans")
    .values({
      id: "plan",
      name: "plan",
      description: "",
      selection: "{}",
      storage_id: "sto",
      repository_id: REPOSITORY,
      method: "gcm",
      level: "high",
      secret_id: "key",
      schedule: null,
      retention: null,
      retries: "{}",
      enabled: 1,
      created_at: 1,
      created_by: "",
      revision: 1,
    })
    .execute();
}

async function openFilled(open: OpenTestDatabase): Promise<Database> {
  const database = await open();
  const { db } = database;
  for (const number of [1, 2]) {
    await db.insertInto("keyring_terms").values({ number, created_at: 1, box: HASH }).execute();
  }
  await insertSecret(db, "key", "encryption-key");
  await insertSecret(db, "password", "password");
  await insertValue(db, "encryption-key", "key", 1);
  await insertValue(db, "password", "password", 1);
  await insertValue(db, "totp", "user", 1);
  await insertPlan(db);
  await db
    .insertInto("audit_rows")
    .values({
      number: 1,
      at: 1,
      actor_kind: "service",
      actor_id: "",
      action: "x",
      subject_kind: "x",
      subject_id: "x",
      details: "{}",
      hash: HASH,
    })
    .execute();
  await db
    .insertInto("audit_checkpoints")
    .values({ number: 1, at: 1, hash: HASH, signature: HASH })
    .execute();
  await db
    .insertInto("secret_exposures")
    .values({
      id: "exposure",
      device_id: "dev",
      object_kind: "password",
      object_id: "password",
      version: 1,
      run_id: "run",
      lease_id: "lease",
      at: 1,
    })
    .execute();
  return database;
}

/** Statements that a trigger refuses. */
const REFUSED: readonly string[] = [
  "update vault_values set value_box = head_box from secrets where secrets.id = 'nobody' or object_id = 'key'",
  "update vault_values set version = 2 where object_kind = 'password'",
  "update vault_values set object_id = 'key' where object_kind = 'password'",
  "update vault_values set field = 'x'",
  "update vault_values set created_at = 2",
  "delete from vault_values where object_kind = 'encryption-key'",
  "delete from vault_values where object_kind = 'password'",
  "update secrets set kind = 'password' where id = 'key'",
  "update secrets set id = 'x' where id = 'password'",
  "update plans set method = 'cbc'",
  "update plans set level = 'low'",
  "update plans set method = null, level = null, secret_id = null",
  "update plans set secret_id = 'other key'",
  "update repositories set suite = 4",
  "update repositories set secret_id = 'key'",
  "update audit_rows set details = '{1}'",
  "update audit_rows set number = 2",
  "delete from audit_rows",
  "update audit_checkpoints set at = 2",
  "delete from audit_checkpoints",
  "update secret_exposures set at = 2",
  "delete from secret_exposures",
];

forEachDatabase("frozen rows", (open) => {
  for (const statement of REFUSED) {
    test(`refused: ${statement}`, async () => {
      await using database = await openFilled(open);
      const before = await database.db.selectFrom("vault_values").selectAll().orderBy("object_id").execute();
      // A column named `head_box` is bytes as well: the first statement needs some that differ.
      await database.db
        .updateTable("secrets")
        .set({ head_box: Buffer.from("other") })
        .execute();
      await assert.rejects(sql.raw(statement).execute(database.db), (error) => isFrozen(error));
      const after = await database.db.selectFrom("vault_values").selectAll().orderBy("object_id").execute();
      assert.deepEqual(after, before);
    });
  }

  test("a value's key may be sealed again under another term", async () => {
    await using database = await openFilled(open);
    await database.db
      .updateTable("vault_values")
      .set({ term: 2, key_box: Buffer.from("new") })
      .execute();
    const rows = await database.db.selectFrom("vault_values").select("term").distinct().execute();
    assert.deepEqual(rows, [{ term: 2 }]);
  });

  test("an encryption key gets no second version, a password does", async () => {
    await using database = await openFilled(open);
    await insertValue(database.db, "password", "password", 2);
    await assert.rejects(insertValue(database.db, "encryption-key", "key", 2));
    await assert.rejects(
      database.db.updateTable("secrets").set({ current_version: 2 }).where("id", "=", "key").execute(),
    );
    await database.db
      .updateTable("secrets")
      .set({ current_version: 2 })
      .where("id", "=", "password")
      .execute();
  });

  test("a value is not replaced by inserting it again", async () => {
    await using database = await openFilled(open);
    await assert.rejects(insertValue(database.db, "encryption-key", "key", 1), (error) =>
      isUniqueViolation(error),
    );
    if (database.kind === "sqlite") {
      const replace = sql`insert or replace into vault_values
        select object_kind, object_id, version, field, term, key_box, x'00', created_at from vault_values
        where object_kind = 'encryption-key'`;
      await assert.rejects(replace.execute(database.db), (error) => isFrozen(error));
    }
  });

  test("values go with their secret, and values of other kinds at any time", async () => {
    await using database = await openFilled(open);
    await database.transaction(async (transaction) => {
      await transaction.deleteFrom("secrets").where("id", "=", "password").execute();
      await transaction.deleteFrom("vault_values").where("object_id", "=", "password").execute();
    });
    await database.db.deleteFrom("vault_values").where("object_kind", "=", "totp").execute();
    const rows = await database.db.selectFrom("vault_values").select("object_id").execute();
    assert.deepEqual(rows, [{ object_id: "key" }]);
  });

  test("a key that a plan uses cannot go, and a plan cannot move to a repository of another key", async () => {
    await using database = await openFilled(open);
    await assert.rejects(database.db.deleteFrom("secrets").where("id", "=", "key").execute(), (error) =>
      isForeignKeyViolation(error),
    );
    const move = database.db.updateTable("plans").set({ repository_id: OTHER_REPOSITORY }).execute();
    await assert.rejects(move, (error) => isForeignKeyViolation(error));
  });

  test("everything else of a plan can be edited", async () => {
    await using database = await openFilled(open);
    await database.db
      .updateTable("plans")
      .set({ name: "new", enabled: 0, revision: 2, selection: "[]" })
      .execute();
    assert.equal(
      (await database.db.selectFrom("plans").select("name").executeTakeFirstOrThrow()).name,
      "new",
    );
  });

  if (open.kind === "postgres") {
    test("frozen tables are not truncated", async () => {
      await using database = await openFilled(open);
      for (const table of ["vault_values", "audit_rows", "audit_checkpoints", "secret_exposures"]) {
        await assert.rejects(sql.raw(`truncate ${table}`).execute(database.db), (error) => isFrozen(error));
      }
    });
  }
});
