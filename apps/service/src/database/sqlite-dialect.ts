/**
 * Kysely on `node:sqlite`. SQLite has one connection, which a transaction has for itself; whoever asks for it meanwhile
 * waits.
 *
 * @module
 */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
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
import { databaseBusy, isBusy } from "./failures.ts";
import { type Line, lineOfCaller } from "./query-lines.ts";
import { type Changes, SqliteStatements } from "./sqlite-statements.ts";

const BUSY_TIMEOUT_MS = 10_000;
const BUSY_DELAY_MS = 5;

/** So long queries are carried out one after the other before the event loop comes to its other work. */
const SLICE_MS = 20;

/** How what was written comes to the disk. */
export interface Durability {
  /** Resolves when what was committed by now is on the disk. */
  readonly written: () => Promise<void>;
  /** Throws when nothing may be read or written any more. */
  readonly check: () => void;
}

export function sqliteDialect(open: () => DatabaseSync, durability?: Durability): Dialect {
  return {
    createDriver: () => new SqliteDriver(open, durability),
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

/** Of so many turns one is a request's, when it waits. */
const TURNS_TO_A_REQUEST = 4;
/** Of so many turns one is that of a device at work, when starts wait, too: most queries of starts are short, its transactions are not. */
const TURNS_TO_OTHERS = 32;

/** Whose turn it is first. */
function orderOf(turn: number): readonly Line[] {
  if (turn % TURNS_TO_A_REQUEST === 0) return ["requests", "starts", "others"];
  if (turn % TURNS_TO_OTHERS === 1) return ["others", "starts", "requests"];
  return ["starts", "others", "requests"];
}

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
  readonly #durability: Durability | undefined;
  #database: DatabaseSync | undefined;
  #connection: SqliteConnection | undefined;
  #isTaken = false;
  /** Of who has the connection. */
  #line: Line = "others";
  readonly #waiting: Readonly<Record<Line, (() => void)[]>> = { requests: [], starts: [], others: [] };
  #turns = 0;
  /** By `performance.now()`; undefined: the event loop has come round since the last query. */
  #sliceEndMs: number | undefined;

  constructor(open: () => DatabaseSync, durability: Durability | undefined) {
    this.#open = open;
    this.#durability = durability;
  }

  async init(): Promise<void> {
    this.#database = this.#open();
    this.#connection = new SqliteConnection(this.#database);
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    assert(scope.getStore()?.open !== true, "a query inside a transaction has to use the transaction");
    assert(this.#connection !== undefined);
    const line = lineOfCaller();
    if (this.#isTaken) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting[line].push(resolve);
      await promise;
    }
    this.#isTaken = true;
    this.#line = line;
    await this.#leaveRoom();
    try {
      this.#durability?.check();
    } catch (error) {
      this.#passOn();
      throw error;
    }
    return this.#connection;
  }

  /** A start mostly goes on with another query, which comes a moment after the end of this one. */
  #passOn(): void {
    const { starts, others } = this.#waiting;
    if (this.#line === "starts" && starts.length === 0 && others.length > 0)
      setImmediate(() => this.#toNext());
    else this.#toNext();
  }

  #toNext(): void {
    this.#turns += 1;
    for (const line of orderOf(this.#turns)) {
      const next = this.#waiting[line].shift();
      if (next === undefined) continue;
      next();
      return;
    }
    this.#isTaken = false;
  }

  /** Queries end without the event loop: many in a row would keep it from requests that come meanwhile. */
  async #leaveRoom(): Promise<void> {
    if (this.#sliceEndMs === undefined) {
      this.#sliceEndMs = performance.now() + SLICE_MS;
      setImmediate(() => {
        this.#sliceEndMs = undefined;
      });
    } else if (performance.now() > this.#sliceEndMs) await nextTurn();
  }

  /** The next one has the connection before what this one wrote is on the disk, and may wait for the same sync. */
  async releaseConnection(): Promise<void> {
    const written = this.#connection?.takeWritten() === true ? this.#durability?.written() : undefined;
    this.#passOn();
    await written;
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
  #hasWritten = false;

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
        if (!isBusy(error) || this.#database.isTransaction) throw error;
        if (performance.now() > endMs) throw databaseBusy(error);
        await sleep(BUSY_DELAY_MS);
      }
    }
  }

  #execute<R>(query: CompiledQuery): QueryResult<R> {
    const { statement, columns, changes } = this.#statements.prepare(query.sql);
    const values = query.parameters.map(toSqlite);
    if (columns !== undefined) {
      const rows = rowsOf<R>(statement, columns, values);
      this.#note(changes, rows.length);
      return { rows };
    }
    const { changes: count } = statement.run(...values);
    this.#note(changes, count);
    return { rows: [], numAffectedRows: BigInt(count) };
  }

  #note(changes: Changes, count: number | bigint): void {
    this.#hasWritten ||= changes === "other" || (changes === "rows" && count > 0);
  }

  /** Whether anything may have been written since this was asked last. */
  takeWritten(): boolean {
    const hasWritten = this.#hasWritten;
    this.#hasWritten = false;
    return hasWritten;
  }

  // oxlint-disable-next-line require-yield -- the interface wants a generator
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("SQLite queries are not streamed");
  }
}

/** Objects that SQLite itself makes cost three times as much as those made here of arrays. */
function rowsOf<R>(
  statement: StatementSync,
  columns: readonly string[],
  values: readonly SQLInputValue[],
): R[] {
  return statement.all(...values).map((row) => {
    assert(Array.isArray(row) && row.length === columns.length);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the query says what its rows are
    return fromSqlite(row, columns) as R;
  });
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

function fromSqlite(values: readonly SQLOutputValue[], columns: readonly string[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const [index, name] of columns.entries()) {
    const value = values[index];
    row[name] =
      value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
  }
  return row;
}
