import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { openWithPrivateKey } from "@holdfast/crypto";
import { LEASE_MS, leaseContext, leasePayload } from "@holdfast/protocol";
import { cancelTasksOfPlan, cancelTasksWithSecret } from "../src/tasks/revocation.ts";
import { cancelTask } from "../src/tasks/tasks.ts";
import { forEachDatabase } from "./databases.ts";
import { ADMINISTRATOR, leaseKeys, PASSWORD_ID, startService, type TestService } from "./device-fixture.ts";
import { connectAgent, enrolDevice, type Identity, type ScriptedAgent } from "./scripted-agent.ts";

interface Running {
  readonly identity: Identity;
  readonly agent: ScriptedAgent;
  readonly task: string;
  readonly run: string;
}

async function startRun(service: TestService, input: unknown = {}): Promise<Running> {
  const identity = await enrolDevice(service);
  const agent = await connectAgent(service, identity);
  const task = await service.createTask(identity.deviceId, { input });
  const { run } = await agent.next("start");
  return { identity, agent, task, run };
}

let requests = 0;

function requestLease(
  agent: ScriptedAgent,
  run: string,
  publicKey = leaseKeys(randomBytes(32)).publicKey,
): void {
  requests += 1;
  agent.send({ type: "request", id: requests, request: { kind: "lease", run, publicKey } });
}

async function refusalCode(agent: ScriptedAgent, run: string, publicKey?: string): Promise<string> {
  requestLease(agent, run, publicKey);
  const { id, error } = await agent.next("refusal");
  assert.equal(id, requests);
  return error.code;
}

async function givenLease(
  agent: ScriptedAgent,
  run: string,
  publicKey?: string,
): Promise<{ lease: string; until: number; sealed: string }> {
  requestLease(agent, run, publicKey);
  const { answer } = await agent.next("answer");
  assert(answer.kind === "lease");
  return answer;
}

