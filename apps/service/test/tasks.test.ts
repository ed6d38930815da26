import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError, isAppError, newId } from "@holdfast/kernel";
import { DEVICE_LOST_MS } from "@holdfast/protocol";
import { cancelTask, retryTask } from "../src/tasks/tasks.ts";
import { listTaskEvents, listTasks, showTask } from "../src/tasks/task-list.ts";
import { ROLE_RIGHTS } from "../src/users/rights.ts";
import { forEachDatabase } from "./databases.ts";
import { ADMINISTRATOR, BACKUP_RESULT, startService, taskRow, type TestService } from "./device-fixture.ts";
import { connectAgent, enrolDevice, type ScriptedAgent } from "./scripted-agent.ts";

const SUCCEEDED = { kind: "succeeded", result: BACKUP_RESULT } as const;
const FAILED = {
  kind: "failed",
  error: { code: "ERR_STORAGE_UNREACHABLE", message: "The storage is away." },
} as const;

/** Shorter than what the service takes for a standstill of its own. */
const STEP_MS = 15_000;

/** Waits until the service has acknowledged this event. */
async function acknowledged(agent: ScriptedAgent, run: string, number: number): Promise<void> {
  for (;;) {
    const message = await agent.next("acknowledge");
    if (message.run === run && message.number >= number) return;
  }
}

async function stateOf(service: TestService, task: string): Promise<string> {
  return (await taskRow(service.database, task)).state;
}

/** All that is due after `ms`, while the agents go on beating. */
async function pass(service: TestService, ms: number, agents: readonly ScriptedAgent[] = []): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    service.clock.move(Math.min(STEP_MS, ms - passed));
    for (const agent of agents) {
      agent.send({ type: "beat" });
      await agent.next("beat");
    }
    await service.dispatcher.tick();
  }
}

