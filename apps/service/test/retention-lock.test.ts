/** Retention locks: what is locked is deleted by nobody and by no way; lowering takes its time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, isAppError, newId } from "@holdfast/kernel";
import { deleteCopies, deleteCopy } from "../src/copies/copy-tasks.ts";
import { findCopy, listCopies } from "../src/copies/copy-rows.ts";
import { eventDetails } from "../src/notifications/events.ts";
import { createTaskKinds } from "../src/operations/index.ts";
import { copiesOf, decide } from "../src/operations/retention.ts";
import { deletePlan } from "../src/plans/plans.ts";
import {
  applyDueLockChanges,
  DAY_MS,
  readLockPolicy,
  setLockPolicy,
  setPlanLock,
  showLockPolicy,
  showPlanLock,
  withdrawLockChange,
} from "../src/policies/retention-lock.ts";
import { type Catalogue, catalogue } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";
import { lockScene } from "./lock-fixture.ts";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

const lastInput = ({ queued }: Catalogue): unknown => queued.at(-1)?.input;

const confirmationOf = (id: string) => ({ confirmation: id.slice(0, 8) });

/** A channel that is told of every request to lower a lock. */
async function tellOfLowering({ database, clock }: Catalogue): Promise<void> {
  const common = { created_at: clock.now(), created_by: "user_1", revision: 0 };
  const slack = { name: "admins", kind: "slack", settings: "{}", secret_id: null, enabled: 1 } as const;
  const channel = { ...common, ...slack, id: newId("chan") };
  const told = { channel_id: channel.id, plan_id: null, kinds: '["lock.lowering"]' };
  await database.db.insertInto("notification_channels").values(channel).execute();
  await database.db
    .insertInto("notification_rules")
    .values({ ...common, ...told, id: newId("rule") })
    .execute();
}

