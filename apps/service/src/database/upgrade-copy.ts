/**
 * Before the tables of an embedded database are brought up to date, it is copied: an upgrade that turns out badly is undone by putting
 * the copy back, and starting the older version. PostgreSQL has `pg_dump`.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError, type Clock } from "@holdfast/kernel";
import { backupSqlite } from "./backup-sqlite.ts";
import { MIGRATION_TABLE, MIGRATIONS } from "./migrate.ts";

/** The file of a URL as `openDatabase` takes it; undefined for PostgreSQL, and in memory. */
export function sqliteFileOf(url: string): string | undefined {
  const path = url.replace(/^sqlite:/u, "");
  return path === ":memory:" || path.includes("://") ? undefined : path;
}

/**
 * @param url as `openDatabase` takes it.
 * @returns where the copy is; undefined when there is nothing to bring up to date, or somebody else keeps copies.
 * @throws AppError of {@link backupSqlite}: then nothing was changed.
 */
export function copyBeforeUpgrade(url: string, { now }: Pick<Clock, "now">): string | undefined {
  const path = sqliteFileOf(url);
  if (path === undefined || !existsSync(path)) return undefined;
  const done = stepsOf(path);
  const missing = MIGRATIONS.filter(({ name }) => !done.has(name));
  const isNewer = [...done].some((step) => !MIGRATIONS.some(({ name }) => name === step));
  if (done.size === 0 || missing.length === 0 || isNewer) return undefined;
  const time = new Date(now()).toISOString().replaceAll(/[-:]|\.\d+/gu, "");
  const target = `${path}.before-${missing.at(-1)?.name ?? ""}-${time}`;
  backupSqlite(path, target);
  return target;
}

function stepsOf(path: string): ReadonlySet<string> {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const table = database.prepare("select 1 from sqlite_master where name = ?").get(MIGRATION_TABLE);
    if (table === undefined) return new Set();
    return new Set(
      database
        .prepare(`select name from ${MIGRATION_TABLE}`)
        .all()
        .map(({ name }) => String(name)),
    );
  } catch {
    // Opening it says what is wrong.
    return new Set();
  } finally {
    database.close();
  }
}

/** For commands: a database that is not there is not made. @throws AppError `ERR_DATABASE_UNREACHABLE` saying what is missing. */
export function checkDatabaseThere(url: string): void {
  const path = sqliteFileOf(url);
  if (path === undefined || existsSync(path)) return;
  const folder = dirname(path);
  const missing = existsSync(folder)
    ? `The file ${path} does not exist`
    : `The folder ${folder} does not exist`;
  throw new AppError("ERR_DATABASE_UNREACHABLE", `There is no database of the service here. ${missing}.`, {
    subject: path,
    remedy:
      "Name the service's folder with --data, or its database with --database, as `serve` was told; or put a copy back: holdfast admin restore FILE.",
  });
}
