/**
 * Kysely on `node:sqlite`. SQLite has one connection, which a transaction has for itself; whoever asks for it meanwhile
 * waits.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { AsyncLocalStorage } from "node:async_hooks";
import assert from "node:assert/strict";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { isBusy } from "./failures.ts";
import { SqliteStatements } from "./sqlite-statements.ts";

const BUSY_TIMEOUT_MS = 10_000;
const BUSY_DELAY_MS = 5;

export function sqliteDialect(open: () => DatabaseSync): Dialect {
  return {
    createDriver: () => new SqliteDriver(open),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new Adapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
}

class Adapter extends SqliteAdapter {
  // SQLite has it; Kysely's own adapter does not use it.
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
  // The driver below lets one in after the other, and knows who waits for himself.
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/** Marks what runs inside a transaction, as long as it lasts. */
const scope = new AsyncLocalStorage<{ open: boolean }>();

/** Runs `work`; a query of it that does not use the transaction fails instead of waiting for its own end. */
export async function withinTransaction<T>(work: () => Promise<T>): Promise<T> {
  const mark = { open: true };
  try {
    return await scope.run(mark, work);
  } finally {
    mark.open = false;
  }
}

class SqliteDriver implements Driver {
  readonly #open: () => DatabaseSync;
  #database: DatabaseSync | undefined;
  #connection: SqliteConnection | undefined;
  /** Resolves when the last of those who wait has released the connection. */
  #tail: Promise<void> = Promise.resolve();
  #release: () => void = () => {};

  constructor(open: () => DatabaseSync) {
    this.#open = open;
  }

  async init(): Promise<void> {
    this.#database = this.#open();
    this.#connection = new SqliteConnection(this.#database);
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    assert(scope.getStore()?.open !== true, "a query inside a transaction has to use the transaction");
    assert(this.#connection !== undefined);
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tail = promise;
    await before;
    this.#release = resolve;
    return this.#connection;
  }

  async releaseConnection(): Promise<void> {
    this.#release();
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    // At once for writing: a transaction that reads first would fail, not wait, where another process has written since.
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("commit"));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // Some errors have ended the transaction already.
    if (this.#database?.isTransaction === true) await connection.executeQuery(CompiledQuery.raw("rollback"));
  }

  async destroy(): Promise<void> {
    this.#database?.close();
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #statements: SqliteStatements;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = new SqliteStatements(database);
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const endMs = performance.now() + BUSY_TIMEOUT_MS;
    for (;;) {
      try {
        return this.#execute(query);
      } catch (error) {
        // Another process writes. A transaction of ours has the right to write from its beginning.
        if (!isBusy(error) || this.#database.isTransaction || performance.now() > endMs) throw error;
        await sleep(BUSY_DELAY_MS);
      }
    }
  }

  #execute<R>(query: CompiledQuery): QueryResult<R> {
    const { statement, hasRows } = this.#statements.prepare(query.sql);
    const values = query.parameters.map(toSqlite);
    if (hasRows) return { rows: rowsOf<R>(statement, values) };
    const { changes } = statement.run(...values);
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  // oxlint-disable-next-line require-yield -- the interface wants a generator
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("SQLite queries are not streamed");
  }
}

function rowsOf<R>(statement: StatementSync, values: readonly SQLInputValue[]): R[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the query says what its rows are
  return statement.all(...values).map((row) => fromSqlite(row) as R);
}

/** Whole numbers as integers, so that they count and divide as on PostgreSQL; `node:sqlite` takes numbers for reals. */
function toSqlite(value: unknown): SQLInputValue {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (
    value === null ||
    typeof value === "string" ||
    typeof value === "bigint" ||
    typeof value === "number" ||
    value instanceof Uint8Array
  ) {
    return value;
  }
  throw new TypeError(`the database has no values of the type ${typeof value}`);
}

function fromSqlite(row: Readonly<Record<string, SQLOutputValue>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value,
    ]),
  );
}
