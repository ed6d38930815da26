/** A new value of a password is tested where it is used, before it replaces the old one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, type ErrorCode, isAppError, newId, toErrorRecord } from "@holdfast/kernel";
import { newProposal, type ProposalView, type SecretView } from "@holdfast/protocol";
import { assertNowhereStored } from "./stored-text.ts";
import { exposuresOfDevice, exposuresOfSecret } from "../src/secrets/exposures.ts";
import type { ServiceTest } from "../src/secrets/place-tests.ts";
import { endOldProposals } from "../src/secrets/proposal-end.ts";
import { findProposal, listProposals, showProposal } from "../src/secrets/proposal-rows.ts";
import { acceptProposal, discardProposal, proposeValue, testProposal } from "../src/secrets/proposals.ts";
import { deleteSecret } from "../src/secrets/secrets.ts";
import { verifyVault } from "../src/secrets/verify-vault.ts";
import type { TaskRow } from "../src/tasks/task-kinds.ts";
import { forEachDatabase } from "./databases.ts";
import {
  ACTOR,
  actions,
  addPlan,
  create,
  createKey,
  type Dependencies,
  type Fixture,
  fixtureOf,
  refusal,
  VALUE,
  valueOf,
} from "./secrets-fixture.ts";

const NEW_VALUE = "Zq7-proposed-value-of-the-NAS";

interface Scene {
  readonly fixture: Fixture;
  readonly dependencies: Dependencies;
  readonly password: SecretView;
  readonly device: string;
  readonly propose: (value?: string) => Promise<ProposalView>;
  readonly show: (id: string) => Promise<ProposalView>;
  readonly accept: (id: string, despiteTests?: boolean, revision?: number) => Promise<SecretView>;
  readonly taskOf: (view: ProposalView) => Promise<TaskRow>;
  /** As the end of its run would leave the task. */
  readonly endTest: (view: ProposalView, failure?: ErrorCode) => Promise<void>;
}

async function scene(fixture: Fixture): Promise<Scene> {
  const { dependencies, clock } = fixture;
  const { db } = dependencies.database;
  const password = await create(fixture);
  await addPlan(fixture, (await createKey(fixture)).id, password.id);
  const device = await addWorker(fixture);
  const taskOf = async ({ places }: ProposalView): Promise<TaskRow> => {
    const id = places[0]?.task;
    assert(id !== undefined);
    return db.selectFrom("tasks").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  };
  return {
    fixture,
    dependencies,
    password,
    device,
    propose: (value = NEW_VALUE) => {
      const given = newProposal.parse({ value, confirmation: value });
      return proposeValue(dependencies, ACTOR, password.id, given);
    },
    show: async (id) => showProposal(db, await findProposal(db, password.id, id), clock.now()),
    accept: (id, despiteTests = false, revision = 1) =>
      acceptProposal(dependencies, ACTOR, { secretId: password.id, id }, { despiteTests }, revision),
    taskOf,
    endTest: async (view, failure) => {
      const { id } = await taskOf(view);
      const error = failure === undefined ? null : new AppError(failure, "The password was refused.");
      await db
        .updateTable("tasks")
        .set({
          state: failure === undefined ? "succeeded" : "failed",
          error: error === null ? null : JSON.stringify(toErrorRecord(error)),
        })
        .where("id", "=", id)
        .execute();
    },
  };
}

async function addWorker({ dependencies: { database } }: Fixture): Promise<string> {
  const id = newId("dev");
  await database.db
    .insertInto("devices")
    .values({
      id,
      name: "worker",
      platform: "{}",
      methods: "[]",
      version: "1",
      worker: 1,
      disabled: 0,
      created_at: 1,
      created_by: "",
      certificate_serial: id,
      next_certificate_serial: null,
      certificate_expires_at: 1,
      process_id: null,
      connected_at: null,
      seen_at: 1,
      revision: 1,
    })
    .execute();
  return id;
}

async function proposedValues({ dependencies: { database } }: Fixture): Promise<number> {
  const rows = await database.db
    .selectFrom("vault_values")
    .select("object_id")
    .where("object_kind", "=", "proposal")
    .execute();
  return rows.length;
}

