/**
 * A database from before single sign-on is brought up to date with everybody who was in it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { MIGRATIONS } from "../src/database/migrate.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { passwordOf, showUser } from "../src/users/user-rows.ts";
import { hasAdministrator } from "../src/users/ways-in.ts";
import { forEachDatabase } from "./databases.ts";

forEachDatabase("upgrade to single sign-on", (open) => {
  test("users and sessions from before are there, and can sign in as before", async () => {
    const url = await open.newUrl();
    {
      await using old = await openDatabase(url, { migrations: MIGRATIONS.slice(0, 1) });
      await sql`insert into users (id, name, role, password, password_changed_at, disabled, created_at, revision)
        values ('user_1', 'root', 'administrator', 'phc', 5, 0, 4, 1)`.execute(old.db);
      await sql`insert into sessions (id, user_id, created_at, used_at, expires_at, address, user_agent)
        values (${"a".repeat(64)}, 'user_1', 1, 2, 3, '192.0.2.1', 'x')`.execute(old.db);
    }
    await using database = await openDatabase(url);
    const { db } = database;
    const user = await db.selectFrom("users").selectAll().executeTakeFirstOrThrow();
    assert.equal(passwordOf(user), "phc");
    assert.equal(await hasAdministrator(db), true);
    const view = await showUser(db, user);
    assert.deepEqual(
      [view.hasPassword, view.invitedUntil, view.accounts, view.lastSignInAt],
      [true, null, 0, null],
    );
    const session = await db.selectFrom("sessions").selectAll().executeTakeFirstOrThrow();
    assert.deepEqual([session.method, session.confirmed_at], ["password", null]);
  });
});