forEachDatabase("tasks", (open) => {
  test("a task goes to its device, its events are stored, and its end is told to its kind", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const id = await service.createTask(identity.deviceId, { input: { note: 1 } });
    const { run, task } = await agent.next("start");
    assert.equal(task.id, id);
    assert.equal(await stateOf(service, id), "running");
    agent.event(run, 1, { kind: "started" });
    agent.send({ type: "progress", run, progress: { files: 3 } });
    agent.event(run, 2, { kind: "warning", code: "ERR_SOURCE_UNREADABLE", path: "/x", message: "no" });
    await acknowledged(agent, run, 2);
    agent.send({ type: "beat" });
    await agent.next("beat");
    await pass(service, 2000);
    const running = await showTask(service.database.db, id);
    assert.deepEqual(running.progress, { files: 3 });
    agent.event(run, 3, SUCCEEDED);
    await acknowledged(agent, run, 3);
    const done = await showTask(service.database.db, id);
    assert.equal(done.state, "warnings");
    assert.equal(done.progress, null);
    assert.deepEqual(done.result, BACKUP_RESULT);
    assert.deepEqual(
      service.kinds.ends.map(({ task: row, end }) => [row.id, end.state]),
      [[id, "succeeded"]],
    );
    const events = await listTaskEvents(service.database.db, id, { limit: 2 });
    assert.deepEqual(
      events.items.map(({ number, event }) => [number, event.kind]),
      [
        [1, "started"],
        [2, "warning"],
      ],
    );
    const rest = await listTaskEvents(service.database.db, id, { limit: 2, cursor: events.next ?? "" });
    assert.deepEqual(
      rest.items.map(({ number }) => number),
      [3],
    );
    assert.deepEqual(service.failures, []);
  });

  test("a device carries out two tasks at a time, and short ones besides; the next follows an end", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      // Ids of one millisecond have no order.
      service.clock.move(1);
      ids.push(await service.createTask(identity.deviceId));
    }
    const browse = await service.createTask(identity.deviceId, { kind: "browse" });
    const agent = await connectAgent(service, identity);
    const starts = [await agent.next("start"), await agent.next("start"), await agent.next("start")];
    await service.dispatcher.dispatch();
    assert.deepEqual(new Set(starts.map(({ task }) => task.id)), new Set([ids[0], ids[1], browse]));
    const [first] = starts;
    assert(first !== undefined);
    agent.event(first.run, 1, { kind: "started" });
    agent.event(first.run, 2, SUCCEEDED);
    const next = await agent.next("start");
    assert.equal(next.task.id, ids[2]);
    await service.dispatcher.dispatch();
    assert.equal(agent.heard.filter(({ type }) => type === "start").length, 4);
  });

  test("events come once and in order, whatever is repeated; a gap ends the channel", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const id = await service.createTask(identity.deviceId);
    const { run } = await agent.next("start");
    const log = (text: string) => ({ kind: "log", level: "info", text }) as const;
    agent.event(run, 1, { kind: "started" });
    agent.event(run, 2, log("two"));
    agent.event(run, 1, { kind: "started" });
    agent.event(run, 2, log("another two"));
    agent.event(run, 3, log("three"));
    await acknowledged(agent, run, 3);
    const { items } = await listTaskEvents(service.database.db, id, { limit: 50 });
    assert.deepEqual(
      items.map(({ event }) => (event.kind === "log" ? event.text : event.kind)),
      ["started", "two", "three"],
    );
    agent.event(run, 5, log("five"));
    assert.equal(await agent.closed, 1008);
    const again = await connectAgent(service, identity, [{ run, nextEvent: 6 }]);
    assert.equal((await again.next("acknowledge")).number, 3);
    again.event(run, 4, log("four"));
    again.event(run, 5, log("five"));
    await acknowledged(again, run, 5);
    assert.deepEqual(service.failures, []);
  });

  test("a failed run is tried again after its delay, as often as the task may be, if that can help", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const id = await service.createTask(identity.deviceId, { attemptMax: 2 });
    const first = await agent.next("start");
    agent.event(first.run, 1, FAILED);
    await acknowledged(agent, first.run, 1);
    const waiting = await showTask(service.database.db, id);
    assert.equal(waiting.state, "queued");
    assert.equal(waiting.error?.code, "ERR_STORAGE_UNREACHABLE");
    assert.equal(service.kinds.ends.length, 0);
    await service.dispatcher.dispatch();
    assert.equal(await stateOf(service, id), "queued");
    await pass(service, 60_000 + 1, [agent]);
    const second = await agent.next("start");
    assert.notEqual(second.run, first.run);
    agent.event(second.run, 1, FAILED);
    await acknowledged(agent, second.run, 1);
    assert.equal(await stateOf(service, id), "failed");
    assert.equal(service.kinds.ends.length, 1);

    const hopeless = await service.createTask(identity.deviceId, { attemptMax: 5 });
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "failed", error: { code: "ERR_KEY_WRONG", message: "The key is wrong." } });
    await acknowledged(agent, run, 1);
    assert.equal(await stateOf(service, hopeless), "failed");
  });

  test("a result of another kind is no success", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const id = await service.createTask(identity.deviceId);
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "succeeded", result: { copies: [] } });
    await acknowledged(agent, run, 1);
    const failed = await showTask(service.database.db, id);
    assert.deepEqual([failed.state, failed.error?.code], ["failed", "ERR_PROTOCOL"]);
  });

  test("when what follows an end fails, the task says so, and has ended all the same", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const endErrors = [new AppError("ERR_NO_DEVICE", "No device is there."), new TypeError("unforeseen")];
    for (const endError of endErrors) {
      service.kinds.endError = endError;
      const id = await service.createTask(identity.deviceId);
      const { run } = await agent.next("start");
      agent.event(run, 1, SUCCEEDED);
      await acknowledged(agent, run, 1);
      const ended = await showTask(service.database.db, id);
      assert.equal(ended.state, "warnings");
      assert.equal(ended.error?.code, endError instanceof AppError ? "ERR_NO_DEVICE" : "ERR_FAILED");
      assert(!ended.error.message.includes("unforeseen"));
    }
    assert.deepEqual(service.failures, endErrors.slice(1));
  });

  test("a method that the device did not announce is refused before anything is given out", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    service.kinds.suite = 3;
    const agent = await connectAgent(service, identity, [], ["cbc"]);
    const id = await service.createTask(identity.deviceId, { attemptMax: 3 });
    await service.dispatcher.dispatch();
    const refused = await showTask(service.database.db, id);
    assert.equal(refused.state, "failed");
    assert.equal(refused.error?.code, "ERR_METHOD_UNSUPPORTED");
    assert.match(refused.error.message, /Nightly.*AES-GCM.*web-1/u);
    assert.match(refused.error.remedy ?? "", /[Cc]lone the plan/u);
    assert.equal(refused.run, null);
    assert.equal((await service.database.db.selectFrom("runs").selectAll().execute()).length, 0);
    service.kinds.suite = 6;
    const other = await service.createTask(identity.deviceId);
    assert.equal((await agent.next("start")).task.id, other);
  });

  test("queued tasks are cancelled at once, running ones by their device", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const queued = await service.createTask(identity.deviceId, { notBefore: service.clock.now() + 60_000 });
    assert.equal((await cancelTask(service, ADMINISTRATOR, queued)).state, "cancelled");
    await assert.rejects(cancelTask(service, ADMINISTRATOR, queued), (error) =>
      isAppError(error, "ERR_TASK_STATE"),
    );
    const agent = await connectAgent(service, identity);
    const running = await service.createTask(identity.deviceId, { attemptMax: 3 });
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "started" });
    await acknowledged(agent, run, 1);
    await cancelTask(service, ADMINISTRATOR, running);
    const cancel = await agent.next("cancel");
    assert.deepEqual([cancel.run, cancel.reason], [run, "Cancelled by Ada."]);
    agent.event(run, 2, { kind: "cancelled" });
    await acknowledged(agent, run, 2);
    const ended = await showTask(service.database.db, running);
    assert.deepEqual([ended.state, ended.error?.message], ["cancelled", "Cancelled by Ada."]);
    assert.deepEqual(
      service.kinds.ends.map(({ end }) => end.state),
      ["cancelled", "cancelled"],
    );
  });

  test("a failed task is started again only by who may start its kind", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const id = await service.createTask(identity.deviceId, { kind: "restore", input: { target: "/x" } });
    await assert.rejects(retryTask(service, ADMINISTRATOR, id), (error) =>
      isAppError(error, "ERR_TASK_STATE"),
    );
    await cancelTask(service, ADMINISTRATOR, id);
    const operator = {
      ...ADMINISTRATOR,
      role: "backup-operator",
      rights: ROLE_RIGHTS["backup-operator"],
    } as const;
    await assert.rejects(retryTask(service, operator, id), (error) => isAppError(error, "ERR_FORBIDDEN"));
    const { task } = await retryTask(service, ADMINISTRATOR, id);
    const again = await showTask(service.database.db, task);
    assert.deepEqual([again.kind, again.state, again.input], ["restore", "queued", { target: "/x" }]);
  });

  test("a device that is silent for too long has lost its runs; they are retried, or fail honestly", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const retried = await service.createTask(identity.deviceId, { attemptMax: 2 });
    const final = await service.createTask(identity.deviceId);
    const starts = [await agent.next("start"), await agent.next("start")];
    for (const { run } of starts) agent.event(run, 1, { kind: "started" });
    for (const { run } of starts) await acknowledged(agent, run, 1);
    agent.socket.terminate();
    await agent.closed;
    // Not before the service has been there for so long that the device could have come back.
    await pass(service, DEVICE_LOST_MS + 1000);
    assert.equal(await stateOf(service, final), "running");
    await pass(service, DEVICE_LOST_MS);
    const lost = await showTask(service.database.db, final);
    assert.deepEqual([lost.state, lost.error?.code], ["failed", "ERR_RUN_LOST"]);
    assert.equal(await stateOf(service, retried), "queued");
    // It comes back and still holds the run that was given up: that one is cancelled, the task is given anew.
    service.clock.move(61_000);
    const run = starts.find(({ task }) => task.id === retried)?.run ?? "";
    const back = await connectAgent(service, identity, [{ run, nextEvent: 2 }]);
    assert.equal((await back.next("cancel")).run, run);
    assert.notEqual((await back.next("start")).run, run);
    assert.deepEqual(service.failures, []);
  });

  test("a service that stood still itself does not take its devices for silent", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const id = await service.createTask(identity.deviceId);
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "started" });
    await acknowledged(agent, run, 1);
    await pass(service, 3 * DEVICE_LOST_MS, [agent]);
    service.clock.move(10 * DEVICE_LOST_MS);
    await service.dispatcher.tick();
    assert.equal(await stateOf(service, id), "running");
    await pass(service, DEVICE_LOST_MS);
    assert.equal(await stateOf(service, id), "running");
    await agent.closed;
    const back = await connectAgent(service, identity, [{ run, nextEvent: 2 }]);
    back.event(run, 2, SUCCEEDED);
    await acknowledged(back, run, 2);
    assert.equal(await stateOf(service, id), "succeeded");
  });

  test("what a lost run had finished is recorded when its device comes back", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const id = await service.createTask(identity.deviceId);
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "started" });
    await acknowledged(agent, run, 1);
    agent.socket.terminate();
    await agent.closed;
    await pass(service, 3 * DEVICE_LOST_MS);
    assert.equal(await stateOf(service, id), "failed");
    const back = await connectAgent(service, identity, [{ run, nextEvent: 3 }]);
    back.event(run, 2, SUCCEEDED);
    await acknowledged(back, run, 2);
    const recorded = await showTask(service.database.db, id);
    assert.deepEqual([recorded.state, recorded.error], ["succeeded", null]);
    assert.deepEqual(
      service.kinds.ends.map(({ end }) => end.state),
      ["failed", "succeeded"],
    );
    // A repetition changes nothing.
    back.event(run, 2, SUCCEEDED);
    await acknowledged(back, run, 2);
    assert.equal(service.kinds.ends.length, 2);
  });

  test("a device that comes back without a run has lost it; one that never got it is told again", async () => {
    await using service = await startService(await open());
    const identity = await enrolDevice(service);
    const agent = await connectAgent(service, identity);
    const begun = await service.createTask(identity.deviceId);
    const first = await agent.next("start");
    agent.event(first.run, 1, { kind: "started" });
    await acknowledged(agent, first.run, 1);
    const given = await service.createTask(identity.deviceId);
    const second = await agent.next("start");
    // Until its first event is stored, `start` is repeated.
    await pass(service, 15_000, [agent]);
    assert.equal((await agent.next("start")).run, second.run);
    await agent.close();
    const back = await connectAgent(service, identity);
    assert.equal((await back.next("start")).run, second.run);
    const lost = await showTask(service.database.db, begun);
    assert.deepEqual([lost.state, lost.error?.code], ["failed", "ERR_RUN_LOST"]);
    assert.equal(await stateOf(service, given), "running");
  });

  test("a device that makes up runs does not hide how far others are", async () => {
    await using service = await startService(await open());
    const [mine, theirs] = [await enrolDevice(service), await enrolDevice(service)];
    const agent = await connectAgent(service, mine);
    const stranger = await connectAgent(service, theirs);
    const id = await service.createTask(mine.deviceId);
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "started" });
    for (let count = 0; count < 10_000; count += 1)
      stranger.send({ type: "progress", run: newId("run"), progress: { files: 666 } });
    stranger.send({ type: "beat" });
    await stranger.next("beat");
    agent.send({ type: "progress", run, progress: { files: 3 } });
    agent.send({ type: "beat" });
    await agent.next("beat");
    await pass(service, 3000);
    assert.deepEqual((await showTask(service.database.db, id)).progress, { files: 3 });
  });

  test("runs of other devices do not exist for a device", async () => {
    await using service = await startService(await open());
    const [mine, theirs] = [await enrolDevice(service), await enrolDevice(service)];
    const agent = await connectAgent(service, mine);
    const stranger = await connectAgent(service, theirs);
    const id = await service.createTask(mine.deviceId);
    const { run } = await agent.next("start");
    stranger.event(run, 1, SUCCEEDED);
    assert.equal((await stranger.next("cancel")).run, run);
    stranger.send({ type: "progress", run, progress: { files: 666 } });
    stranger.send({ type: "beat" });
    await stranger.next("beat");
    await pass(service, 3000);
    const untouched = await showTask(service.database.db, id);
    assert.deepEqual([untouched.state, untouched.progress], ["running", null]);
    assert.equal((await listTaskEvents(service.database.db, id, { limit: 5 })).items.length, 0);
  });

  test("tasks are listed by state, plan and device, page by page", async () => {
    await using service = await startService(await open());
    const { deviceId } = await enrolDevice(service);
    const plan = "plan_00000000000000000000000001";
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      service.clock.move(1);
      ids.push(await service.createTask(deviceId, count < 3 ? { planId: plan } : {}));
    }
    await cancelTask(service, ADMINISTRATOR, ids[0] ?? "");
    const { db } = service.database;
    const listed = async (query: object): Promise<(string | undefined)[]> =>
      (await listTasks(db, { limit: 50, ...query })).items.map((task) => task.id);
    assert.deepEqual(await listed({}), ids.toReversed());
    assert.deepEqual(await listed({ plan, state: ["queued", "running"] }), [ids[2], ids[1]]);
    assert.deepEqual(await listed({ state: ["cancelled"] }), [ids[0]]);
    assert.deepEqual(await listed({ device: "dev_00000000000000000000000000" }), []);
    const first = await listTasks(db, { limit: 3 });
    const second = await listTasks(db, { limit: 3, cursor: first.next });
    assert.deepEqual(
      [...first.items, ...second.items].map((task) => task.id),
      ids.toReversed(),
    );
    assert.equal(second.next, undefined);
  });
});