forEachDatabase("leases", (open) => {
  test("a lease opens with its key, for its device, run and time only, and is on record", async () => {
    await using service = await startService(await open());
    const { identity, agent, task, run } = await startRun(service);
    const { seed, publicKey } = leaseKeys(randomBytes(32));
    const { lease, until, sealed } = await givenLease(agent, run, publicKey);
    assert(Math.abs(until - service.clock.now() - LEASE_MS) < 5000);
    const box = Buffer.from(sealed, "base64");
    const context = { device: identity.deviceId, run, lease, until };
    const opened = openWithPrivateKey(seed, leaseContext(context), box, "the lease");
    assert.deepEqual(leasePayload.parse(JSON.parse(opened.toString("utf8"))).storages, {
      sto_00000000000000000000000000: { password: "correct horse" },
    });
    for (const changed of [
      { until: until + 1 },
      { run: "run_x" },
      { device: "dev_x" },
      { lease: "lease_x" },
    ]) {
      const other = leaseContext({ ...context, ...changed });
      assert.throws(() => openWithPrivateKey(seed, other, box, "the lease"));
    }
    const { db } = service.database;
    const exposure = await db.selectFrom("secret_exposures").selectAll().executeTakeFirstOrThrow();
    assert.deepEqual(
      [exposure.device_id, exposure.object_id, exposure.version, exposure.run_id, exposure.lease_id],
      [identity.deviceId, PASSWORD_ID, 2, run, lease],
    );
    const row = await db
      .selectFrom("audit_rows")
      .selectAll()
      .where("action", "=", "lease.give")
      .executeTakeFirstOrThrow();
    assert.deepEqual([row.actor_id, row.subject_id], [identity.deviceId, run]);
    assert.deepEqual(JSON.parse(row.details), {
      lease,
      task,
      kind: "backup",
      given: ["storage sto_00000000000000000000000000"],
    });
    // Nothing of it is in the database.
    for (const table of ["leases", "runs", "run_events", "tasks", "audit_rows"] as const) {
      const rows = await db.selectFrom(table).selectAll().execute();
      assert(!JSON.stringify(rows).includes("correct horse"), table);
    }
    assert.deepEqual(service.failures, []);
  });

  test("a public key is answered once, and a run four times", async () => {
    await using service = await startService(await open());
    const { agent, run } = await startRun(service);
    const { publicKey } = leaseKeys(randomBytes(32));
    await givenLease(agent, run, publicKey);
    assert.equal(await refusalCode(agent, run, publicKey), "ERR_LEASE_REFUSED");
    for (let count = 0; count < 3; count += 1) await givenLease(agent, run);
    assert.equal(await refusalCode(agent, run), "ERR_LEASE_REFUSED");
    const rows = await service.database.db.selectFrom("audit_rows").selectAll().execute();
    assert.equal(rows.filter(({ action }) => action === "lease.give").length, 4);
  });

  test("two requests with one key at once get one answer", async () => {
    await using service = await startService(await open());
    const { agent, run } = await startRun(service);
    const { publicKey } = leaseKeys(randomBytes(32));
    requestLease(agent, run, publicKey);
    requestLease(agent, run, publicKey);
    await agent.next("answer");
    assert.equal((await agent.next("refusal")).error.code, "ERR_LEASE_REFUSED");
  });

  test("nothing for runs of others, ended and cancelled runs, wrong keys, and what the grant refuses", async () => {
    await using service = await startService(await open());
    const { agent, task, run } = await startRun(service);
    const other = await startRun(service, "secret-disabled");
    assert.equal(await refusalCode(other.agent, run), "ERR_LEASE_REFUSED");
    assert.equal(await refusalCode(agent, "run_00000000000000000000000000"), "ERR_LEASE_REFUSED");
    assert.equal(await refusalCode(other.agent, other.run), "ERR_SECRET_DISABLED");
    assert.equal(await refusalCode(agent, run, Buffer.alloc(100).toString("base64")), "ERR_KEY_FORMAT");
    assert.equal(
      await refusalCode(agent, run, Buffer.alloc(1216, 0xff).toString("base64")),
      "ERR_KEY_FORMAT",
    );
    await cancelTask(service, ADMINISTRATOR, task);
    assert.equal(await refusalCode(agent, run), "ERR_LEASE_REFUSED");
    agent.event(run, 1, { kind: "cancelled" });
    await agent.next("acknowledge");
    assert.equal(await refusalCode(agent, run), "ERR_LEASE_REFUSED");
    const { db } = service.database;
    assert.equal((await db.selectFrom("leases").selectAll().execute()).length, 0);
    assert.equal((await db.selectFrom("secret_exposures").selectAll().execute()).length, 0);
    assert.deepEqual(service.failures, []);
  });

  test("what is refused is on record, once of a run and reason, and runs of others once a day", async () => {
    await using service = await startService(await open());
    const { identity, agent, run } = await startRun(service, "secret-disabled");
    const other = await startRun(service);
    const { publicKey } = leaseKeys(randomBytes(32));
    await givenLease(other.agent, other.run, publicKey);
    for (let count = 0; count < 3; count += 1) {
      assert.equal(await refusalCode(agent, run), "ERR_SECRET_DISABLED");
      assert.equal(await refusalCode(agent, other.run), "ERR_LEASE_REFUSED");
      const unknown = `run_0000000000000000000000000${String(count)}`;
      assert.equal(await refusalCode(agent, unknown), "ERR_LEASE_REFUSED");
      assert.equal(await refusalCode(other.agent, other.run, publicKey), "ERR_LEASE_REFUSED");
    }
    assert.equal(await refusalCode(agent, run, Buffer.alloc(100).toString("base64")), "ERR_KEY_FORMAT");
    const refused = async (): Promise<string[]> => {
      const rows = await service.database.db
        .selectFrom("audit_rows")
        .selectAll()
        .where("action", "=", "lease.refuse")
        .orderBy("number")
        .execute();
      return rows.map((row) => `${row.actor_id} ${row.subject_kind} ${row.subject_id}`);
    };
    const expected = [
      `${identity.deviceId} run ${run}`,
      `${identity.deviceId} device ${identity.deviceId}`,
      `${other.identity.deviceId} run ${other.run}`,
      `${identity.deviceId} run ${run}`,
    ];
    assert.deepEqual(await refused(), expected);
    service.clock.move(25 * 3_600_000);
    assert.equal(await refusalCode(agent, other.run), "ERR_LEASE_REFUSED");
    assert.equal((await refused()).length, expected.length + 1);
    assert.deepEqual(service.failures, []);
  });

  test("beats move leases; one that ran out, or whose run was cancelled, stays ended", async () => {
    await using service = await startService(await open());
    const { agent, task, run } = await startRun(service);
    const first = await givenLease(agent, run);
    service.clock.move(60_000);
    const beat = async () => {
      agent.send({ type: "beat" });
      return (await agent.next("beat")).leases;
    };
    const [moved] = await beat();
    assert.equal(moved?.lease, first.lease);
    assert(moved.until >= first.until + 60_000);
    service.clock.move(LEASE_MS + 1);
    assert.deepEqual(await beat(), []);
    const second = await givenLease(agent, run);
    assert.deepEqual(
      (await beat()).map(({ lease }) => lease),
      [second.lease],
    );
    await cancelTask(service, ADMINISTRATOR, task);
    assert.deepEqual(await beat(), []);
  });

  test("what is disabled takes back its leases, and ends the runs that had them", async () => {
    await using service = await startService(await open());
    const { agent, run, task } = await startRun(service);
    const other = await startRun(service);
    await givenLease(agent, run);
    const { database, queue } = service;
    const cancelled = await database.transaction((transaction) =>
      cancelTasksWithSecret(queue, transaction, PASSWORD_ID, "The password was disabled."),
    );
    assert.deepEqual(cancelled, [task]);
    await database.notify("tasks");
    const { run: ended, reason } = await agent.next("cancel");
    assert.deepEqual([ended, reason], [run, "The password was disabled."]);
    agent.send({ type: "beat" });
    assert.deepEqual((await agent.next("beat")).leases, []);
    await givenLease(other.agent, other.run);
    const plan = "plan_00000000000000000000000001";
    const queued = await service.createTask(other.identity.deviceId, { planId: plan, notBefore: 9e15 });
    const ofPlan = await database.transaction((transaction) =>
      cancelTasksOfPlan(queue, transaction, plan, "The plan was disabled."),
    );
    assert.deepEqual(ofPlan, [queued]);
  });

  test("the end of a run ends its leases", async () => {
    await using service = await startService(await open());
    const { agent, run } = await startRun(service);
    await givenLease(agent, run);
    agent.event(run, 1, { kind: "failed", error: { code: "ERR_FAILED", message: "It failed." } });
    await agent.next("acknowledge");
    const [lease] = await service.database.db.selectFrom("leases").selectAll().execute();
    assert.notEqual(lease?.ended_at, null);
  });
});
