/**
 * What devices announce of their disks, and how much room storages have.
 *
 * @module
 */
import type { Database, Db } from "../database.ts";
import { runStatements } from "./dialect.ts";

const STATEMENTS: readonly string[] = [
  `ALTER TABLE devices ADD COLUMN disks TEXT NOT NULL DEFAULT '[]'`,
  `ALTER TABLE storages ADD COLUMN free_bytes INTEGER`,
  `ALTER TABLE storages ADD COLUMN free_at INTEGER`,
];

export async function addDisksAndSpace(db: Db, kind: Database["kind"]): Promise<void> {
  await runStatements(db, kind, STATEMENTS);
}
