import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import { signingKeyFromSeed } from "@holdfast/crypto";
import { auditQuery, auditVerification } from "@holdfast/protocol";
import { type AuditEntry, SERVICE_ACTOR } from "../src/audit/audit.ts";
import { listAudit } from "../src/audit/audit-list.ts";
import { createAuditLog, type SignedCheckpoint, type WrittenAuditLog } from "../src/audit/audit-log.ts";
import { type AuditRow, CHAIN_START, checkpointBytes, detailsText, rowHash } from "../src/audit/chain.ts";
import { auditRoutes, showVerification } from "../src/audit/routes.ts";
import { verifyAudit } from "../src/audit/verify-audit.ts";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { forEachDatabase } from "./databases.ts";
import { dropTriggers, testClock } from "./vault-fixture.ts";

const VAULT_ID = Buffer.alloc(16, 3);
const KEY = signingKeyFromSeed(Buffer.alloc(32, 5));

interface Fixture extends AsyncDisposable {
  readonly database: Database;
  readonly audit: WrittenAuditLog;
  readonly told: SignedCheckpoint[];
}

async function fixtureOf(database: Database): Promise<Fixture> {
  await database.db
    .insertInto("vault")
    .values({
      one: 1,
      vault_id: VAULT_ID,
      created_at: 1,
      current_term: 1,
      recovery_public_key: null,
      recovery_box: null,
    })
    .execute();
  const told: SignedCheckpoint[] = [];
  const clock = testClock();
  const audit = createAuditLog({
    database,
    vault: { vaultId: VAULT_ID, signAudit: KEY.sign },
    clock: { now: () => (clock.move(1000), clock.now()) },
    onCheckpoint: (checkpoint) => told.push(checkpoint),
  });
  return { database, audit, told, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

function entry(index: number, change: Partial<AuditEntry> = {}): AuditEntry {
  return {
    actor: SERVICE_ACTOR,
    action: "test.entry",
    subject: { kind: "test", id: String(index) },
    details: { index, name: "ünïcode", list: ["a", "b"], none: null },
    ...change,
  };
}

async function append({ database, audit }: Fixture, count: number): Promise<void> {
  await database.transaction(async (transaction) => {
    for (let index = 0; index < count; index += 1) await audit.append(transaction, entry(index));
  });
}

async function problemOf({ database }: Fixture, head?: SignedCheckpoint): Promise<number | undefined> {
  return (await verifyAudit(database.db, KEY.publicKey, head)).problem?.number;
}

/** Hands that reach past the triggers. */
async function tampered(open: () => Promise<Database>, rows: number): Promise<Fixture> {
  const fixture = await fixtureOf(await open());
  await append(fixture, rows);
  await dropTriggers(fixture.database, "audit_rows");
  await dropTriggers(fixture.database, "audit_checkpoints");
  return fixture;
}

/** What somebody does who knows how the chain is made, but has no audit key. */
async function rehash({ database }: Fixture, from: number): Promise<void> {
  const rows = await database.db.selectFrom("audit_rows").selectAll().orderBy("number").execute();
  let previous: Buffer = CHAIN_START;
  for (const row of rows) {
    const hash = row.number < from ? row.hash : rowHash(previous, row);
    await database.db.updateTable("audit_rows").set({ hash }).where("number", "=", row.number).execute();
    previous = hash;
  }
}

suite("chain of audit rows", () => {
  test("has the bytes of docs/security.md", () => {
    const row = {
      number: 1,
      at: 258,
      actor_kind: "user" as const,
      actor_id: "user_1",
      action: "secret.reveal",
      subject_kind: "secret",
      subject_id: "sec_1",
      details: detailsText({ b: 1, a: "x" }),
    };
    assert.equal(row.details, '{"a":"x","b":1}');
    const u32 = (value: number): Buffer => Buffer.from([value, 0, 0, 0]);
    const text = (value: string): Buffer => Buffer.concat([u32(value.length), Buffer.from(value)]);
    const bytes = Buffer.concat([
      Buffer.from("holdfast/audit/1"),
      Buffer.alloc(32),
      Buffer.concat([u32(8), Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])]),
      Buffer.concat([u32(8), Buffer.from([2, 1, 0, 0, 0, 0, 0, 0])]),
      ...["user", "user_1", "secret.reveal", "secret", "sec_1", '{"a":"x","b":1}'].map(text),
    ]);
    const expected = createHash("sha256").update(bytes).digest("hex");
    assert.equal(rowHash(CHAIN_START, row).toString("hex"), expected);
  });
});

