import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test } from "node:test";
import { inspect } from "node:util";
import { isAppError } from "@holdfast/kernel";
import { sql } from "kysely";
import type { Database } from "../src/database/database.ts";
import { MIGRATIONS } from "../src/database/migrate.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { asRequest } from "../src/database/query-lines.ts";
import { forEachDatabase } from "./databases.ts";

const user = (id: string): Parameters<typeof insertUser>[1] => ({ id });

async function insertUser(db: Database["db"], { id }: { readonly id: string }): Promise<void> {
  await db
    .insertInto("users")
    .values({
      id,
      name: `name of ${id}`,
      role: "viewer",
      password: "",
      password_changed_at: 1,
      disabled: 0,
      created_at: 2 ** 41,
      revision: 1,
    })
    .execute();
}

forEachDatabase("database", (open) => {
  test("numbers come back as numbers, bytes as Buffers, counts and sums as numbers", async () => {
    await using database = await open();
    await insertUser(database.db, user("a"));
    await database.db
      .insertInto("keyring_terms")
      .values({ number: 7, created_at: 2 ** 52, box: Buffer.from("box") })
      .execute();
    const row = await database.db.selectFrom("keyring_terms").selectAll().executeTakeFirstOrThrow();
    assert.deepEqual(row, { number: 7, created_at: 2 ** 52, box: Buffer.from("box") });
    const sums = await database.db
      .selectFrom("users")
      .select((eb) => [
        eb.fn.countAll<number>().as("count"),
        eb.fn.sum<number>("created_at").as("sum"),
        sql<number>`max(revision) / 2`.as("half"),
      ])
      .executeTakeFirstOrThrow();
    assert.deepEqual(sums, { count: 1, sum: 2 ** 41, half: 0 });
  });

  test("texts sort by their bytes", async () => {
    await using database = await open();
    const ids = ["b", "B", "ä", "a", "_", "Z", "é"];
    for (const id of ids) await insertUser(database.db, user(id));
    const rows = await database.db.selectFrom("users").select("id").orderBy("id").execute();
    assert.deepEqual(
      rows.map(({ id }) => id),
      ["B", "Z", "_", "a", "b", "ä", "é"],
    );
  });

  test("a failed transaction leaves nothing, and the next one works", async () => {
    await using database = await open();
    const failing = database.transaction(async (transaction) => {
      await insertUser(transaction, user("a"));
      throw new Error("on purpose");
    });
    await assert.rejects(failing, /on purpose/u);
    const repeated = database.transaction(async (transaction) => {
      await insertUser(transaction, user("b"));
      await insertUser(transaction, user("b"));
    });
    await assert.rejects(repeated);
    await database.transaction((transaction) => insertUser(transaction, user("c")));
    const rows = await database.db.selectFrom("users").select("id").execute();
    assert.deepEqual(rows, [{ id: "c" }]);
  });

  test("transactions that read and then write do not lose each other's changes", async () => {
    await using database = await open();
    await insertUser(database.db, user("a"));
    const increment = (): Promise<void> =>
      database.transaction(async (transaction) => {
        const { revision } = await transaction
          .selectFrom("users")
          .select("revision")
          .where("id", "=", "a")
          .executeTakeFirstOrThrow();
        await sleep(1);
        await transaction
          .updateTable("users")
          .set({ revision: revision + 1 })
          .where("id", "=", "a")
          .execute();
      });
    await Promise.all(Array.from({ length: 8 }, increment));
    const { revision } = await database.db.selectFrom("users").select("revision").executeTakeFirstOrThrow();
    assert.equal(revision, 9);
  });

  test("foreign keys hold", async () => {
    await using database = await open();
    const orphan = database.db.insertInto("user_rights").values({ user_id: "nobody", right: "x" }).execute();
    await assert.rejects(orphan);
    await insertUser(database.db, user("a"));
    await database.db.insertInto("user_rights").values({ user_id: "a", right: "x" }).execute();
    await database.db.deleteFrom("users").execute();
    assert.deepEqual(await database.db.selectFrom("user_rights").selectAll().execute(), []);
  });

  test("a listener hears its topic and no other, until it stops", async () => {
    await using database = await open();
    const heard: string[] = [];
    const events = new EventEmitter();
    const stops = (["tasks", "devices"] as const).map((topic) =>
      database.listen(topic, () => {
        heard.push(topic);
        events.emit("heard");
      }),
    );
    // PostgreSQL tells every topic once for the connection itself.
    if (database.kind === "postgres") await once(events, "heard");
    heard.length = 0;
    const next = once(events, "heard");
    await database.notify("tasks");
    await next;
    assert.deepEqual(heard, ["tasks"]);
    stops[0]?.();
    // They come in the order in which they were told.
    const last = once(events, "heard");
    await database.notify("tasks");
    await database.notify("devices");
    await last;
    assert.deepEqual(heard, ["tasks", "devices"]);
  });

  test("opening it again keeps the rows and runs no step twice", async () => {
    const url = await open.newUrl();
    {
      await using first = await openDatabase(url);
      await insertUser(first.db, user("a"));
    }
    await using second = await openDatabase(url);
    assert.equal((await second.db.selectFrom("users").select("id").execute()).length, 1);
  });

  test("several that open a new database at once make its tables once", async () => {
    const url = await open.newUrl();
    const databases = await Promise.all([1, 2, 3].map(() => openDatabase(url)));
    const [first] = databases;
    assert.ok(first);
    assert.deepEqual(await first.db.selectFrom("users").selectAll().execute(), []);
    for (const database of databases) await database[Symbol.asyncDispose]();
  });

  test("a step that fails leaves the database as it was", async () => {
    const url = await open.newUrl();
    await (await openDatabase(url))[Symbol.asyncDispose]();
    const failing = {
      name: "9999",
      up: async (db: Database["db"]) => {
        await sql`create table half (id text)`.execute(db);
        await sql`create table half (id text)`.execute(db);
      },
    };
    await assert.rejects(openDatabase(url, { migrations: [...MIGRATIONS, failing] }), (error) =>
      isAppError(error, "ERR_FAILED"),
    );
    await using database = await openDatabase(url);
    const tables = await database.db.introspection.getTables();
    assert.ok(!tables.some(({ name }) => name === "half"));
  });

  test("an older program refuses a newer database", async () => {
    const url = await open.newUrl();
    const newer = { name: "9999", up: async () => {} };
    await (await openDatabase(url, { migrations: [...MIGRATIONS, newer] }))[Symbol.asyncDispose]();
    await assert.rejects(openDatabase(url), (error) => isAppError(error, "ERR_DATABASE_NEWER"));
  });
});

