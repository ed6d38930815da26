/**
 * Gives pages that are free back to the file system, where SQLite was made with incremental vacuum; a tenth stays for what comes next.
 * Files that were made without it keep their size and use the pages again. PostgreSQL does this by itself.
 *
 * @module
 */
import { sql } from "kysely";
import type { Database } from "../database/database.ts";

const PAGES_AT_ONCE = 200;
const INCREMENTAL = 2;

/** @returns how many pages were given back; 0 when there is nothing to give. */
export async function giveBackSpace({ kind, db, transaction: inTransaction }: Database): Promise<number> {
  if (kind !== "sqlite") return 0;
  const mode = await pragma(db, "auto_vacuum");
  const free = await pragma(db, "freelist_count");
  const all = await pragma(db, "page_count");
  if (mode !== INCREMENTAL || free <= Math.max(PAGES_AT_ONCE, all / 10)) return 0;
  // Each step of this statement gives back one page, and the dialect makes one step.
  await inTransaction(async (transaction) => {
    for (let page = 0; page < PAGES_AT_ONCE; page += 1)
      await sql.raw("PRAGMA incremental_vacuum(1)").execute(transaction);
  });
  return free - (await pragma(db, "freelist_count"));
}

async function pragma(
  db: Database["db"],
  name: "auto_vacuum" | "freelist_count" | "page_count",
): Promise<number> {
  const { rows } = await sql<Record<string, number>>`${sql.raw(`PRAGMA ${name}`)}`.execute(db);
  return rows[0]?.[name] ?? 0;
}
