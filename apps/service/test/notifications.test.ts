/** The outbox: what happens is told once to each channel that a rule names, by one process, and never without having happened. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, isAppError, newId } from "@holdfast/kernel";
import { type ChannelSettings, newPlan, type NotificationKind } from "@holdfast/protocol";
import type { Database } from "../src/database/database.ts";
import { changeChannel, deleteChannel } from "../src/notifications/channels.ts";
import { raiseConditions } from "../src/notifications/conditions.ts";
import { deliverDue, removeOld } from "../src/notifications/deliveries.ts";
import { listDeliveries } from "../src/notifications/delivery-list.ts";
import { recordEvent } from "../src/notifications/events.ts";
import { createTaskKinds } from "../src/operations/index.ts";
import { createPlan, deletePlan } from "../src/plans/plans.ts";
import { findUses, USES_BY_DOMAINS } from "../src/secrets/secret-uses.ts";
import { createStorage } from "../src/storages/storages.ts";
import type { TaskEnd, TaskRow } from "../src/tasks/task-kinds.ts";
import { planOf } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { type NotificationFixture, notifications } from "./notifications-fixture.ts";
import { dropTriggers } from "./vault-fixture.ts";
import { newTaskRow } from "./task-row.ts";

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

type MailSettings = Extract<ChannelSettings, { kind: "mail" }>;

async function webhook(fixture: NotificationFixture): Promise<ChannelSettings> {
  const secret = await fixture.addSecret("password", "the key");
  return { kind: "webhook", url: "https://hooks.example/", secret };
}

async function addPlan(fixture: NotificationFixture, device: string, name: string): Promise<string> {
  const key = await fixture.addSecret("encryption-key", `a passphrase of ${name}`);
  const given = { name, description: "", location: `/srv/${name}`, identity: {}, secrets: {} };
  const { id: storage } = await createStorage(fixture, fixture.actor, given);
  const encryption = { method: "gcm", level: "high", secret: key };
  const plan = newPlan.parse(planOf({ name, devices: [device], storage, encryption }));
  return (await createPlan(fixture, fixture.actor, plan)).id;
}

async function told(database: Database): Promise<(readonly [string, string])[]> {
  const { items } = await listDeliveries(database.db, { limit: 200 });
  return items.map(({ kind, channel }) => [kind, channel.id] as const).toReversed();
}

function backupResult() {
  const copy = {
    id: "a".repeat(64),
    time: 1,
    host: "h",
    kind: "files",
    paths: [],
    tags: [],
    size: 1,
    files: 1,
  };
  const counts = {
    filesNew: 0,
    filesChanged: 0,
    filesUnchanged: 0,
    bytesRead: 0,
    bytesAdded: 0,
    bytesStored: 0,
  };
  return { copy, ...counts, seconds: 1, warnings: 0 };
}

async function insertTask(
  fixture: NotificationFixture,
  fields: Partial<TaskRow> & Pick<TaskRow, "kind" | "device_id">,
): Promise<TaskRow> {
  return fixture.database.db
    .insertInto("tasks")
    .values(newTaskRow(fields.kind, {}, fields))
    .returningAll()
    .executeTakeFirstOrThrow();
}

forEachDatabase("the outbox", (open) => {
  test("has an event once for each channel that is told of it", async () => {
    await using fixture = await notifications(await open(), {});
    const { database } = fixture;
    const device = await fixture.addDevice();
    const plan = await addPlan(fixture, device, "nightly");
    const other = await addPlan(fixture, device, "other");
    const all = await fixture.addChannel(await webhook(fixture), ["backup.failed", "backup.succeeded"]);
    const one = await fixture.addChannel(await webhook(fixture), ["backup.failed"], plan);
    await fixture.addChannel(await webhook(fixture), ["backup.failed"], other);
    const off = await fixture.addChannel(await webhook(fixture), ["backup.failed"]);
    await changeChannel(fixture, fixture.actor, off.id, { enabled: false }, 1);
    const record = (kind: NotificationKind, happening: string): Promise<boolean> =>
      database.transaction((transaction) =>
        recordEvent(fixture, transaction, { kind, happening, plans: [plan], details: {} }),
      );
    assert.equal(await record("backup.failed", "a"), true);
    assert.equal(await record("backup.failed", "a"), false);
    assert.equal(await record("verification.failed", "a"), false);
    assert.equal(await record("backup.succeeded", "a"), true);
    const sorted = (rows: readonly (readonly [string, string])[]): string[] => rows.map(String).toSorted();
    assert.deepEqual(
      sorted(await told(database)),
      sorted([
        ["backup.failed", all.id],
        ["backup.failed", one.id],
        ["backup.succeeded", all.id],
      ]),
    );
    // With its plan a rule goes, with its channel everything of it.
    await deletePlan(fixture, fixture.actor, plan);
    await record("backup.failed", "b");
    assert.equal((await told(database)).length, 4);
    await deleteChannel(fixture, fixture.actor, all.id);
    assert.deepEqual(await told(database), [["backup.failed", one.id]]);
  });

  test("has nothing of what did not happen", async () => {
    await using fixture = await notifications(await open(), {});
    await fixture.addChannel(await webhook(fixture));
    const broken = fixture.database.transaction(async (transaction) => {
      const event = { kind: "backup.failed", happening: "x", plans: [], details: {} } as const;
      assert.equal(await recordEvent(fixture, transaction, event), true);
      throw new Error("power cut");
    });
    await assert.rejects(broken, /power cut/u);
    assert.deepEqual(await told(fixture.database), []);
  });

  test("is worked off by one process at a time, and by another one when that is gone", async () => {
    await using fixture = await notifications(await open(), {});
    await fixture.addChannel(await webhook(fixture));
    await fixture.happen("backup.failed");
    let sent = 0;
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const slow: NotificationFixture = {
      ...fixture,
      outbound: {
        ...fixture.outbound,
        fetch: async () => {
          sent += 1;
          reach();
          await gate;
          return new Response("");
        },
      },
    };
    const first = deliverDue(slow);
    await reached;
    assert.equal(await deliverDue(slow), 0);
    openGate();
    assert.equal(await first, 1);
    assert.equal(sent, 1);
    // A process that dies while it sends leaves its claim, which ends.
    fixture.clock.move(1);
    await fixture.happen("backup.failed");
    const { promise: died, resolve: die } = Promise.withResolvers<void>();
    const dead: NotificationFixture = {
      ...fixture,
      outbound: {
        ...fixture.outbound,
        fetch: () => {
          die();
          return new Promise(() => {});
        },
      },
    };
    void deliverDue(dead);
    await died;
    assert.equal(await deliverDue(slow), 0);
    fixture.clock.move(600_000);
    assert.equal(await deliverDue(slow), 1);
    assert.equal(sent, 2);
    const { items } = await listDeliveries(fixture.database.db, { limit: 5 });
    assert.deepEqual(
      items.map(({ state, attempts }) => [state, attempts]),
      [
        ["delivered", 2],
        ["delivered", 1],
      ],
    );
    fixture.clock.move(91 * DAY_MS);
    await removeOld(fixture);
    assert.deepEqual(await told(fixture.database), []);
  });

  test("has the ends of tasks that people are told of", async () => {
    await using fixture = await notifications(await open(), {});
    const { database } = fixture;
    const device = await fixture.addDevice();
    const plan = await addPlan(fixture, device, "nightly");
    const kinds: NotificationKind[] = [
      "backup.succeeded",
      "backup.warnings",
      "backup.failed",
      "backup.missed",
    ];
    await fixture.addChannel(await webhook(fixture), [...kinds, "verification.failed"]);
    const { ended } = createTaskKinds(fixture);
    const end = async (kind: TaskRow["kind"], how: TaskEnd): Promise<string | undefined> => {
      const before = (await told(database)).length;
      // Ids of one millisecond have no order.
      fixture.clock.move(1);
      const task = await insertTask(fixture, { kind, device_id: device, plan_id: plan });
      for (let times = 0; times < 2; times += 1) {
        await database.transaction((transaction) => ended(transaction, task, how)).catch(() => undefined);
      }
      return (await told(database)).slice(before).map(([name]) => name)[0];
    };
    const failed = (code: ErrorCode): TaskEnd => ({
      state: "failed",
      error: { code, message: "It did.", subject: undefined, remedy: "Mend it." },
    });
    const backup = backupResult();
    assert.equal(await end("backup", failed("ERR_STORAGE_FULL")), "backup.failed");
    assert.equal(await end("backup", failed("ERR_RUN_MISSED")), "backup.missed");
    assert.equal(await end("backup", { state: "cancelled" }), undefined);
    assert.equal(
      await end("backup", { state: "succeeded", result: backup, warnings: 0 }),
      "backup.succeeded",
    );
    assert.equal(await end("backup", { state: "succeeded", result: backup, warnings: 3 }), "backup.warnings");
    assert.equal(await end("verify", failed("ERR_DAMAGED")), "verification.failed");
    const verified = { objects: 1, bytes: 1, seconds: 1, damaged: [], damagedCount: 0 };
    assert.equal(await end("verify", { state: "succeeded", result: verified, warnings: 0 }), undefined);
    const damaged = { state: "succeeded", result: { ...verified, damagedCount: 2 }, warnings: 0 } as const;
    assert.equal(await end("verify", damaged), "verification.failed");
    assert.equal(await end("restore", failed("ERR_TARGET")), undefined);
  });
});

forEachDatabase("what falls silent or ends", (open) => {
  const conditions = async (
    kinds: readonly NotificationKind[],
    database: Database,
  ): Promise<NotificationFixture> => {
    const fixture = await notifications(database, {});
    await fixture.addChannel(await webhook(fixture), kinds);
    return fixture;
  };

  test("is a device that was not heard of, once each time, and not right after a start", async () => {
    await using fixture = await conditions(["device.silent"], await open());
    const { db } = fixture.database;
    const since = fixture.clock.now();
    const id = await fixture.addDevice();
    const seen = (at: number): Promise<unknown> =>
      db.updateTable("devices").set({ seen_at: at }).where("id", "=", id).execute();
    await seen(since - 25 * 3600_000);
    assert.equal(await raiseConditions(fixture, since), 0);
    fixture.clock.move(3600_000);
    assert.equal(await raiseConditions(fixture, since), 1);
    assert.equal(await raiseConditions(fixture, since), 0);
    await seen(fixture.clock.now());
    fixture.clock.move(23 * 3600_000);
    assert.equal(await raiseConditions(fixture, since), 0);
    fixture.clock.move(2 * 3600_000);
    assert.equal(await raiseConditions(fixture, since), 1);
    await seen(1);
    await db.updateTable("devices").set({ disabled: 1 }).execute();
    assert.equal(await raiseConditions(fixture, since), 0);
  });

  test("is a certificate of a device and an API token about to end", async () => {
    await using fixture = await conditions(["certificate.expiring", "token.expiring"], await open());
    const { db } = fixture.database;
    const now = fixture.clock.now();
    await fixture.addDevice();
    const ends = (at: number): Promise<unknown> =>
      db.updateTable("devices").set({ certificate_expires_at: at }).execute();
    await ends(now + 15 * DAY_MS);
    assert.equal(await raiseConditions(fixture, now), 0);
    await ends(now + 13 * DAY_MS);
    assert.equal(await raiseConditions(fixture, now), 1);
    assert.equal(await raiseConditions(fixture, now), 0);
    const user = { id: newId("user"), name: "ada", role: "administrator", password: "" } as const;
    await db
      .insertInto("users")
      .values({
        ...user,
        password_changed_at: 1,
        totp_version: null,
        totp_pending_version: null,
        disabled: 0,
        created_at: 1,
        revision: 1,
      })
      .execute();
    for (const days of [-1, 3, 30]) {
      await db
        .insertInto("api_tokens")
        .values({
          id: newId("token"),
          hash: newId("hash").padEnd(64, "0").slice(0, 64),
          user_id: user.id,
          name: "robot",
          scopes: "[]",
          created_at: 1,
          used_at: null,
          expires_at: now + days * DAY_MS,
        })
        .execute();
    }
    assert.equal(await raiseConditions(fixture, now), 1);
  });

  test("is a vault with a value that does not open, looked for once a day", async () => {
    await using fixture = await conditions(["vault.problem", "audit.problem"], await open());
    const now = fixture.clock.now();
    const { database } = fixture;
    assert.equal(await raiseConditions(fixture, now), 0);
    await dropTriggers(database, "vault_values");
    await database.db
      .updateTable("vault_values")
      .set({ value_box: Buffer.alloc(60) })
      .execute();
    assert.equal(await raiseConditions(fixture, now), 0, "it was looked at today");
    fixture.clock.move(DAY_MS);
    assert.equal(await raiseConditions(fixture, now), 1);
    assert.deepEqual(
      (await told(database)).map(([kind]) => kind),
      ["vault.problem"],
    );
  });

  test("is looked for again an hour after a look that did not come to its end", async () => {
    await using fixture = await conditions(["vault.problem"], await open());
    const { database, vault, clock } = fixture;
    const broken = {
      ...vault,
      recoveryPublicKey: async (): Promise<never> => {
        throw new Error("Connection terminated unexpectedly");
      },
    };
    const now = clock.now();
    await assert.rejects(raiseConditions({ database, clock, vault: broken }, now), /terminated/u);
    await dropTriggers(database, "vault_values");
    await database.db
      .updateTable("vault_values")
      .set({ value_box: Buffer.alloc(60) })
      .execute();
    assert.equal(await raiseConditions(fixture, now), 0, "not at once");
    clock.move(HOUR_MS);
    assert.equal(await raiseConditions(fixture, now), 1);
  });
});

forEachDatabase("a channel", (open) => {
  test("is where its secret is used, and signs in elsewhere only with it typed again", async () => {
    await using fixture = await notifications(await open(), {});
    const secret = await fixture.addSecret("password", "mail password");
    const given: MailSettings = {
      kind: "mail",
      host: "mail.example",
      port: 587,
      encryption: "starttls",
      user: "holdfast",
      from: "a@company.example",
      to: ["b@company.example"],
      secret,
    };
    const { id } = await fixture.addChannel(given);
    const uses = await findUses(fixture.database.db, USES_BY_DOMAINS, secret);
    assert.deepEqual(
      uses.map((use) => [use.kind, use.id]),
      [["channel", id]],
    );
    const change = (fields: Partial<MailSettings>, confirmation?: string): ReturnType<typeof changeChannel> =>
      changeChannel(
        fixture,
        fixture.actor,
        id,
        { settings: { ...given, ...fields }, ...(confirmation === undefined ? {} : { confirmation }) },
        1,
      );
    const moves: readonly Partial<MailSettings>[] = [
      { host: "evil.example" },
      { port: 25 },
      { encryption: "tls" },
      { user: "other" },
    ];
    for (const move of moves) {
      await assert.rejects(change(move), hasCode("ERR_CONFIRMATION"));
      await assert.rejects(change(move, "wrong"), hasCode("ERR_CONFIRMATION"));
    }
    await assert.rejects(change({ user: "" }, ""), hasCode("ERR_CONFIRMATION"));
    assert.equal((await change({ host: "new.example" }, "mail password")).revision, 2);
    await assert.rejects(change({}), hasCode("ERR_CHANGED_MEANWHILE"));
    const key = await fixture.addSecret("encryption-key", "a passphrase");
    const other = { kind: "slack", secret: key } as const;
    await assert.rejects(fixture.addChannel(other), hasCode("ERR_NOT_FOUND"));
    const clear = { kind: "webhook", url: "https://user:pass@hooks.example/", secret } as const;
    await assert.rejects(fixture.addChannel(clear), hasCode("ERR_USAGE"));
    assert(!JSON.stringify(fixture.audited).includes("mail password"));
  });
});
