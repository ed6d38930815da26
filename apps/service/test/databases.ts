/**
 * Runs a suite on both databases: SQLite always, PostgreSQL where it is installed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite } from "node:test";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { newPostgresDatabase, type PostgresDatabase } from "./postgres-databases.ts";
import { postgresMissing } from "./postgres-server.ts";

export interface OpenTestDatabase {
  /** A new database with tables and no rows. `await using` closes it. */
  (): Promise<Database>;
  readonly kind: Database["kind"];
  /** The URL of a new, empty database without tables, for tests that open it more than once. */
  readonly newUrl: () => Promise<string>;
}

/** Declares the suite `name` once for each database. */
export function forEachDatabase(name: string, declare: (open: OpenTestDatabase) => void): void {
  suite(`${name} on SQLite`, () => onSqlite(declare));
  suite(`${name} on PostgreSQL`, { skip: postgresMissing }, () => onPostgres(declare));
}

function onSqlite(declare: (open: OpenTestDatabase) => void): void {
  const folders: string[] = [];
  after(async () => {
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });
  const newUrl = async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), "hf-sqlite-"));
    folders.push(folder);
    return `sqlite:${join(folder, "holdfast.sqlite")}`;
  };
  declare(Object.assign(() => openDatabase(":memory:"), { kind: "sqlite", newUrl } as const));
}

function onPostgres(declare: (open: OpenTestDatabase) => void): void {
  const databases: PostgresDatabase[] = [];
  after(async () => {
    for (const database of databases) await database[Symbol.asyncDispose]();
  });
  const newUrl = async (content: "empty" | "with tables"): Promise<string> => {
    const database = await newPostgresDatabase(content);
    databases.push(database);
    return database.url;
  };
  const open = async (): Promise<Database> => {
    const database = await openDatabase(await newUrl("with tables"));
    return database;
  };
  declare(Object.assign(open, { kind: "postgres", newUrl: () => newUrl("empty") } as const));
}
