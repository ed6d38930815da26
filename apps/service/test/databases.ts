/**
 * Runs a suite on both databases: SQLite always, PostgreSQL where it is installed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite } from "node:test";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { type PostgresServer, postgresMissing, startPostgres } from "./postgres-server.ts";

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

const TEMPLATE = "with_tables";

function onPostgres(declare: (open: OpenTestDatabase) => void): void {
  let server: PostgresServer | undefined;
  let count = 0;
  before(async () => {
    server = await startPostgres();
    await server.administer(`create database ${TEMPLATE}`);
    await (await openDatabase(server.url(TEMPLATE)))[Symbol.asyncDispose]();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  const newUrl = async (template = "template0"): Promise<string> => {
    if (server === undefined) throw new Error("a database is opened inside a test");
    count += 1;
    await server.administer(`create database test_${String(count)} template ${template}`);
    return server.url(`test_${String(count)}`);
  };
  const open = async (): Promise<Database> => {
    const database = await openDatabase(await newUrl(TEMPLATE));
    return database;
  };
  declare(Object.assign(open, { kind: "postgres", newUrl: () => newUrl() } as const));
}
