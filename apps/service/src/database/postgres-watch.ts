/**
 * Notices that PostgreSQL, or the way to it, has gone without a word: packets that vanish end no connection for a quarter of an hour. No
 * query has a time limit for that, as some have work for minutes (an upgrade, a lock that is waited for). A query that takes long has the
 * server asked, on a connection of its own, whether it is at work on it. Without an answer all connections are cut, everybody is told at
 * once that the database does not answer, and it is asked again each second until it does.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import pg from "pg";
import { isDatabaseAbsent } from "./failures.ts";

export interface PostgresWatch {
  /** @throws AppError `ERR_DATABASE_UNREACHABLE` while the database is known not to answer. */
  readonly check: () => void;
  /** Looks after a connection until it ends. */
  readonly follow: (client: pg.Client) => void;
  /** Something failed: asks the database whether it is there. */
  readonly isThere: () => Promise<boolean>;
  /** Cuts what is open still. */
  readonly cut: () => void;
  readonly close: () => void;
}

export interface WatchTimes {
  /** From when on a query is long. */
  readonly longMs: number;
  /** So long the server may take to say whether it is there, and a query may wait for a connection. */
  readonly answerMs: number;
  readonly lookMs: number;
}

export const WATCH_TIMES: WatchTimes = { longMs: 5000, answerMs: 10_000, lookMs: 1000 };
/** So often a server is to say that it does nothing for a query; its answer may have been under way the first time. */
const IDLE_ANSWERS = 2;
/** too_many_connections: it is there. */
const TOO_MANY_CONNECTIONS = "53300";

interface Query {
  readonly since: number;
  idleAnswers: number;
}

export function watchPostgres(settings: pg.ClientConfig, times: WatchTimes): PostgresWatch {
  const open = new Set<pg.Client>();
  const running = new Map<pg.Client, Query>();
  let isAbsent = false;
  let answeredAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<boolean> | undefined;

  const cut = (): void => {
    for (const client of open) cutClient(client);
  };
  const ask = async (): Promise<boolean> => {
    const began = performance.now();
    try {
      const long = [...running].filter(([, { since }]) => began - since > times.longMs);
      const atWork = await askServer(
        settings,
        times.answerMs,
        long.map(([client]) => processOf(client)),
      );
      isAbsent = false;
      for (const [client, query] of long) {
        if (running.get(client) !== query || atWork?.has(processOf(client)) !== false) continue;
        query.idleAnswers += 1;
        if (query.idleAnswers >= IDLE_ANSWERS) cutClient(client);
      }
      return true;
    } catch (error) {
      // A server that refuses says so at once to everybody: nobody need be told here, nor wait until it is asked again.
      if (error instanceof pg.DatabaseError) return false;
      // It was silent when this began, and has answered others since.
      if (answeredAt > began) return ask();
      isAbsent = !isRefusal(error);
      cut();
      return false;
    }
  };
  /** Once at a time. */
  const isThere = (): Promise<boolean> => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
  const timer = setInterval(() => {
    const now = performance.now();
    if (isAbsent || [...running.values()].some(({ since }) => now - since > times.longMs)) void isThere();
  }, times.lookMs).unref();
  return {
    check: () => {
      if (isAbsent) throw absent();
    },
    follow: (client) => {
      open.add(client);
      client.once("end", () => open.delete(client));
      noteQueries(client, running, {
        answered: () => {
          answeredAt = performance.now();
        },
        failed: (error) => {
          if (isDatabaseAbsent(error)) void isThere();
        },
      });
    },
    isThere,
    cut,
    close: () => {
      clearInterval(timer);
    },
  };
}

interface QueryListener {
  readonly answered: () => void;
  readonly failed: (error: unknown) => void;
}

/** `running` has the query that the client waits for. A client has one at a time here. */
function noteQueries(
  client: pg.Client,
  running: Map<pg.Client, Query>,
  { answered, failed }: QueryListener,
): void {
  const query = client.query.bind(client);
  const noted = async (text: string, values?: unknown[]): Promise<pg.QueryResult> => {
    running.set(client, { since: performance.now(), idleAnswers: 0 });
    try {
      const result = await query(text, values);
      answered();
      return result;
    } catch (error) {
      failed(error);
      throw error;
    } finally {
      running.delete(client);
    }
  };
  Object.defineProperty(client, "query", { value: noted });
}

/** Those of these processes of the server that are at work; undefined when it is there and does not say. */
async function askServer(
  settings: pg.ClientConfig,
  answerMs: number,
  processes: readonly number[],
): Promise<ReadonlySet<number> | undefined> {
  const client = new pg.Client({ ...settings, connectionTimeoutMillis: answerMs });
  client.on("error", () => {});
  const timer = setTimeout(() => cutClient(client), answerMs);
  try {
    await client.connect();
    const { rows } = await client.query<{ pid: number }>(
      "select pid from pg_stat_activity where pid = any($1::int[]) and state is distinct from 'idle'",
      [processes],
    );
    return new Set(rows.map(({ pid }) => pid));
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === TOO_MANY_CONNECTIONS) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
    client.end().catch(() => {});
  }
}

/** `pg` knows it, its types do not. */
function processOf(client: pg.Client): number {
  return "processID" in client && typeof client.processID === "number" ? client.processID : 0;
}

/** Its queries fail at once. */
export function cutClient(client: pg.Client): void {
  client.connection.stream.destroy(absent());
}

const REFUSALS: ReadonlySet<unknown> = new Set(["ECONNREFUSED", "ECONNRESET", "ENOENT"]);

function isRefusal(error: unknown): boolean {
  return error instanceof Error && "code" in error && REFUSALS.has(error.code);
}

function absent(): AppError {
  return new AppError("ERR_DATABASE_UNREACHABLE", "The database of the service does not answer.", {
    remedy: "Try again in a moment; if it stays, see that PostgreSQL runs and that this machine reaches it.",
  });
}
