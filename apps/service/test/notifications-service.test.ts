/** Notifications where the rest of the service brings them about: an upgrade, schedules that were missed, the loop that sends. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { newId, systemClock } from "@holdfast/kernel";
import { newPlan } from "@holdfast/protocol";
import { openDatabase } from "../src/database/open-database.ts";
import { MIGRATIONS } from "../src/database/migrate.ts";
import { listDeliveries } from "../src/notifications/delivery-list.ts";
import { startNotifier } from "../src/notifications/notifier.ts";
import { runDuePlans } from "../src/plans/plan-runs.ts";
import { createPlan } from "../src/plans/plans.ts";
import { createStorage } from "../src/storages/storages.ts";
import { planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { notifications } from "./notifications-fixture.ts";
import { startWebServer, testAuthority } from "./tls-fixture.ts";

const HOUR_MS = 3600_000;

forEachDatabase("notifications", (open) => {
  test("come to a database that was there before them", async () => {
    const url = await open.newUrl();
    const older = MIGRATIONS.filter(({ name }) => name < "0003");
    assert(older.length > 0 && older.length < MIGRATIONS.length);
    const secret = newId("sec");
    const row = {
      id: secret,
      kind: "password",
      name: "kept",
      description: "",
      hint: "",
      current_version: 1,
    } as const;
    await using before = await openDatabase(url, { migrations: older });
    await before.db
      .insertInto("secrets")
      .values({
        ...row,
        head_box: Buffer.alloc(1),
        generated: 0,
        disabled: 0,
        created_at: 1,
        created_by: "",
        updated_at: 1,
        revision: 1,
      })
      .execute();
    await before[Symbol.asyncDispose]();
    await using database = await openDatabase(url);
    const channel = { id: newId("chan"), name: "chat", kind: "slack", settings: "{}", enabled: 1 } as const;
    const made = { created_at: 1, created_by: "", revision: 1 };
    const { db } = database;
    await db
      .insertInto("notification_channels")
      .values({ ...channel, ...made, secret_id: secret })
      .execute();
    // What a channel uses stays, also for who writes to the database.
    await assert.rejects(db.deleteFrom("secrets").where("id", "=", secret).execute());
    const unknown = { ...channel, ...made, id: newId("chan"), name: "other", secret_id: newId("sec") };
    await assert.rejects(db.insertInto("notification_channels").values(unknown).execute());
  });

  test("tell of scheduled runs that are not made up for, and not of those that are", async () => {
    for (const [policy, expected] of [
      [{ policy: "skip" }, ["backup.missed"]],
      [{ policy: "once", maxAgeSeconds: 6 * 3600 }, []],
    ] as const) {
      await using fixture = await notifications(await open(), {});
      const secret = await fixture.addSecret("password", "a key");
      const settings = { kind: "webhook", url: "https://hooks.example/", secret } as const;
      await fixture.addChannel(settings, ["backup.missed"]);
      const given = { name: "nas", description: "", location: "/srv", identity: {}, secrets: {} };
      const { id: storage } = await createStorage(fixture, fixture.actor, given);
      const encryption = {
        method: "gcm",
        level: "high",
        secret: await fixture.addSecret("encryption-key", "a passphrase"),
      };
      const device = await fixture.addDevice();
      const schedule = { timeZone: "UTC", rules: [{ kind: "daily", times: ["01:00"] }], catchUp: policy };
      const plan = newPlan.parse({ ...planOf({ devices: [device], storage, encryption }), schedule });
      await createPlan(fixture, fixture.actor, plan);
      fixture.clock.move(4 * HOUR_MS);
      for (let look = 0; look < 3; look += 1) await runDuePlans(fixture, fixture.clock.now());
      const { items } = await listDeliveries(fixture.database.db, { limit: 5 });
      assert.deepEqual(
        items.map(({ kind }) => kind),
        expected,
      );
      assert.match(
        items[0]?.title ?? `Backup was missed: nightly on ${device}`,
        /^Backup was missed: nightly on dev_/u,
      );
    }
  });
});

suite("the notifier", () => {
  test("sends what happens while it runs, and ends when it is told to", { timeout: 60_000 }, async () => {
    const authority = await testAuthority();
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    await using server = await startWebServer(await authority.issue(["hooks.example"]), (_, response) => {
      response.end();
      arrive();
    });
    await using fixture = await notifications(
      await openDatabase(":memory:"),
      { networks: ["127.0.0.1"], authorities: authority.certificate },
      async () => ["127.0.0.1"],
    );
    const secret = await fixture.addSecret("password", "a key");
    const url = `https://hooks.example:${String(server.port)}/`;
    await fixture.addChannel({ kind: "webhook", url, secret });
    const errors: unknown[] = [];
    // The time of the fixture, in which the event happens; sleep that ends.
    const clock = { ...systemClock, now: () => fixture.clock.now() };
    const notifier = startNotifier({ ...fixture, clock }, (error) => errors.push(error));
    await fixture.happen("backup.failed");
    await arrived;
    await notifier.stop();
    assert.deepEqual(errors, []);
    const { items } = await listDeliveries(fixture.database.db, { limit: 5 });
    assert.deepEqual(
      items.map(({ state }) => state),
      ["delivered"],
    );
  });
});
