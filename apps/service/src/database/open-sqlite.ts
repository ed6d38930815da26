/**
 * The embedded database: one process, one file.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Kysely, sql } from "kysely";
import { createCheckpoints, logState } from "./checkpoints.ts";
import type { Database, Db } from "./database.ts";
import { createLogSync } from "./log-sync.ts";
import { besideRequest } from "./query-lines.ts";
import { type Durability, sqliteDialect, withinTransaction } from "./sqlite-dialect.ts";
import type { Tables } from "./tables.ts";

const OPEN_TIMEOUT_MS = 5000;

/** @param path a file, made if it is absent, or `:memory:`. */
export function openSqlite(path: string): Database {
  const log = path === ":memory:" ? undefined : createLog(path, () => db);
  const db: Db = new Kysely<Tables>({ dialect: sqliteDialect(() => openFile(path), log) });
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return {
    kind: "sqlite",
    db,
    transaction: (work) =>
      db.transaction().execute((transaction) => withinTransaction(() => work(transaction))),
    settled: async () => log?.settled(),
    notify: async (topic) => {
      // As from PostgreSQL: not before the caller goes on.
      besideRequest(() => setImmediate(() => emitter.emit(topic)));
    },
    listen: (topic, listener) => {
      emitter.on(topic, listener);
      return () => emitter.off(topic, listener);
    },
    [Symbol.asyncDispose]: async () => {
      emitter.removeAllListeners();
      await log?.stopCheckpoints();
      await db.destroy();
      // What was still written may wait for it.
      await log?.close();
    },
  };
}

interface Log extends Durability {
  readonly settled: () => Promise<void>;
  readonly stopCheckpoints: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** The file that SQLite writes changes to first. */
function createLog(path: string, db: () => Db): Log {
  const sync = createLogSync(`${path}-wal`);
  const checkpoints = createCheckpoints(
    path,
    async () => {
      const { rows } = await sql`PRAGMA wal_checkpoint(NOOP)`.execute(db());
      return logState.parse(rows[0]);
    },
    (work) => db().connection().execute(work),
  );
  return {
    check: sync.check,
    settled: sync.settled,
    written: () => {
      checkpoints.later();
      return sync.written();
    },
    stopCheckpoints: checkpoints.close,
    close: sync.close,
  };
}

function openFile(path: string): DatabaseSync {
  if (path !== ":memory:") {
    // Before SQLite makes it: its other files take the mode of this one.
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
  }
  const database = new DatabaseSync(path, { timeout: OPEN_TIMEOUT_MS, enableForeignKeyConstraints: true });
  // busy_timeout: SQLite would stop the whole process while it waits; the dialect does it without.
  // synchronous: whoever writes waits for the sync of the log, which needs not stop the process for it (log-sync.ts).
  // wal_autocheckpoint: in case that checkpoints in their thread fail; 64 MiB.
  // cache_size: 64 MiB; the 2 MiB that it is otherwise do not hold the upper pages of all indexes.
  // recursive_triggers: without it, `insert or replace` deletes rows behind the back of the triggers.
  database.exec(`
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 16384;
    PRAGMA cache_size = -65536;
    PRAGMA recursive_triggers = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA busy_timeout = 0;
  `);
  return database;
}
