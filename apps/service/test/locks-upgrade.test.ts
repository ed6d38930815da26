/** Copies and tasks of a database from before retention locks: nothing is locked, and a lock holds them by their own age. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MIGRATIONS } from "../src/database/migrate.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { lockedCopies } from "../src/policies/copy-lock.ts";
import { DAY_MS } from "../src/policies/retention-lock.ts";
import { forEachDatabase } from "./databases.ts";
import { testClock } from "./vault-fixture.ts";

const REPOSITORY = "a".repeat(32);

forEachDatabase("a database from before retention locks", (open) => {
  test("has its copies locked by their age once a lock is set", async () => {
    const url = await open.newUrl();
    const clock = testClock();
    {
      await using before = await openDatabase(url, { migrations: MIGRATIONS.slice(0, 1) });
      const { db } = before;
      const made = { created_at: 1, created_by: "", revision: 1 };
      const storage = {
        id: "sto",
        name: "nas",
        description: "",
        location: "/srv",
        identity: "{}",
        secrets: "{}",
      };
      await db
        .insertInto("storages")
        .values({ ...storage, ...made })
        .execute();
      const repository = { id: REPOSITORY, storage_id: "sto", folder: "f", suite: 0, secret_id: null };
      await db
        .insertInto("repositories")
        .values({ ...repository, prepared: "[]", created_at: 1 })
        .execute();
      for (const [letter, days] of [
        ["a", 5],
        ["b", 20],
      ] as const) {
        const texts = { host: "h", kind: "files", paths: "[]", tags: "[]" };
        const origin = { repository_id: REPOSITORY, plan_id: null, device_id: null, task_id: null };
        const counts = { size: 1, files: 1, stored: 1, forgotten_at: null };
        await db
          .insertInto("copies")
          .values({
            id: letter.repeat(64),
            time: clock.now() - days * DAY_MS,
            ...origin,
            ...texts,
            ...counts,
          })
          .execute();
      }
    }
    await using database = await openDatabase(url);
    const { db } = database;
    assert.equal((await lockedCopies(db, clock, REPOSITORY)).size, 0);
    await db
      .insertInto("policies")
      .values({
        name: "retention-lock",
        value: JSON.stringify({ minimumDays: 10, waitingDays: 7 }),
        changed_at: 1,
        changed_by: "",
        revision: 1,
      })
      .execute();
    const locked = await lockedCopies(db, clock, REPOSITORY);
    assert.deepEqual([...locked], [["a".repeat(64), clock.now() + 5 * DAY_MS]]);
  });
});
