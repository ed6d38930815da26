/**
 * The PostgreSQL server that all tests of a run share: to make one takes a second of a processor, and there are many suites.
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import { openDatabase } from "../src/database/open-database.ts";
import {
  type Postgres,
  postgresIn,
  postgresMissing,
  type PostgresServer,
  startPostgres,
} from "./postgres-server.ts";

/** Names the folder of its socket, for the processes of the test files. */
const VARIABLE = "HOLDFAST_TEST_POSTGRES";
/** A database that has the tables already: others are made as copies of it. */
export const TEMPLATE_WITH_TABLES = "with_tables";
/** Tests with several processes of the service have many. */
const CONNECTIONS_OF_FILE = 60;
const INTERRUPTIONS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Starts it, for the test files whose processes are started until it is disposed of; nothing where PostgreSQL is missing. */
export async function providePostgresOfRun(): Promise<AsyncDisposable | undefined> {
  if (postgresMissing !== false) return undefined;
  const server = await startWithTables(availableParallelism());
  process.env[VARIABLE] = server.folder;
  // Who interrupts the run does not want its data to stay.
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    await server[Symbol.asyncDispose]();
    process.kill(process.pid, signal);
  };
  const endInterrupted = (signal: NodeJS.Signals): void => void end(signal);
  for (const signal of INTERRUPTIONS) process.once(signal, endInterrupted);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const signal of INTERRUPTIONS) process.off(signal, endInterrupted);
      delete process.env[VARIABLE];
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Undefined for a test file that is run by itself. */
export function postgresOfRun(): Postgres | undefined {
  const folder = process.env[VARIABLE];
  return folder === undefined ? undefined : postgresIn(folder);
}

/** @param fileCount of test files at a time. */
export async function startWithTables(fileCount: number): Promise<PostgresServer> {
  const server = await startPostgres({
    max_connections: String(fileCount * CONNECTIONS_OF_FILE),
    // It would look after every database of every test.
    autovacuum: "off",
  });
  try {
    await server.administer(`create database ${TEMPLATE_WITH_TABLES}`);
    await (await openDatabase(server.url(TEMPLATE_WITH_TABLES)))[Symbol.asyncDispose]();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
