/**
 * Brings the tables of a database up to date: all steps that are missing, in one transaction.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { type Migration, Migrator } from "kysely/migration";
import type { Database, Db } from "./database.ts";
import { isUnreachable } from "./failures.ts";
import { createTables } from "./migrations/0001-create-tables.ts";
import { addSingleSignOn } from "./migrations/0002-single-sign-on.ts";
import { addNotifications } from "./migrations/0003-notifications.ts";
import { addLocksAndReplication } from "./migrations/0004-locks-and-replication.ts";
import { addProposals } from "./migrations/0006-proposals.ts";
import { addHistory } from "./migrations/0007-history.ts";
import { addDisksAndSpace } from "./migrations/0008-disks-and-space.ts";
import { addUpkeep } from "./migrations/0009-upkeep.ts";

export interface ServiceMigration {
  /** Number only: a file may be renamed, the name in the database not. */
  readonly name: string;
  readonly up: (db: Db, kind: Database["kind"]) => Promise<void>;
}

/** In order, which never changes: append. */
export const MIGRATIONS: readonly ServiceMigration[] = [
  { name: "0001", up: createTables },
  { name: "0002", up: addSingleSignOn },
  { name: "0003", up: addNotifications },
  { name: "0004", up: addLocksAndReplication },
  { name: "0006", up: addProposals },
  { name: "0007", up: addHistory },
  { name: "0008", up: addDisksAndSpace },
  { name: "0009", up: addUpkeep },
];

export const MIGRATION_TABLE = "schema_migrations";
const MIGRATION_LOCK_TABLE = "schema_migrations_lock";

/**
 * @throws AppError `ERR_DATABASE_NEWER` when the database has steps that this program does not know, `ERR_DATABASE_UNREACHABLE`,
 * `ERR_FAILED` when a step fails: the database is then as it was.
 */
export async function migrate(database: Database, migrations: readonly ServiceMigration[]): Promise<void> {
  const steps = new Map(migrations.map(({ name, up }) => [name, up]));
  const migrator = new Migrator({
    db: database.db,
    provider: {
      getMigrations: async () =>
        Object.fromEntries(
          [...steps].map(([name, up]): [string, Migration] => [
            name,
            { up: (db: Db) => up(db, database.kind) },
          ]),
        ),
    },
    migrationTableName: MIGRATION_TABLE,
    migrationLockTableName: MIGRATION_LOCK_TABLE,
  });
  try {
    await refuseNewer(database, steps);
  } catch (error) {
    throw asAppError(error);
  }
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw asAppError(error);
}

async function refuseNewer(database: Database, known: ReadonlyMap<string, unknown>): Promise<void> {
  const tables = await database.db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === MIGRATION_TABLE)) return;
  const rows = await database.db
    .withTables<{ [MIGRATION_TABLE]: { name: string } }>()
    .selectFrom(MIGRATION_TABLE)
    .select("name")
    .execute();
  const unknown = rows.find(({ name }) => !known.has(name));
  if (unknown === undefined) return;
  throw new AppError("ERR_DATABASE_NEWER", "The database was made by a newer version of Holdfast.", {
    subject: `step ${unknown.name}`,
    remedy: "Start the version that was used last, or a newer one; or restore the database from a backup.",
  });
}

function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isUnreachable(error)) {
    return new AppError("ERR_DATABASE_UNREACHABLE", "The database cannot be reached.", {
      remedy: "Check that it runs, and its address, user and password in the URL.",
      cause: error,
    });
  }
  return new AppError("ERR_FAILED", "The tables of the database could not be brought up to date.", {
    remedy: "The database is unchanged. Start the version that was used last, and report this.",
    cause: error,
  });
}