/** Without the repository, which the fixture has no root secret for. */
async function problemsOfValues({ dependencies: { database }, base }: Fixture): Promise<unknown[]> {
  const { problems } = await verifyVault(database.db, base.vault);
  return problems.filter(({ subject }) => !subject.startsWith("The repository"));
}

forEachDatabase("proposed values", (open) => {
  test("are tested by a device at each place, and replace the old one when they have passed", async () => {
    await using fixture = await fixtureOf(open);
    const { propose, show, accept, taskOf, endTest, password, device } = await scene(fixture);
    const { db } = fixture.dependencies.database;
    const proposed = await propose();
    assert.deepEqual(
      proposed.places.map(({ kind, name, state, device: by }) => [kind, name, state, by]),
      [["storage", "the NAS", "waiting", device]],
    );
    assert.deepEqual([proposed.state, proposed.finished, proposed.passed], ["open", false, false]);
    assert.equal(await valueOf(fixture, password.id), VALUE, "the old one is used meanwhile");
    const task = await taskOf(proposed);
    assert.deepEqual([task.kind, task.device_id, task.created_by], ["storage.test", device, ACTOR.userId]);
    const { payload, exposures } = await fixture.kinds.grant(db, task);
    assert.deepEqual(Object.values(payload.storages), [{ password: NEW_VALUE }]);
    assert.deepEqual(exposures, [{ kind: "proposal", id: proposed.id, version: 1 }]);
    await assert.rejects(accept(proposed.id), refusal("ERR_SECRET_TEST", /the NAS: Its test has not ended/u));
    await endTest(proposed);
    const shown = await show(proposed.id);
    assert.deepEqual([shown.finished, shown.passed], [true, true]);
    const accepted = await accept(proposed.id);
    assert.deepEqual([accepted.version, accepted.revision], [2, 2]);
    assert.equal(await valueOf(fixture, password.id), NEW_VALUE);
    assert.equal((await show(proposed.id)).state, "accepted");
    assert.equal(await proposedValues(fixture), 0, "the proposed value is not kept");
    const log = await actions(fixture);
    assert.deepEqual(log.slice(-2), ["secret.propose", "secret.value"]);
    assert.deepEqual(await problemsOfValues(fixture), []);
    await assertNowhereStored(db, [NEW_VALUE, VALUE]);
  });

  test("of other tasks of the storage are not: they have the stored value", async () => {
    await using fixture = await fixtureOf(open);
    const { propose, taskOf } = await scene(fixture);
    const { db } = fixture.dependencies.database;
    const task = await taskOf(await propose());
    const plain = { ...task, id: newId("task"), input: "{}" };
    const { payload } = await fixture.kinds.grant(db, plain);
    assert.deepEqual(Object.values(payload.storages), [{ password: VALUE }]);
    // Nor by naming the proposal: the task has to be the one that tests it.
    const foreign = { ...task, id: newId("task") };
    await assert.rejects(fixture.kinds.grant(db, foreign), refusal("ERR_CHANGED_MEANWHILE"));
  });

  test("are kept back where they were refused, unless that is said; the log tells what refused them", async () => {
    await using fixture = await fixtureOf(open);
    const { propose, show, accept, endTest, password } = await scene(fixture);
    const proposed = await propose();
    await endTest(proposed, "ERR_STORAGE_CREDENTIALS");
    const [place] = (await show(proposed.id)).places;
    assert.deepEqual(
      [place?.state, place?.error?.code, place?.error?.message],
      ["failed", "ERR_STORAGE_CREDENTIALS", "The password was refused."],
    );
    const refused = refusal("ERR_SECRET_TEST", /the storage the NAS: The password was refused/u);
    await assert.rejects(accept(proposed.id), refused);
    assert.equal(await valueOf(fixture, password.id), VALUE);
    assert.equal((await accept(proposed.id, true)).version, 2);
    assert.equal(await valueOf(fixture, password.id), NEW_VALUE);
    const row = await fixture.dependencies.database.db
      .selectFrom("audit_rows")
      .select("details")
      .where("action", "=", "secret.value")
      .executeTakeFirstOrThrow();
    assert.match(row.details, /"despite":\["storage sto_\w+: The password was refused\."\]/u);
  });

  test("are tested again where they did not pass, without being typed again", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies, propose, endTest, show, accept, password } = await scene(fixture);
    const proposed = await propose();
    await endTest(proposed, "ERR_STORAGE_CREDENTIALS");
    const again = await testProposal(dependencies, ACTOR, password.id, proposed.id);
    assert.notEqual(again.places[0]?.task, proposed.places[0]?.task);
    assert.equal(again.places[0]?.state, "waiting");
    await endTest(again);
    const passed = await testProposal(dependencies, ACTOR, password.id, proposed.id);
    assert.equal(passed.places[0]?.task, again.places[0]?.task, "what has passed is not tested again");
    assert.equal((await show(proposed.id)).passed, true);
    await accept(proposed.id);
  });

  test("go to no other place than the one that was stored when they were proposed", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies, propose, taskOf, endTest, accept } = await scene(fixture);
    const { db } = dependencies.database;
    const proposed = await propose();
    const task = await taskOf(proposed);
    await db.updateTable("storages").set({ location: "sftp://mallory.example/srv" }).execute();
    await assert.rejects(fixture.kinds.grant(db, task), refusal("ERR_CHANGED_MEANWHILE"));
    await assert.rejects(fixture.kinds.describe(db, task), refusal("ERR_CHANGED_MEANWHILE"));
    await endTest(proposed);
    await assert.rejects(accept(proposed.id), refusal("ERR_SECRET_TEST", /was changed after the test/u));
    await db.updateTable("storages").set({ location: "/srv" }).execute();
    await accept(proposed.id);
  });

  test("of a place that began to use the password later need a test there too", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies, propose, endTest, accept, password } = await scene(fixture);
    const { db } = dependencies.database;
    const proposed = await propose();
    await endTest(proposed);
    const storage = await db.selectFrom("storages").selectAll().executeTakeFirstOrThrow();
    await db
      .insertInto("storages")
      .values({ ...storage, id: newId("sto"), name: "the other NAS" })
      .execute();
    await assert.rejects(accept(proposed.id), refusal("ERR_SECRET_TEST", /the other NAS: It uses/u));
    const again = await testProposal(dependencies, ACTOR, password.id, proposed.id);
    assert.deepEqual(
      again.places.map(({ name, state }) => [name, state]),
      [
        ["the NAS", "succeeded"],
        ["the other NAS", "waiting"],
      ],
    );
  });

  test("are dropped with their tasks: by a person, by a newer one, by time, with their secret", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies, propose, taskOf, show, accept, password } = await scene(fixture);
    const { db } = dependencies.database;
    const first = await propose();
    const second = await propose("Zq7-another-one");
    assert.deepEqual([(await show(first.id)).state, (await taskOf(first)).state], ["discarded", "cancelled"]);
    await discardProposal(dependencies, ACTOR, password.id, second.id);
    assert.deepEqual(
      [(await show(second.id)).state, (await taskOf(second)).state],
      ["discarded", "cancelled"],
    );
    assert.equal(await proposedValues(fixture), 0);
    const third = await propose();
    fixture.clock.move(third.expiresAt - fixture.clock.now() - 1);
    assert.equal(await endOldProposals(dependencies), 0);
    fixture.clock.move(1);
    assert.equal((await show(third.id)).state, "expired", "also before anybody has swept it away");
    await assert.rejects(accept(third.id, true), refusal("ERR_CHANGED_MEANWHILE", /expired/u));
    await assert.rejects(fixture.kinds.grant(db, await taskOf(third)), refusal("ERR_CHANGED_MEANWHILE"));
    assert.equal(await endOldProposals(dependencies), 1);
    assert.deepEqual([(await taskOf(third)).state, await proposedValues(fixture)], ["cancelled", 0]);
    await propose();
    await db.updateTable("storages").set({ secrets: "{}" }).execute();
    assert.equal((await listProposals(db, password.id, fixture.clock.now())).length, 4);
    await deleteSecret(dependencies, ACTOR, password.id);
    assert.equal(await proposedValues(fixture), 0);
    assert.deepEqual(await problemsOfValues(fixture), []);
    assert((await actions(fixture)).includes("secret.proposal-expire"));
  });

  test("do not replace a value that was changed meanwhile, nor a newer revision", async () => {
    await using fixture = await fixtureOf(open);
    const { propose, endTest, accept } = await scene(fixture);
    const first = await propose();
    await endTest(first);
    await assert.rejects(accept(first.id, false, 7), refusal("ERR_CHANGED_MEANWHILE"));
    await accept(first.id);
    await assert.rejects(accept(first.id, false, 2), refusal("ERR_CHANGED_MEANWHILE", /accepted/u));
  });

  test("that a device has tested count as given to it once they are the password's", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies, propose, endTest, accept, device, password } = await scene(fixture);
    const { db } = dependencies.database;
    const proposed = await propose();
    await db
      .insertInto("secret_exposures")
      .values({
        id: newId("exp"),
        device_id: device,
        object_kind: "proposal",
        object_id: proposed.id,
        version: 1,
        run_id: "run",
        lease_id: "lease",
        at: 5,
      })
      .execute();
    await endTest(proposed);
    await accept(proposed.id);
    const exposures = await exposuresOfSecret(db, password.id);
    assert.deepEqual(
      exposures.map(({ device: who, version, changedSince }) => [who, version, changedSince]),
      [[device, 2, false]],
    );
    assert(
      (await exposuresOfDevice(db, device)).some(({ id, version }) => id === password.id && version === 2),
    );
  });

  test("of a place that nobody can test are said to be untested, and need to be saved nevertheless", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies, propose, accept } = await scene(fixture);
    await dependencies.database.db.deleteFrom("devices").execute();
    const proposed = await propose();
    assert.deepEqual(
      proposed.places.map(({ state, error }) => [state, error?.code]),
      [["untested", "ERR_NO_DEVICE"]],
    );
    await assert.rejects(accept(proposed.id), refusal("ERR_SECRET_TEST", /No device is there/u));
    await accept(proposed.id, true);
  });

  test("are tried by the service itself where it signs in, and unforeseen errors show nothing", async () => {
    const { promise: first, resolve: end } = Promise.withResolvers<void>();
    const tried: string[] = [];
    let answer: "accept" | "refuse" | "break" = "break";
    const mail: ServiceTest = {
      by: "service",
      placeOf: async () => "smtp.example:587",
      run: async (_use, _secretId, value) => {
        tried.push(Buffer.from(value).toString());
        await first;
        if (answer === "refuse") throw new AppError("ERR_STORAGE_CREDENTIALS", "The server refused it.");
        if (answer === "break") throw new Error(`${NEW_VALUE} is wrong`);
      },
    };
    await using fixture = await fixtureOf(open, {
      findUses: [async () => [{ kind: "mail", id: "mail", name: "the mail server" }]],
      placeTests: { mail },
    });
    const { dependencies } = fixture;
    const { database } = dependencies;
    const password = await create(fixture);
    const settled = async (): Promise<ProposalView> => {
      for (;;) {
        const [view] = await listProposals(database.db, password.id, fixture.clock.now());
        assert(view !== undefined);
        if (view.finished) return view;
        const { promise, resolve } = Promise.withResolvers<void>();
        const stop = database.listen("live", resolve);
        const [now] = await listProposals(database.db, password.id, fixture.clock.now());
        if (now?.finished !== true) await promise;
        stop();
      }
    };
    const given = newProposal.parse({ value: NEW_VALUE, confirmation: NEW_VALUE });
    const proposed = await proposeValue(dependencies, ACTOR, password.id, given);
    assert.equal(proposed.places[0]?.state, "running");
    end();
    const broken = await settled();
    assert.deepEqual([broken.places[0]?.state, broken.places[0]?.error?.code], ["failed", "ERR_FAILED"]);
    assert(!JSON.stringify(broken).includes(NEW_VALUE));
    answer = "refuse";
    await testProposal(dependencies, ACTOR, password.id, proposed.id);
    assert.equal((await settled()).places[0]?.error?.message, "The server refused it.");
    answer = "accept";
    await testProposal(dependencies, ACTOR, password.id, proposed.id);
    assert.equal((await settled()).passed, true);
    assert.deepEqual(tried, [NEW_VALUE, NEW_VALUE, NEW_VALUE]);
  });

  test("of an encryption key there are none", async () => {
    await using fixture = await fixtureOf(open);
    const key = await createKey(fixture);
    const given = newProposal.parse({ value: NEW_VALUE, confirmation: NEW_VALUE });
    await assert.rejects(proposeValue(fixture.dependencies, ACTOR, key.id, given), (error) =>
      isAppError(error, "ERR_SECRET_FROZEN"),
    );
  });
});
