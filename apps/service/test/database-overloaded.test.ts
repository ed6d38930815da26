/**
 * PostgreSQL that is there, while all connections of the service to it are at work: not the same as one that is absent.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "@holdfast/kernel";
import { sql } from "kysely";
import { isDatabaseAbsent } from "../src/database/failures.ts";
import { openPostgres } from "../src/database/open-postgres.ts";
import { createOutages } from "../src/database/outages.ts";
import { asRequest } from "../src/database/query-lines.ts";
import { problemOf } from "../src/http/problems.ts";
import { newPostgresDatabase } from "./postgres-databases.ts";
import { postgresMissing } from "./postgres-server.ts";
import { startSilentProxy } from "./silent-proxy.ts";

/** A query of 2 s is long, and is asked after. */
const TIMES = { longMs: 1500, answerMs: 500, lookMs: 100 };
const REQUESTS = 30;

suite("a database that is overloaded", { skip: postgresMissing }, () => {
  test("is told apart from one that is absent, once, and until it is over", {
    timeout: 120_000,
  }, async () => {
    await using own = await newPostgresDatabase();
    await using database = openPostgres(own.url, { ...TIMES, answerMs: 2000 });
    const lines: string[] = [];
    const log = {
      info: (event: string) => void lines.push(event),
      error: (event: string) => void lines.push(event),
    };
    const outages = createOutages(database, log);
    const sleeping = Array.from({ length: REQUESTS }, () =>
      asRequest(() => sql`select pg_sleep(3)`.execute(database.db)).catch((error: unknown) => {
        asRequest(() => outages.tell(error));
        return error;
      }),
    );
    await sleep(500);
    // Plans and agents have connections of their own.
    await sql`select 1`.execute(database.db);
    const failures = (await Promise.all(sleeping)).filter((done) => done instanceof Error);
    assert.equal(failures.length, REQUESTS - 10);
    for (const failure of failures) {
      assert.ok(isAppError(failure, "ERR_DATABASE_OVERLOADED"), String(failure));
      assert.ok(!isDatabaseAbsent(failure));
    }
    const { status, code, id } = problemOf(failures[0], log);
    assert.deepEqual({ status, code, id }, { status: 503, code: "ERR_DATABASE_OVERLOADED", id: undefined });
    while (!lines.includes("database-free")) await sleep(100);
    assert.deepEqual(lines, ["database-overloaded", "database-free"]);
    outages.stop();
  });

  test("not when it has gone silent, however many wait", { timeout: 120_000 }, async () => {
    await using own = await newPostgresDatabase();
    await using proxy = await startSilentProxy(own.server);
    await using database = openPostgres(proxy.url(own.name), TIMES);
    const one = () => asRequest(() => sql`select 1`.execute(database.db));
    await one();
    proxy.setSilent(true);
    const done = await Promise.allSettled(Array.from({ length: REQUESTS }, one));
    for (const outcome of done) {
      assert.equal(outcome.status, "rejected");
      assert.ok(isDatabaseAbsent(outcome.reason), String(outcome.reason));
    }
  });
});
