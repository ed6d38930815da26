/**
 * Nothing of a secret stands in any row of the database.
 */
import assert from "node:assert/strict";
import { sql } from "kysely";
import type { Db } from "../src/database/database.ts";

export async function assertNowhereStored(db: Db, secrets: readonly string[]): Promise<void> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: false });
  assert(tables.length > 10);
  for (const { name } of tables) {
    const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(db);
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        const text = Buffer.isBuffer(value) ? value.toString("latin1") : String(value);
        for (const secret of secrets) assert(!text.includes(secret), `${name}.${column} has a secret in it`);
      }
    }
  }
}
