/**
 * The database of a URL, with its tables up to date.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Database } from "./database.ts";
import { migrate, MIGRATIONS, type ServiceMigration } from "./migrate.ts";
import { openPostgres } from "./open-postgres.ts";
import { openSqlite } from "./open-sqlite.ts";

export interface OpenDatabaseOptions {
  /** For tests; default: those of this program. */
  readonly migrations?: readonly ServiceMigration[];
}

/**
 * @param url `postgres://...`, or for SQLite `sqlite:PATH`, a path, or `:memory:`.
 * @throws AppError `ERR_DATABASE_NEWER`, `ERR_DATABASE_UNREACHABLE`, `ERR_FAILED` when a migration fails.
 */
export async function openDatabase(url: string, options: OpenDatabaseOptions = {}): Promise<Database> {
  const database = openByScheme(url);
  try {
    await migrate(database, options.migrations ?? MIGRATIONS);
    return database;
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

function openByScheme(url: string): Database {
  if (/^postgres(?:ql)?:/u.test(url)) return openPostgres(url);
  const scheme = /^([a-z][a-z0-9+.-]+):/iu.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return openSqlite(url);
  if (scheme === "sqlite" && url.length > "sqlite:".length) return openSqlite(url.slice("sqlite:".length));
  // Not the URL: it may have a password.
  throw new AppError("ERR_USAGE", `There is no kind of database ${scheme}.`, {
    remedy: "Give `postgres://USER@HOST/NAME`, or `sqlite:PATH`.",
  });
}
