/**
 * PostgreSQL: several processes of the service on one database.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@holdfast/kernel";
import { Kysely, PostgresDialect, type PostgresPool, sql } from "kysely";
import pg from "pg";
import { AUDIT_END_LOCK } from "./audit-end-lock.ts";
import type { Database, Db, Transaction } from "./database.ts";
import { databaseAbsent, databaseBusy, isLostRace, isUniqueViolation } from "./failures.ts";
import { listenOnPostgres } from "./postgres-listener.ts";
import { notifyOnPostgres } from "./postgres-notifier.ts";
import { lineOfCaller } from "./query-lines.ts";
import { type PostgresWatch, WATCH_TIMES, type WatchTimes, watchPostgres } from "./postgres-watch.ts";
import type { Tables } from "./tables.ts";

/** For requests. */
const REQUEST_CONNECTIONS_MAX = 10;
/** For plans and agents, which do not stand in line with requests. */
const OTHER_CONNECTIONS_MAX = 6;
const KEEP_ALIVE_DELAY_MS = 10_000;
/** When the server does not take the end of connections. */
const END_TIMEOUT_MS = 3000;
/** A transaction that waits for its own process is a defect: better an error than a standstill. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;
const ATTEMPTS_MAX = 12;
/** So often a key that is there may be the work of another transaction at the same time. */
const VIOLATIONS_MAX = 2;
const RETRY_DELAY_MS = 5;
const RETRY_DELAY_MAX_MS = 250;

/** @param times for tests. */
export function openPostgres(url: string, times = WATCH_TIMES): Database {
  const settings = connectionSettings(url, times);
  const watch = watchPostgres(settings, times);
  const requests = openPool(settings, REQUEST_CONNECTIONS_MAX, watch);
  const others = openPool(settings, OTHER_CONNECTIONS_MAX, watch);
  const pool: PostgresPool = {
    options: requests.options,
    connect: async () => {
      watch.check();
      const own = lineOfCaller() === "requests" ? requests : others;
      try {
        return await own.connect();
      } catch (error) {
        const isThere = watch.isThere();
        if (!isWaitTooLong(error)) throw error;
        if (await isThere) throw overloaded(own, error);
        throw databaseAbsent(error);
      }
    },
    end: async () => {
      const timer = setTimeout(watch.cut, END_TIMEOUT_MS);
      await Promise.all([requests.end(), others.end()]);
      clearTimeout(timer);
      watch.close();
    },
  };
  const db: Db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const listener = listenOnPostgres(settings, watch.follow);
  const notifier = notifyOnPostgres(db);
  return {
    kind: "postgres",
    db,
    transaction: (work) => serializable(db, work),
    // The server shows nothing before.
    settled: async () => {},
    notify: notifier.notify,
    listen: listener.listen,
    [Symbol.asyncDispose]: async () => {
      notifier.close();
      await listener.close();
      await db.destroy();
    },
  };
}

function openPool(settings: pg.ClientConfig, max: number, watch: PostgresWatch): pg.Pool {
  const pool = new pg.Pool({ ...settings, max });
  // A connection that breaks while nobody uses it: the pool makes a new one for the next query.
  pool.on("error", () => {});
  // One that breaks in a transaction, while no statement runs: the next statement of it fails.
  pool.on("connect", (client) => {
    client.on("error", () => {});
    watch.follow(client);
  });
  return pool;
}

/** What the pool says when all its connections are at work, and none became free. */
function isWaitTooLong(error: unknown): boolean {
  return error instanceof Error && error.message === "timeout exceeded when trying to connect";
}

function overloaded({ options }: pg.Pool, cause: unknown): AppError {
  const seconds = (options.connectionTimeoutMillis ?? 0) / 1000;
  return new AppError(
    "ERR_DATABASE_OVERLOADED",
    `All ${String(options.max)} connections to the database were at work for ${String(seconds)} seconds.`,
    {
      remedy:
        "Try again in a moment; if it stays, ask for less at once, or see what PostgreSQL is busy with (pg_stat_activity).",
      cause,
    },
  );
}

function connectionSettings(url: string, { answerMs }: WatchTimes): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: "holdfast",
    connectionTimeoutMillis: answerMs,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: numberTypes(),
  };
}

/** int8 and numeric are sums and counts of integers; they come as texts otherwise. */
function numberTypes(): pg.TypeOverrides {
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.INT8, toNumber);
  types.setTypeParser(pg.types.builtins.NUMERIC, toNumber);
  return types;
}

function toNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
    throw new RangeError("a number of the database is greater than 2^53");
  }
  return number;
}

/**
 * A key that is there already may be the work of another transaction at the same time, which is then told as this and not as a lost race
 * (PostgreSQL documentation, "Serialization Failure Handling"): once more, and the work sees what the other one has written.
 */
async function serializable<T>(db: Db, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  let violations = 0;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await (attempt === 1 ? attemptOnce(db, work) : attemptInTurn(db, work));
    } catch (error) {
      // Also after lost races: those who do not append to the audit log are in no turn.
      if (isUniqueViolation(error)) violations += 1;
      else if (!isLostRace(error)) throw error;
      if (violations > VIOLATIONS_MAX) throw error;
      if (attempt === ATTEMPTS_MAX) throw databaseBusy(error);
      const delayMs = Math.min(RETRY_DELAY_MAX_MS, RETRY_DELAY_MS * 2 ** attempt);
      await sleep(Math.random() * delayMs);
    }
  }
}

function attemptOnce<T>(db: Db, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  return db.transaction().setIsolationLevel("serializable").execute(work);
}

/**
 * Nearly all transactions append to the audit log, at its one end. Who lost there takes the lock of that end before its
 * snapshot, and so sees what the others before it have written: it loses at most once.
 */
async function attemptInTurn<T>(db: Db, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  return db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${AUDIT_END_LOCK})`.execute(connection);
    try {
      return await attemptOnce(connection, work);
    } finally {
      // A connection that is gone holds no lock: what it was lost with is to be told, or that all was done before.
      await sql`select pg_advisory_unlock(${AUDIT_END_LOCK})`.execute(connection).catch(() => undefined);
    }
  });
}
