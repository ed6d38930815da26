/**
 * Databases of PostgreSQL for tests, of which none is in the way of another: on the server of the run, or, for a test file that is
 * run by itself, on one of its own.
 */
import { randomBytes } from "node:crypto";
import { after } from "node:test";
import { postgresOfRun, startWithTables, TEMPLATE_WITH_TABLES } from "./postgres-of-run.ts";
import type { Postgres, PostgresServer } from "./postgres-server.ts";

let own: Promise<PostgresServer> | undefined;
after(async () => {
  await (await own)?.[Symbol.asyncDispose]();
});

export interface PostgresDatabase extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
  readonly server: Postgres;
}

/** @returns a new one, which goes with all connections to it when it is disposed of. */
export async function newPostgresDatabase(
  content: "empty" | "with tables" = "empty",
): Promise<PostgresDatabase> {
  const server = postgresOfRun() ?? (await (own ??= startWithTables(1)));
  const name = `test_${randomBytes(8).toString("hex")}`;
  const template = content === "empty" ? "template0" : TEMPLATE_WITH_TABLES;
  await server.administer(`create database ${name} template ${template}`);
  return {
    url: server.url(name),
    name,
    server,
    [Symbol.asyncDispose]: () => server.administer(`drop database ${name} with (force)`),
  };
}