forEachDatabase("audit log", (open) => {
  test("holds together, with a checkpoint every 256 rows and on demand", async () => {
    await using fixture = await fixtureOf(await open());
    assert.equal(await fixture.audit.checkpoint(), undefined);
    await append(fixture, 600);
    let found = await verifyAudit(fixture.database.db, KEY.publicKey);
    assert.deepEqual(found, { rows: 600, checkpoints: 2, signedTo: 512, problem: undefined });
    const checkpoint = await fixture.audit.checkpoint();
    assert.equal(checkpoint?.number, 600);
    assert.deepEqual(fixture.told, [checkpoint]);
    found = await verifyAudit(fixture.database.db, KEY.publicKey, checkpoint);
    assert.deepEqual(found, { rows: 600, checkpoints: 3, signedTo: 600, problem: undefined });
    // Nothing new: the same one again.
    assert.deepEqual(await fixture.audit.checkpoint(), checkpoint);
  });

  test("a row goes with its transaction", async () => {
    await using fixture = await fixtureOf(await open());
    await append(fixture, 3);
    const failing = fixture.database.transaction(async (transaction) => {
      await fixture.audit.append(transaction, entry(4));
      throw new Error("no");
    });
    await assert.rejects(failing, /^Error: no$/u);
    await append(fixture, 2);
    const found = await verifyAudit(fixture.database.db, KEY.publicKey);
    assert.deepEqual([found.rows, found.problem], [5, undefined]);
  });

  test("many at once make one chain", async () => {
    await using fixture = await fixtureOf(await open());
    const { database, audit } = fixture;
    await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        database.transaction(async (transaction) => {
          // Reads first, as the domains do, so that its snapshot is older than its turn.
          await transaction.selectFrom("vault").select("one").execute();
          await audit.append(transaction, entry(index));
        }),
      ),
    );
    const found = await verifyAudit(database.db, KEY.publicKey);
    assert.deepEqual([found.rows, found.problem], [24, undefined]);
    const rows = await database.db.selectFrom("audit_rows").select("subject_id").execute();
    assert.equal(new Set(rows.map((row) => row.subject_id)).size, 24);
  });

  test("several processes append at once without giving up", { skip: open.kind === "sqlite" }, async () => {
    const url = await open.newUrl();
    await using first = await openDatabase(url);
    await using second = await openDatabase(url);
    await using fixture = await fixtureOf(first);
    const logs = [first, second].map((database) => ({
      database,
      audit: createAuditLog({
        database,
        vault: { vaultId: VAULT_ID, signAudit: KEY.sign },
        clock: { now: () => 1 },
      }),
    }));
    const count = 120;
    await Promise.all(
      Array.from({ length: count }, (_, index) => {
        const log = logs[index % logs.length];
        assert(log !== undefined);
        return log.database.transaction(async (transaction) => {
          await transaction.selectFrom("vault").select("one").execute();
          await log.audit.append(transaction, entry(index));
        });
      }),
    );
    const found = await verifyAudit(fixture.database.db, KEY.publicKey);
    assert.deepEqual([found.rows, found.problem], [count, undefined]);
  });

  test("the database itself refuses to change or delete rows", async () => {
    await using fixture = await fixtureOf(await open());
    await append(fixture, 3);
    const { db } = fixture.database;
    await assert.rejects(db.updateTable("audit_rows").set({ action: "x" }).execute());
    await assert.rejects(db.deleteFrom("audit_rows").execute());
  });

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

  test("is listed newest first, page by page, and filtered", async () => {
    await using fixture = await fixtureOf(await open());
    const { database, audit } = fixture;
    await database.db
      .insertInto("users")
      .values({
        id: "user_1",
        name: "Ada",
        role: "viewer",
        password: "",
        password_changed_at: 0,
        totp_version: null,
        totp_pending_version: null,
        disabled: 0,
        created_at: 0,
        revision: 1,
      })
      .execute();
    await append(fixture, 5);
    await database.transaction(async (transaction) => {
      const actor = { kind: "user", id: "user_1" } as const;
      await audit.append(transaction, entry(5, { actor, action: "secret.create", details: { name: "n" } }));
      await audit.append(transaction, entry(6, { actor, action: "secrets.other" }));
    });
    const numbers = async (query: Record<string, unknown>): Promise<number[]> =>
      (await listAudit(database.db, auditQuery.parse(query))).items.map((row) => row.number);
    assert.deepEqual(await numbers({}), [7, 6, 5, 4, 3, 2, 1]);
    assert.deepEqual(await numbers({ action: "secret." }), [6]);
    assert.deepEqual(await numbers({ action: "test.entry", limit: "2" }), [5, 4]);
    assert.deepEqual(await numbers({ actorKind: "user" }), [7, 6]);
    assert.deepEqual(await numbers({ actor: "user_1", action: "secrets.other" }), [7]);
    assert.deepEqual(await numbers({ subjectKind: "test", subject: "2" }), [3]);
    const rows = await database.db.selectFrom("audit_rows").select("at").orderBy("number").execute();
    assert.deepEqual(await numbers({ from: rows[1]?.at, to: rows[3]?.at }), [3, 2]);
    const first = await listAudit(database.db, auditQuery.parse({ limit: 3 }));
    assert.deepEqual(await numbers({ limit: 3, cursor: first.next }), [4, 3, 2]);
    assert.deepEqual(
      await numbers({
        limit: 3,
        cursor: (await listAudit(database.db, auditQuery.parse({ limit: 6 }))).next,
      }),
      [1],
    );
    const [newest] = first.items;
    assert.deepEqual(newest?.actor, { kind: "user", id: "user_1", name: "Ada" });
    assert.equal(first.items[1]?.details["name"], "n");
  });

  test("its routes need the right to read it", async () => {
    await using fixture = await fixtureOf(await open());
    const routes = auditRoutes({ database: fixture.database, vault: { auditPublicKey: KEY.publicKey } });
    assert.deepEqual(
      routes.map(({ path, right }) => [path, right]),
      [
        ["/audit", "audit.read"],
        ["/audit/verification", "audit.read"],
      ],
    );
    await append(fixture, 257);
    const answer = await showVerification(fixture.database.db, KEY.publicKey);
    assert.deepEqual(auditVerification.parse(answer), answer);
    assert.equal(answer.head?.number, 256);
    assert.equal(answer.publicKey, KEY.publicKey.toString("base64"));
  });
});
