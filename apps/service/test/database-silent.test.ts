/**
 * PostgreSQL that is gone without a word: its host is off, or the line drops all packets.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { isDatabaseAbsent } from "../src/database/failures.ts";
import { openPostgres } from "../src/database/open-postgres.ts";
import { type RunningService, startService } from "../src/service.ts";
import { newPostgresDatabase } from "./postgres-databases.ts";
import { postgresMissing } from "./postgres-server.ts";
import { startSilentProxy } from "./silent-proxy.ts";

const TIMES = { longMs: 500, answerMs: 2000, lookMs: 100 };
/** Also on a machine with much else to do; without a limit it would be a quarter of an hour. */
const SOON_MS = 30_000;

async function until(what: () => Promise<boolean> | boolean, limitMs = SOON_MS): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await what())) {
    assert.ok(performance.now() < endMs, "it takes too long");
    await sleep(50);
  }
}

suite("a database that goes silent", { skip: postgresMissing }, () => {
  test("fails what waits for it and what comes, and works again when it is back", {
    timeout: 120_000,
  }, async () => {
    await using own = await newPostgresDatabase();
    await using proxy = await startSilentProxy(own.server);
    await using database = openPostgres(proxy.url(own.name), TIMES);
    const one = () => sql<{ one: number }>`select 1 as one`.execute(database.db);
    let heard = 0;
    database.listen("tasks", () => {
      heard += 1;
    });
    await one();
    await until(() => heard === 1);

    const inside = database.transaction(async (transaction) => {
      await sql`select 1`.execute(transaction);
      proxy.setSilent(true);
      await sql`select 2`.execute(transaction);
    });
    await assert.rejects(inside, isDatabaseAbsent);
    const startMs = performance.now();
    for (let index = 0; index < 20; index += 1) await assert.rejects(one(), isDatabaseAbsent);
    assert.ok(performance.now() - startMs < TIMES.answerMs, "each waits for the silence anew");

    proxy.setSilent(false);
    await until(() =>
      one().then(
        () => true,
        () => false,
      ),
    );
    // The connection that listens was cut, too, and looks when it is back.
    await until(() => heard > 1);
    const before = heard;
    await database.notify("tasks");
    await until(() => heard > before);
  });

  test("a question that was lost does not count against a database that answers since", {
    timeout: 120_000,
  }, async () => {
    await using own = await newPostgresDatabase();
    await using proxy = await startSilentProxy(own.server);
    await using database = openPostgres(proxy.url(own.name), TIMES);
    const one = () => sql`select 1`.execute(database.db);
    await one();
    const before = proxy.count();
    proxy.setSilent(true);
    const lost = assert.rejects(one(), isDatabaseAbsent);
    await until(() => proxy.count() > before);
    proxy.setSilent(false);
    const endMs = performance.now() + 2 * TIMES.answerMs;
    while (performance.now() < endMs) {
      await one();
      await sleep(20);
    }
    // On a connection that has nothing to say, and is cut once the database has said so.
    await lost;
  });

  test("long work goes on as long as the server is at it", { timeout: 120_000 }, async () => {
    await using own = await newPostgresDatabase();
    await using proxy = await startSilentProxy(own.server);
    await using database = openPostgres(proxy.url(own.name), TIMES);
    const { rows } = await sql<{ done: number }>`select 1 as done from pg_sleep(4)`.execute(database.db);
    assert.deepEqual(rows, [{ done: 1 }]);
    // It was asked meanwhile.
    assert.ok(proxy.count() > 2, String(proxy.count()));
  });

  test("can be closed", { timeout: 120_000 }, async () => {
    await using own = await newPostgresDatabase();
    await using proxy = await startSilentProxy(own.server);
    const database = openPostgres(proxy.url(own.name), TIMES);
    database.listen("tasks", () => undefined);
    await sql`select 1`.execute(database.db);
    proxy.setSilent(true);
    await database[Symbol.asyncDispose]();
  });

  test("keeps no service from its end", { timeout: 240_000 }, async () => {
    await using own = await newPostgresDatabase();
    await using proxy = await startSilentProxy(own.server);
    const folder = mkdtempSync(join(tmpdir(), "hf-silent-"));
    const lines: string[] = [];
    const service = await startOn(proxy.url(own.name), folder, lines);
    try {
      proxy.setSilent(true);
      await service.stop();
      await assert.rejects(ask(`${service.url}/healthz`), "it listens after its end");
      assert.equal(lines.filter((line) => line.includes('"event":"database-absent"')).length, 1);
      assert.deepEqual(unforeseen(lines), []);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("makes the service not ready, which says so once, and once that it is over", {
    timeout: 240_000,
  }, async () => {
    await using own = await newPostgresDatabase();
    await using proxy = await startSilentProxy(own.server);
    const folder = mkdtempSync(join(tmpdir(), "hf-silent-"));
    const lines: string[] = [];
    const service = await startOn(proxy.url(own.name), folder, lines);
    const counted = (event: string): number =>
      lines.filter((line) => line.includes(`"event":"${event}"`)).length;
    try {
      assert.equal((await ask(`${service.url}/readyz`)).status, 200);
      proxy.setSilent(true);
      await until(async () => (await ask(`${service.url}/readyz`)).status === 503);
      await until(() => counted("database-absent") > 0);
      const { status, text } = await ask(`${service.url}/api/v1/setup`);
      assert.equal(status, 503, text);
      assert.match(text, /ERR_DATABASE_UNREACHABLE/u);
      // Several looks of each job.
      await sleep(2000);
      proxy.setSilent(false);
      await until(async () => (await ask(`${service.url}/readyz`)).status === 200);
      await until(() => counted("database-back") > 0);
      assert.equal(counted("database-absent"), 1);
      assert.equal(counted("database-back"), 1);
      assert.deepEqual(unforeseen(lines), []);
    } finally {
      await service.stop();
      await assert.rejects(ask(`${service.url}/healthz`), "it listens after its end");
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

function startOn(database: string, folder: string, lines: string[]): Promise<RunningService> {
  return startService({
    dataFolder: join(folder, "data"),
    unlockFile: join(folder, "keys", "unlock"),
    listen: { host: "127.0.0.1", port: 0 },
    database,
    version: "0.1.0",
    log: (line) => lines.push(line),
  });
}

function unforeseen(lines: readonly string[]): string[] {
  return lines.filter((line) => line.includes('"unforeseen"') || line.includes('"failure"'));
}

async function ask(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  request(url, { rejectUnauthorized: false }, (response) => {
    let text = "";
    response.on("data", (piece) => {
      text += String(piece);
    });
    response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
  })
    .on("error", reject)
    .end();
  return promise;
}
