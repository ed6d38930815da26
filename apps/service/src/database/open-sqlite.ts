/**
 * The embedded database: one process, one file.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import type { Database, Db } from "./database.ts";
import { sqliteDialect, withinTransaction } from "./sqlite-dialect.ts";
import type { Tables } from "./tables.ts";

const OPEN_TIMEOUT_MS = 5000;

/** @param path a file, made if it is absent, or `:memory:`. */
export function openSqlite(path: string): Database {
  const db: Db = new Kysely<Tables>({ dialect: sqliteDialect(() => openFile(path)) });
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return {
    kind: "sqlite",
    db,
    transaction: (work) =>
      db.transaction().execute((transaction) => withinTransaction(() => work(transaction))),
    notify: async (topic) => {
      // As from PostgreSQL: not before the caller goes on.
      setImmediate(() => emitter.emit(topic));
    },
    listen: (topic, listener) => {
      emitter.on(topic, listener);
      return () => emitter.off(topic, listener);
    },
    [Symbol.asyncDispose]: async () => {
      emitter.removeAllListeners();
      await db.destroy();
    },
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
  // recursive_triggers: without it, `insert or replace` deletes rows behind the back of the triggers.
  database.exec(`
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA recursive_triggers = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA busy_timeout = 0;
  `);
  return database;
}
