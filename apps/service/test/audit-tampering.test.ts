import assert from "node:assert/strict";
import { test } from "node:test";
import { signingKeyFromSeed } from "@holdfast/crypto";
import { type AuditRow, checkpointBytes, rowHash } from "../src/audit/chain.ts";
import { append, problemOf, rehash, tampered, VAULT_ID } from "./audit-fixture.ts";
import { forEachDatabase } from "./databases.ts";

forEachDatabase("an audit log that somebody changed", (open) => {
  for (const [name, number] of [
    ["first", 1],
    ["one in the middle", 5],
  ] as const) {
    test(`a deleted row is found: ${name}`, async () => {
      await using fixture = await tampered(open, 9);
      await fixture.database.db.deleteFrom("audit_rows").where("number", "=", number).execute();
      assert.equal(await problemOf(fixture), number);
    });
  }

  test("a deleted row is found although the others moved up", async () => {
    await using fixture = await tampered(open, 9);
    const { db } = fixture.database;
    await db.deleteFrom("audit_rows").where("number", "=", 5).execute();
    for (let number = 6; number <= 9; number += 1) {
      await db
        .updateTable("audit_rows")
        .set({ number: number - 1 })
        .where("number", "=", number)
        .execute();
    }
    assert.equal(await problemOf(fixture), 5);
  });

  const changes: Readonly<Record<string, Partial<AuditRow>>> = {
    at: { at: 7 },
    actor_kind: { actor_kind: "command" },
    actor_id: { actor_id: "user_x" },
    action: { action: "test.other" },
    subject_kind: { subject_kind: "secret" },
    subject_id: { subject_id: "other" },
    details: { details: "{}" },
    hash: { hash: Buffer.alloc(32) },
  };
  test("any changed column is found", async () => {
    await using fixture = await tampered(open, 9);
    const { db } = fixture.database;
    for (const [column, change] of Object.entries(changes)) {
      const row = await db
        .selectFrom("audit_rows")
        .selectAll()
        .where("number", "=", 4)
        .executeTakeFirstOrThrow();
      await db.updateTable("audit_rows").set(change).where("number", "=", 4).execute();
      assert.equal(await problemOf(fixture), 4, column);
      await db.updateTable("audit_rows").set(row).where("number", "=", 4).execute();
    }
    assert.equal(await problemOf(fixture), undefined);
  });

  test("fields that trade bytes are found", async () => {
    await using fixture = await tampered(open, 3);
    // "test" + "1" becomes "tes" + "t1".
    await fixture.database.db
      .updateTable("audit_rows")
      .set({ subject_kind: "tes", subject_id: "t1" })
      .where("number", "=", 2)
      .execute();
    assert.equal(await problemOf(fixture), 2);
  });

  test("reordered rows are found", async () => {
    await using fixture = await tampered(open, 9);
    const { db } = fixture.database;
    for (const [from, to] of [
      [4, 100],
      [5, 4],
      [100, 5],
    ] as const) {
      await db.updateTable("audit_rows").set({ number: to }).where("number", "=", from).execute();
    }
    assert.equal(await problemOf(fixture), 4);
  });

  test("an inserted row is found", async () => {
    await using fixture = await tampered(open, 9);
    const { db } = fixture.database;
    for (let number = 9; number >= 5; number -= 1) {
      await db
        .updateTable("audit_rows")
        .set({ number: number + 1 })
        .where("number", "=", number)
        .execute();
    }
    const model = await db
      .selectFrom("audit_rows")
      .selectAll()
      .where("number", "=", 4)
      .executeTakeFirstOrThrow();
    await db
      .insertInto("audit_rows")
      .values({ ...model, number: 5, hash: rowHash(model.hash, { ...model, number: 5 }) })
      .execute();
    // Row 5 itself fits; the one after it does not follow it.
    assert.equal(await problemOf(fixture), 6);
  });

  test("a log computed anew is found by the next checkpoint", async () => {
    await using fixture = await tampered(open, 300);
    const { db } = fixture.database;
    await db.updateTable("audit_rows").set({ actor_id: "user_x" }).where("number", "=", 100).execute();
    await rehash(fixture, 100);
    assert.equal(await problemOf(fixture), 1);
    const other = signingKeyFromSeed(Buffer.alloc(32, 6));
    const row = await db
      .selectFrom("audit_rows")
      .selectAll()
      .where("number", "=", 256)
      .executeTakeFirstOrThrow();
    const signature = other.sign(checkpointBytes(VAULT_ID, row));
    await db.updateTable("audit_checkpoints").set({ at: row.at, hash: row.hash, signature }).execute();
    assert.equal(await problemOf(fixture), 1, "signed with another key");
    await db.deleteFrom("audit_checkpoints").execute();
    assert.equal(await problemOf(fixture), 1, "without the checkpoint");
  });

  test("a row changed after the last checkpoint is named after it", async () => {
    await using fixture = await tampered(open, 300);
    const checkpoint = await fixture.audit.checkpoint();
    assert.equal(checkpoint?.number, 300);
    await fixture.database.db
      .updateTable("audit_rows")
      .set({ actor_id: "x" })
      .where("number", "=", 280)
      .execute();
    await rehash(fixture, 280);
    assert.equal(await problemOf(fixture), 257);
  });

  test("a changed checkpoint is found", async () => {
    await using fixture = await tampered(open, 10);
    await fixture.audit.checkpoint();
    const { db } = fixture.database;
    const checkpoint = await db.selectFrom("audit_checkpoints").selectAll().executeTakeFirstOrThrow();
    for (const change of [
      { at: 1 },
      { hash: Buffer.alloc(32) },
      { number: 9 },
      { signature: Buffer.alloc(64) },
      { signature: Buffer.alloc(3) },
    ]) {
      await db.updateTable("audit_checkpoints").set(change).execute();
      assert.equal(await problemOf(fixture), 1, Object.keys(change).join());
      await db.updateTable("audit_checkpoints").set(checkpoint).execute();
    }
    assert.equal(await problemOf(fixture), undefined);
  });

  test("an end that was cut off is found by checkpoints, here or elsewhere", async () => {
    await using fixture = await tampered(open, 10);
    const head = await fixture.audit.checkpoint();
    const { db } = fixture.database;
    await db.deleteFrom("audit_rows").where("number", ">", 7).execute();
    assert.equal(await problemOf(fixture), 8);
    await db.deleteFrom("audit_checkpoints").execute();
    // Inside of the database nothing shows any more.
    assert.equal(await problemOf(fixture), undefined);
    assert.equal(await problemOf(fixture, head), 8);
    // Nor when as many other rows have come instead.
    await append(fixture, 5);
    assert.equal(await problemOf(fixture), undefined);
    assert.equal(await problemOf(fixture, head), 1);
  });
});