forEachDatabase("a locked copy", (open) => {
  test("is deleted by nobody before its time, and can be afterwards", async () => {
    await using fixture = await catalogue(await open());
    const { plan, backUp } = await lockScene(fixture, { lockDays: 30 });
    const copy = await backUp("a");
    const attempt = (): Promise<string> => deleteCopy(fixture, fixture.actor, copy, confirmationOf(copy));
    const several = { repository: plan.repository, copies: [copy], expectedCount: 1 };
    fixture.clock.move(30 * DAY_MS - 1);
    await assert.rejects(attempt(), (error) => {
      assert(isAppError(error, "ERR_RETENTION_LOCKED"));
      return error.subject === copy;
    });
    await assert.rejects(deleteCopies(fixture, fixture.actor, several), hasCode("ERR_RETENTION_LOCKED"));
    assert.deepEqual(fixture.queued, []);
    fixture.clock.move(1);
    await attempt();
    assert.deepEqual(lastInput(fixture), { copies: [copy] });
  });

  test("is kept by retention, which says so", async () => {
    await using fixture = await catalogue(await open());
    const { plan, backUp } = await lockScene(fixture, { lockDays: 2, retention: { last: 1 } });
    const first = await backUp("a");
    fixture.clock.move(DAY_MS);
    const second = await backUp("b");
    assert.deepEqual(fixture.queued, []);
    const copies = await copiesOf(fixture.database.db, fixture.clock, { repositoryId: plan.repository });
    const { keep, forget } = decide(copies, { last: 1 });
    assert.deepEqual(forget, []);
    assert.deepEqual(
      keep.map(({ copy, reasons }) => [copy.id, reasons, copy.lockedUntil]),
      [
        [second, ["last", "lock"], fixture.clock.now() + 2 * DAY_MS],
        [first, ["lock"], fixture.clock.now() + DAY_MS],
      ],
    );
    fixture.clock.move(DAY_MS);
    await backUp("c");
    assert.deepEqual(lastInput(fixture), { copies: [first] });
  });

  test("gives no device what deletes it, whenever it was locked", async () => {
    await using fixture = await catalogue(await open());
    const { plan, backUp, taskOf } = await lockScene(fixture);
    const copy = await backUp("a");
    const kinds = createTaskKinds(fixture);
    const task = taskOf("forget", { copies: [copy] });
    await kinds.grant(fixture.database.db, task);
    await setPlanLock(fixture, fixture.actor, plan.id, 7, plan.revision);
    await assert.rejects(kinds.grant(fixture.database.db, task), hasCode("ERR_RETENTION_LOCKED"));
  });

  test("stays locked when its plan is deleted, or lowers its lock", async () => {
    await using fixture = await catalogue(await open());
    const { plan, backUp } = await lockScene(fixture, { lockDays: 10 });
    const copy = await backUp("a");
    await setPlanLock(fixture, fixture.actor, plan.id, 90, plan.revision);
    await deletePlan(fixture, fixture.actor, plan.id);
    fixture.clock.move(89 * DAY_MS);
    const attempt = (): Promise<string> => deleteCopy(fixture, fixture.actor, copy, confirmationOf(copy));
    await assert.rejects(attempt(), hasCode("ERR_RETENTION_LOCKED"));
    fixture.clock.move(DAY_MS);
    await attempt();
  });

  test("keeps the lock that it was made under, or the present one", async () => {
    await using fixture = await catalogue(await open());
    const { plan, backUp } = await lockScene(fixture, { lockDays: 30 });
    const old = await backUp("a");
    const lowered = await setPlanLock(fixture, fixture.actor, plan.id, 1, plan.revision);
    fixture.clock.move(7 * DAY_MS);
    assert.equal(await applyDueLockChanges(fixture), 1);
    const young = await backUp("b");
    fixture.clock.move(2 * DAY_MS);
    const { db } = fixture.database;
    const { items } = await listCopies(db, { limit: 10 }, fixture.clock);
    const made = fixture.clock.now() - 9 * DAY_MS;
    assert.deepEqual(
      items.map(({ id, lockedUntil }) => [id, lockedUntil]),
      [
        [young, null],
        [old, made + 30 * DAY_MS],
      ],
    );
    await setPlanLock(fixture, fixture.actor, plan.id, 60, lowered.revision);
    const [, again] = (await listCopies(db, { limit: 10 }, fixture.clock)).items;
    assert.equal(again?.lockedUntil, made + 60 * DAY_MS);
  });

  test("stays in the catalogue when it is missing in the storage, and somebody is told", async () => {
    await using fixture = await catalogue(await open());
    const { backUp, end } = await lockScene(fixture, { lockDays: 10 });
    const copy = await backUp("a");
    const result = { copies: [], complete: true };
    let told: unknown;
    // As the queue does: what follows has failed, the task has ended all the same.
    await fixture.database
      .transaction(async () => undefined)
      .then(() => end("copies", { state: "succeeded", result, warnings: 0 }))
      .catch((error: unknown) => (told = error));
    assert(isAppError(told, "ERR_RETENTION_LOCKED"));
    await findCopy(fixture.database.db, copy);
  });

  test("that the storage shows unasked is locked as the longest of the plans that write there", async () => {
    await using fixture = await catalogue(await open());
    const { end } = await lockScene(fixture, { lockDays: 10 });
    await fixture.addDevice(["cbc"], true);
    const id = "c".repeat(64);
    const copy = { id, time: 5, host: "h", kind: "files", paths: [], tags: [], size: 1, files: 1 };
    await end("copies", { state: "succeeded", result: { copies: [copy], complete: true }, warnings: 0 });
    // Its own time is what a device says; its age counts from now.
    await assert.rejects(
      deleteCopy(fixture, fixture.actor, id, confirmationOf(id)),
      hasCode("ERR_RETENTION_LOCKED"),
    );
  });

  test("is one among several that the company's minimum locks", async () => {
    await using fixture = await catalogue(await open());
    const { plan, backUp } = await lockScene(fixture);
    const copy = await backUp("a");
    await setLockPolicy(fixture, fixture.actor, { minimumDays: 5 }, 0);
    assert.equal((await showPlanLock(fixture.database.db, fixture.clock, plan.id)).effectiveDays, 5);
    await assert.rejects(
      deleteCopy(fixture, fixture.actor, copy, confirmationOf(copy)),
      hasCode("ERR_RETENTION_LOCKED"),
    );
  });
});

forEachDatabase("deleting copies", (open) => {
  test("wants their number, and copies of one repository", async () => {
    await using fixture = await catalogue(await open());
    const { plan, backUp } = await lockScene(fixture);
    const copies = [await backUp("a"), await backUp("b")];
    const wish = { repository: plan.repository, copies, expectedCount: 3 };
    await assert.rejects(deleteCopies(fixture, fixture.actor, wish), hasCode("ERR_CONFIRMATION"));
    const foreign = { ...wish, repository: "0".repeat(32), expectedCount: 2 };
    await assert.rejects(deleteCopies(fixture, fixture.actor, foreign), hasCode("ERR_NOT_FOUND"));
    await deleteCopies(fixture, fixture.actor, { ...wish, expectedCount: 2 });
    assert.deepEqual(lastInput(fixture), { copies });
    assert.deepEqual(fixture.audited.at(-1)?.details?.["copies"], copies);
  });
});

