/**
 * The first tables. A later change is a step of its own; this one never changes once it was released.
 *
 * @module
 */
import { sql } from "kysely";
import type { Database, Db } from "../database.ts";
import { CATALOGUE_TABLES } from "./0001/catalogue-tables.ts";
import { FROZEN_TABLES, frozenTriggers } from "./0001/frozen.ts";
import { PEOPLE_TABLES } from "./0001/people-tables.ts";
import { TASK_TABLES } from "./0001/task-tables.ts";
import { VAULT_TABLES } from "./0001/vault-tables.ts";

export async function createTables(db: Db, kind: Database["kind"]): Promise<void> {
  const tables = [...VAULT_TABLES, ...PEOPLE_TABLES, ...CATALOGUE_TABLES, ...TASK_TABLES];
  for (const statement of tables) await sql.raw(dialectOf(kind, statement)).execute(db);
  for (const table of FROZEN_TABLES) {
    for (const statement of frozenTriggers(kind, table)) await sql.raw(statement).execute(db);
  }
}

/**
 * The statements are written with SQLite's types. On PostgreSQL texts are compared by their bytes, as SQLite does, so that
 * lists have one order on both.
 */
function dialectOf(kind: Database["kind"], statement: string): string {
  if (kind === "sqlite") return statement.startsWith("CREATE TABLE") ? `${statement} STRICT` : statement;
  return statement
    .replaceAll(/\bINTEGER\b/gu, "BIGINT")
    .replaceAll(/\bBLOB\b/gu, "BYTEA")
    .replaceAll(/\bTEXT\b/gu, 'TEXT COLLATE "C"');
}
