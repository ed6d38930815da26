/**
 * Statements of steps, written with SQLite's types. On PostgreSQL texts are compared by their bytes, as SQLite does, so that
 * lists have one order on both. (The first step has its own copy: it never changes.)
 *
 * @module
 */
import { sql } from "kysely";
import type { Database, Db } from "../database.ts";

export function dialectOf(kind: Database["kind"], statement: string): string {
  if (kind === "sqlite") return statement.startsWith("CREATE TABLE") ? `${statement} STRICT` : statement;
  return statement
    .replaceAll(/\bINTEGER\b/gu, "BIGINT")
    .replaceAll(/\bBLOB\b/gu, "BYTEA")
    .replaceAll(/\bTEXT\b/gu, 'TEXT COLLATE "C"');
}

export async function runStatements(
  db: Db,
  kind: Database["kind"],
  statements: readonly string[],
): Promise<void> {
  for (const statement of statements) await sql.raw(dialectOf(kind, statement)).execute(db);
}