forEachDatabase("a retention lock", (open) => {
  test("is raised at once, and lowered after the waiting period by somebody who may delete", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { plan } = await lockScene(fixture, { lockDays: 30 });
    const raised = await setPlanLock(fixture, fixture.actor, plan.id, 60, plan.revision);
    assert.equal(raised.days, 60);
    const operator = { ...fixture.actor, rights: new Set(["plans.edit"] as const) };
    await assert.rejects(
      setPlanLock(fixture, operator, plan.id, 1, raised.revision),
      hasCode("ERR_FORBIDDEN"),
    );
    const asked = await setPlanLock(fixture, fixture.actor, plan.id, 1, raised.revision);
    assert.deepEqual(
      [asked.days, asked.pending?.days, asked.pending?.effectiveAt],
      [60, 1, fixture.clock.now() + 7 * DAY_MS],
    );
    await assert.rejects(
      setPlanLock(fixture, fixture.actor, plan.id, 2, asked.revision),
      hasCode("ERR_IN_USE"),
    );
    fixture.clock.move(7 * DAY_MS - 1);
    assert.equal(await applyDueLockChanges(fixture), 0);
    assert.equal((await showPlanLock(db, fixture.clock, plan.id)).days, 60);
    fixture.clock.move(1);
    assert.equal(await applyDueLockChanges(fixture), 1);
    assert.equal(await applyDueLockChanges(fixture), 0);
    const shown = await showPlanLock(db, fixture.clock, plan.id);
    assert.deepEqual([shown.days, shown.pending], [1, null]);
    assert.deepEqual(
      fixture.audited.map(({ action }) => action).filter((action) => action.startsWith("lock.")),
      ["lock.raise", "lock.lower-request", "lock.lower"],
    );
  });

  test("is not lowered once that was called off, or the lock was raised meanwhile", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const { plan } = await lockScene(fixture, { lockDays: 30 });
    const asked = await setPlanLock(fixture, fixture.actor, plan.id, 0, plan.revision);
    await withdrawLockChange(fixture, fixture.actor, `plan:${plan.id}`);
    await assert.rejects(
      withdrawLockChange(fixture, fixture.actor, `plan:${plan.id}`),
      hasCode("ERR_NOT_FOUND"),
    );
    const again = await setPlanLock(fixture, fixture.actor, plan.id, 0, asked.revision);
    await setPlanLock(fixture, fixture.actor, plan.id, 40, again.revision);
    fixture.clock.move(30 * DAY_MS);
    assert.equal(await applyDueLockChanges(fixture), 0);
    assert.equal((await showPlanLock(db, fixture.clock, plan.id)).days, 40);
  });

  test("tells whoever wants to know that its lowering was asked for, and not of its raising", async () => {
    await using fixture = await catalogue(await open());
    const { plan } = await lockScene(fixture, { lockDays: 30 });
    await tellOfLowering(fixture);
    const events = () =>
      fixture.database.db.selectFrom("notification_events").select(["kind", "details"]).execute();
    const { revision } = await setPlanLock(fixture, fixture.actor, plan.id, 31, plan.revision);
    assert.deepEqual(await events(), []);
    await setPlanLock(fixture, fixture.actor, plan.id, 2, revision);
    const [event, ...more] = await events();
    assert.deepEqual([event?.kind, more], ["lock.lowering", []]);
    const { plan: told, facts } = eventDetails.parse(JSON.parse(event?.details ?? ""));
    assert.deepEqual(told, { id: plan.id, name: plan.name });
    assert.deepEqual(facts?.slice(1, 2), [["From, to", "31 days, 2 days"]]);
    await setLockPolicy(fixture, fixture.actor, { waitingDays: 1 }, 0);
    assert.equal((await events()).length, 2);
  });

  test("has a waiting period that is lowered after the old one", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    await setLockPolicy(fixture, fixture.actor, { waitingDays: 20, minimumDays: 10 }, 0);
    const { revision } = await readLockPolicy(db);
    await setLockPolicy(fixture, fixture.actor, { waitingDays: 1, minimumDays: 0 }, revision);
    const { pendingMinimum, pendingWaiting } = await showLockPolicy(db, fixture.clock);
    assert.deepEqual([pendingMinimum?.days, pendingWaiting?.days], [0, 1]);
    fixture.clock.move(20 * DAY_MS - 1);
    assert.equal(await applyDueLockChanges(fixture), 0);
    assert.deepEqual(
      { ...(await readLockPolicy(db)), revision: 0 },
      { waitingDays: 20, minimumDays: 10, revision: 0 },
    );
    fixture.clock.move(1);
    assert.equal(await applyDueLockChanges(fixture), 2);
    assert.deepEqual(
      { ...(await readLockPolicy(db)), revision: 0 },
      { waitingDays: 1, minimumDays: 0, revision: 0 },
    );
  });
});
