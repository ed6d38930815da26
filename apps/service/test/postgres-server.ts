/**
 * PostgreSQL for tests: in a temporary folder, on a socket there and no port, as one process that ends with the test.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
import { chown, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const VERSIONS_FOLDER = "/usr/lib/postgresql";
const START_TIMEOUT_MS = 120_000;
/** PostgreSQL refuses to run as root. */
const ACCOUNT = "postgres";
const ROLE = "holdfast";
const DATA = "data";
const LOG = "log";

/** Why tests on PostgreSQL are skipped; false when they are not. */
export const postgresMissing: string | false =
  programFolder() === undefined ? "PostgreSQL is not installed (Debian package postgresql)" : false;

/** A server that is at work. */
export interface Postgres {
  /** Of its socket. */
  readonly folder: string;
  readonly url: (database: string) => string;
  /** Runs a statement on the database `postgres`. */
  readonly administer: (statement: string) => Promise<void>;
}

export interface PostgresServer extends Postgres, AsyncDisposable {
  /** Ends it at once, as a crash would. */
  readonly kill: () => Promise<void>;
  /** On the same data. */
  readonly start: () => Promise<void>;
}

export type PostgresSettings = Readonly<Record<string, string>>;

/** @param more settings, as in `postgresql.conf`. */
export async function startPostgres(more: PostgresSettings = {}): Promise<PostgresServer> {
  const bin = programFolder();
  if (bin === undefined) throw new Error(String(postgresMissing));
  const folder = await mkdtemp(join(tmpdir(), "hf-pg-"));
  const account = process.getuid?.() === 0 ? accountIds() : undefined;
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  const locale = ["--locale=C.UTF-8", "--encoding=UTF8"];
  execFileSync(join(bin, "initdb"), ["--no-sync", "-A", "trust", "-U", ROLE, ...locale, join(folder, DATA)], {
    ...account,
    stdio: "pipe",
    cwd: folder,
  });
  const begin = (): ChildProcess => startServer(join(bin, "postgres"), folder, account, more);
  let child = begin();
  const killNow = (): void => void child.kill("SIGQUIT");
  process.once("exit", killNow);
  const postgres = postgresIn(folder);
  const { administer } = postgres;
  await waitUntilReady(child, () => administer("select 1"), join(folder, LOG));
  return {
    ...postgres,
    kill: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
    start: async () => {
      const endMs = performance.now() + START_TIMEOUT_MS;
      for (;;) {
        child = begin();
        try {
          await waitUntilReady(child, () => administer("select 1"), join(folder, LOG));
          return;
        } catch (error) {
          // Its old processes have not noticed yet that they are alone.
          if (performance.now() > endMs) throw error;
          await sleep(100);
        }
      }
    },
    [Symbol.asyncDispose]: async () => {
      process.off("exit", killNow);
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, "exit");
        // Immediate shutdown: nobody needs the data.
        child.kill("SIGQUIT");
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The server whose socket is in `folder`. */
export function postgresIn(folder: string): Postgres {
  const url = (database: string): string =>
    `postgres://${ROLE}@localhost/${database}?host=${encodeURIComponent(folder)}`;
  const administer = async (statement: string): Promise<void> => {
    const client = new pg.Client(url("postgres"));
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  return { folder, url, administer };
}

function startServer(
  program: string,
  folder: string,
  account: Account | undefined,
  more: PostgresSettings,
): ChildProcess {
  const settings = {
    listen_addresses: "",
    unix_socket_directories: folder,
    fsync: "off",
    max_connections: "60",
    logging_collector: "off",
    ...more,
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const command = [program, "-D", join(folder, DATA), ...options];
  const user =
    account === undefined
      ? []
      : ["--reuid", String(account.uid), "--regid", String(account.gid), "--clear-groups"];
  const log = openSync(join(folder, LOG), "a");
  try {
    // The system ends it when this process is killed.
    return spawn("setpriv", ["--pdeathsig", "KILL", ...user, "--", ...command], {
      cwd: folder,
      stdio: ["ignore", log, log],
    });
  } finally {
    closeSync(log);
  }
}

async function waitUntilReady(child: ChildProcess, probe: () => Promise<void>, log: string): Promise<void> {
  const endMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await probe();
      return;
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > endMs) {
        throw new Error(`PostgreSQL did not start: ${await readFile(log, "utf8").catch(() => "")}`, {
          cause: error,
        });
      }
      await sleep(50);
    }
  }
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

function accountIds(): Account {
  const id = (option: string): number =>
    Number(execFileSync("id", [option, ACCOUNT], { encoding: "utf8" }).trim());
  return { uid: id("-u"), gid: id("-g") };
}

function programFolder(): string | undefined {
  if (!existsSync(VERSIONS_FOLDER)) return undefined;
  return readdirSync(VERSIONS_FOLDER)
    .map((version) => join(VERSIONS_FOLDER, version, "bin"))
    .findLast((folder) => existsSync(join(folder, "postgres")));
}
