/**
 * An audit log on a test database, and hands that change it.
 */
import { signingKeyFromSeed } from "@holdfast/crypto";
import { type AuditEntry, SERVICE_ACTOR } from "../src/audit/audit.ts";
import { createAuditLog, type SignedCheckpoint, type WrittenAuditLog } from "../src/audit/audit-log.ts";
import { CHAIN_START, rowHash } from "../src/audit/chain.ts";
import { verifyAudit } from "../src/audit/verify-audit.ts";
import type { Database } from "../src/database/database.ts";
import { dropTriggers, testClock } from "./vault-fixture.ts";

export const VAULT_ID = Buffer.alloc(16, 3);
export const KEY = signingKeyFromSeed(Buffer.alloc(32, 5));

export interface Fixture extends AsyncDisposable {
  readonly database: Database;
  readonly audit: WrittenAuditLog;
  readonly told: SignedCheckpoint[];
}

export async function fixtureOf(database: Database): Promise<Fixture> {
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

export function entry(index: number, change: Partial<AuditEntry> = {}): AuditEntry {
  return {
    actor: SERVICE_ACTOR,
    action: "test.entry",
    subject: { kind: "test", id: String(index) },
    details: { index, name: "ünïcode", list: ["a", "b"], none: null },
    ...change,
  };
}

export async function append({ database, audit }: Fixture, count: number): Promise<void> {
  await database.transaction(async (transaction) => {
    for (let index = 0; index < count; index += 1) await audit.append(transaction, entry(index));
  });
}

export async function problemOf({ database }: Fixture, head?: SignedCheckpoint): Promise<number | undefined> {
  return (await verifyAudit(database.db, KEY.publicKey, head)).problem?.number;
}

/** Hands that reach past the triggers. */
export async function tampered(open: () => Promise<Database>, rows: number): Promise<Fixture> {
  const fixture = await fixtureOf(await open());
  await append(fixture, rows);
  await dropTriggers(fixture.database, "audit_rows");
  await dropTriggers(fixture.database, "audit_checkpoints");
  return fixture;
}

/** What somebody does who knows how the chain is made, but has no audit key. */
export async function rehash({ database }: Fixture, from: number): Promise<void> {
  const rows = await database.db.selectFrom("audit_rows").selectAll().orderBy("number").execute();
  let previous: Buffer = CHAIN_START;
  for (const row of rows) {
    const hash = row.number < from ? row.hash : rowHash(previous, row);
    await database.db.updateTable("audit_rows").set({ hash }).where("number", "=", row.number).execute();
    previous = hash;
  }
}