suite("database", () => {
  test("a query inside a transaction that does not use it fails instead of waiting for ever", async () => {
    await using database = await openDatabase(":memory:");
    const outside = database.transaction(async () => {
      await database.db.selectFrom("users").selectAll().execute();
    });
    await assert.rejects(outside, /has to use the transaction/u);
    assert.deepEqual(await database.db.selectFrom("users").selectAll().execute(), []);
  });

  test("an unknown scheme is refused, without the URL in the error", async () => {
    await assert.rejects(openDatabase("mysql://root:secret@host/db"), (error) => {
      assert.ok(isAppError(error, "ERR_USAGE"));
      assert.ok(!inspect(error).includes("secret"));
      return true;
    });
  });

  test("a server that does not answer is said to be unreachable", async () => {
    await assert.rejects(openDatabase("postgres://nobody@127.0.0.1:1/none"), (error) =>
      isAppError(error, "ERR_DATABASE_UNREACHABLE"),
    );
  });
});

forEachDatabase("many requests", (open) => {
  const skip = open.kind === "sqlite" ? "it has one connection: see sqlite-file.test.ts" : false;
  test("leave plans and agents connections of their own", { skip }, async () => {
    await using database = await open();
    const gate = Promise.withResolvers<void>();
    const hold = (): Promise<void> =>
      database.transaction(async (transaction) => {
        await sql`select 1`.execute(transaction);
        await gate.promise;
      });
    const held = Array.from({ length: 40 }, () => asRequest(hold));
    try {
      await sql`select 1`.execute(database.db);
    } finally {
      gate.resolve();
      await Promise.all(held);
    }
  });
});
