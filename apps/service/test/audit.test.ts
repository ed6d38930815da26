import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import { auditQuery, auditVerification } from "@holdfast/protocol";
import { listAudit } from "../src/audit/audit-list.ts";
import { createAuditLog } from "../src/audit/audit-log.ts";
import { CHAIN_START, detailsText, rowHash } from "../src/audit/chain.ts";
import { auditRoutes, showVerification } from "../src/audit/routes.ts";
import { verifyAudit } from "../src/audit/verify-audit.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { append, entry, fixtureOf, KEY, VAULT_ID } from "./audit-fixture.ts";
import { forEachDatabase } from "./databases.ts";

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

  test("what is appended while it is verified is no problem", async () => {
    await using fixture = await fixtureOf(await open());
    const appending = (async () => {
      for (let count = 0; count < 40; count += 1) {
        await append(fixture, 1);
        await fixture.audit.checkpoint();
      }
    })();
    let rows = 0;
    while (rows < 40) {
      const found = await verifyAudit(fixture.database.db, KEY.publicKey);
      assert.equal(found.problem, undefined);
      rows = found.rows;
    }
    await appending;
  });

  test("the database itself refuses to change or delete rows", async () => {
    await using fixture = await fixtureOf(await open());
    await append(fixture, 3);
    const { db } = fixture.database;
    await assert.rejects(db.updateTable("audit_rows").set({ action: "x" }).execute());
    await assert.rejects(db.deleteFrom("audit_rows").execute());
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
    await database.transaction(async (transaction) => {
      for (const [index, action] of ["secret.reveal", "secret.create", "secret.reveal"].entries())
        await audit.append(transaction, entry(7 + index, { action }));
    });
    assert.deepEqual(await numbers({ action: "secret." }), [10, 9, 8, 6]);
    const two = await listAudit(database.db, auditQuery.parse({ action: "secret.", limit: 2 }));
    assert.deepEqual(await numbers({ action: "secret.", cursor: two.next }), [8, 6]);
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
