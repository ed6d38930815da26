/**
 * Several processes of the service on one PostgreSQL, and what one process does with much.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BEAT_MS, DEVICE_LOST_MS, type ServiceMessage, SILENCE_MS } from "@holdfast/protocol";
import { PROCESS_DEAD_MS } from "../src/channel/processes.ts";
import type { Database } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { showDevice } from "../src/devices/device-rows.ts";
import { openVault } from "../src/secrets/open-vault.ts";
import type { UnlockFilePlace } from "../src/secrets/unlock-file.ts";
import { createVault } from "../src/secrets/create-vault.ts";
import { forEachDatabase } from "./databases.ts";
import {
  ADMINISTRATOR,
  BACKUP_RESULT,
  type MovedClock,
  movedClock,
  scriptedKinds,
  startService,
  startServiceOn,
  taskRow,
} from "./device-fixture.ts";
import { newPostgresDatabase } from "./postgres-databases.ts";
import { postgresMissing } from "./postgres-server.ts";
import { connectAgent, enrolDevice, type Identity, type ScriptedAgent } from "./scripted-agent.ts";
import { spawnService } from "./service-process.ts";
import { newPlace, PORTS } from "./vault-fixture.ts";

type Process = Awaited<ReturnType<typeof startServiceOn>>;

interface Fleet extends AsyncDisposable {
  readonly processes: Process[];
  readonly databases: Database[];
  readonly clock: MovedClock;
  readonly place: UnlockFilePlace;
}

/** Each with connections of its own, as processes have them. */
async function startFleet(url: string, count: number): Promise<Fleet> {
  const { place } = await newPlace();
  const clock = movedClock();
  const processes: Process[] = [];
  const databases: Database[] = [];
  for (let number = 0; number < count; number += 1) {
    const database = await openDatabase(url);
    databases.push(database);
    const vault =
      number === 0
        ? await createVault(database, { ...PORTS, unlockFile: place })
        : await openVault(database.db, { kind: "file", ...place }, PORTS);
    processes.push(await startServiceOn(database, vault, { clock, kinds: scriptedKinds() }));
  }
  return {
    processes,
    databases,
    clock,
    place,
    [Symbol.asyncDispose]: async () => {
      for (const process of processes) await process.stop();
      for (const database of databases) await database[Symbol.asyncDispose]();
    },
  };
}

/** Succeeds at whatever it is given, and counts. */
function workOff(agent: ScriptedAgent, started: Map<string, string[]>, runs: Set<string>): void {
  const take = (message: ServiceMessage): void => {
    if (message.type !== "start") return;
    // What is repeated is answered again: the answer may have been lost with another channel.
    if (!runs.has(message.run))
      started.set(message.task.id, [...(started.get(message.task.id) ?? []), message.run]);
    runs.add(message.run);
    agent.event(message.run, 1, { kind: "started" });
    agent.event(message.run, 2, { kind: "succeeded", result: BACKUP_RESULT });
  };
  // The first may have come right behind the welcome.
  for (const message of agent.heard) take(message);
  agent.socket.on("message", () => {
    const message = agent.heard.at(-1);
    if (message !== undefined) take(message);
  });
}

async function countStates(database: Database): Promise<Record<string, number>> {
  const rows = await database.db
    .selectFrom("tasks")
    .select((eb) => ["state", eb.fn.countAll<number>().as("count")])
    .groupBy("state")
    .execute();
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

function noFailures(processes: readonly Process[]): void {
  for (const { failures } of processes) assert.deepEqual(failures, []);
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await condition())) {
    assert(performance.now() < end, `${what} took too long`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

suite("three processes on one PostgreSQL", { skip: postgresMissing }, () => {
  test("each task is given out exactly once, also when devices change between processes", async () => {
    await using database = await newPostgresDatabase();
    await using fleet = await startFleet(database.url, 3);
    const [first, second, third] = fleet.processes;
    assert(first !== undefined && second !== undefined && third !== undefined);
    assert.equal(first.authority.certificate, third.authority.certificate);
    const identities: Identity[] = [];
    for (let count = 0; count < 6; count += 1) identities.push(await enrolDevice(first));
    const started = new Map<string, string[]>();
    const ids: string[] = [];
    for (let count = 0; count < 90; count += 1) {
      const identity = identities[count % identities.length];
      assert(identity !== undefined);
      ids.push(await third.createTask(identity.deviceId, { attemptMax: 1 }));
    }
    const held = new Map<string, { own: Set<string>; former: ScriptedAgent }>();
    for (const [at, identity] of identities.entries()) {
      // Every device dials one process, and soon another one.
      const own = new Set<string>();
      const former = await connectAgent(fleet.processes[at % 3] ?? first, identity);
      held.set(identity.deviceId, { own, former });
      workOff(former, started, own);
    }
    for (const [at, identity] of identities.entries()) {
      const { own = new Set<string>(), former } = held.get(identity.deviceId) ?? {};
      // As an agent does: what it says it holds is all that it has heard of.
      former?.socket.terminate();
      await former?.closed;
      const agent = await connectAgent(
        fleet.processes[(at + 1) % 3] ?? first,
        identity,
        Array.from(own, (run) => ({ run, nextEvent: 3 })),
      );
      workOff(agent, started, own);
      // What it holds goes out again, as an agent does.
      for (const run of own) {
        agent.event(run, 1, { kind: "started" });
        agent.event(run, 2, { kind: "succeeded", result: BACKUP_RESULT });
      }
    }
    await until(async () => {
      noFailures(fleet.processes);
      for (const process of fleet.processes) await process.dispatcher.dispatch();
      return (await countStates(first.database))["succeeded"] === ids.length;
    }, "the work");
    assert.equal(started.size, ids.length);
    const given = await first.database.db.selectFrom("runs").select(["task_id"]).execute();
    assert.equal(given.length, ids.length);
    assert.equal(new Set(given.map(({ task_id: id }) => id)).size, ids.length);
    noFailures(fleet.processes);
  });

  test("events that come by two processes at once are stored once", async () => {
    await using database = await newPostgresDatabase();
    await using fleet = await startFleet(database.url, 2);
    const [first, second] = fleet.processes;
    assert(first !== undefined && second !== undefined);
    const identity = await enrolDevice(first);
    for (let round = 0; round < 20; round += 1) {
      const id = await first.createTask(identity.deviceId);
      const former = await connectAgent(first, identity);
      const { run } = await former.next("start");
      const newer = await connectAgent(second, identity, [{ run, nextEvent: 1 }]);
      for (const agent of [former, newer]) {
        agent.event(run, 1, { kind: "started" });
        agent.event(run, 2, { kind: "succeeded", result: BACKUP_RESULT });
      }
      await until(async () => {
        noFailures(fleet.processes);
        return (await taskRow(first.database, id)).state === "succeeded";
      }, "the run");
      former.socket.terminate();
      newer.socket.terminate();
      await Promise.all([former.closed, newer.closed]);
    }
    noFailures(fleet.processes);
  });

  test("when one is killed, its devices go on at another; nothing is lost, and nothing done twice", async () => {
    await using database = await newPostgresDatabase();
    const { url } = database;
    await using fleet = await startFleet(url, 2);
    const [other] = fleet.processes;
    assert(other !== undefined);
    const doomed = await spawnService(url, fleet.place);
    const identity = await enrolDevice(other);
    const agent = await connectAgent(doomed, identity);
    // Created by one process, given out by another.
    const running = await other.createTask(identity.deviceId);
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "started" });
    await agent.next("acknowledge");
    const unsent = await other.createTask(identity.deviceId);
    const second = await agent.next("start");
    await doomed.kill();
    await agent.closed;
    const isOnline = async (): Promise<boolean> =>
      (await showDevice(other.database.db, fleet.clock, identity.deviceId)).online;
    assert.equal(await isOnline(), true);
    fleet.clock.move(PROCESS_DEAD_MS + 1000);
    await other.dispatcher.tick();
    assert.equal(await isOnline(), false);
    const waiting = await other.createTask(identity.deviceId);
    const back = await connectAgent(other, identity, [{ run, nextEvent: 2 }]);
    assert.equal(await isOnline(), true);
    // The start that never arrived comes again, with the same run.
    assert.equal((await back.next("start")).run, second.run);
    for (const id of [run, second.run]) {
      if (id !== run) back.event(id, 1, { kind: "started" });
      back.event(id, 2, { kind: "succeeded", result: BACKUP_RESULT });
    }
    const third = await back.next("start");
    assert.equal(third.task.id, waiting);
    back.event(third.run, 1, { kind: "succeeded", result: BACKUP_RESULT });
    await until(async () => (await countStates(other.database))["succeeded"] === 3, "the work");
    const runs = await other.database.db.selectFrom("runs").selectAll().execute();
    assert.deepEqual(new Set(runs.map(({ task_id: id }) => id)), new Set([running, unsent, waiting]));
    assert.equal(runs.length, 3);
    assert.deepEqual(other.failures, []);
  });

  test("when one stands still, its devices have the time to notice, and go on at another", async () => {
    await using database = await newPostgresDatabase();
    await using fleet = await startFleet(database.url, 2);
    const [still, other] = fleet.processes;
    assert(still !== undefined && other !== undefined);
    const identity = await enrolDevice(still);
    const agent = await connectAgent(still, identity);
    const id = await still.createTask(identity.deviceId);
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "started" });
    await agent.next("acknowledge");
    for (let passed = 0; passed < 3 * DEVICE_LOST_MS; passed += BEAT_MS) {
      fleet.clock.move(BEAT_MS);
      agent.send({ type: "beat" });
      await agent.next("beat");
      for (const process of fleet.processes) await process.dispatcher.tick();
    }
    // The last that it heard of the device it did not write down any more.
    fleet.clock.move(BEAT_MS);
    agent.send({ type: "beat" });
    await agent.next("beat");
    await other.dispatcher.tick();
    // The device counts three beats without an answer, and looks once a beat.
    for (let passed = 0; passed < SILENCE_MS + BEAT_MS; passed += BEAT_MS) {
      fleet.clock.move(BEAT_MS);
      await other.dispatcher.tick();
    }
    assert.equal((await taskRow(other.database, id)).state, "running");
    agent.socket.terminate();
    const back = await connectAgent(other, identity, [{ run, nextEvent: 2 }]);
    back.event(run, 2, { kind: "succeeded", result: BACKUP_RESULT });
    await until(async () => (await countStates(other.database))["succeeded"] === 1, "the work");
    assert.deepEqual(other.failures, []);
  });

  test("runs of a device that does not come back after the kill are lost after a while, once", async () => {
    await using database = await newPostgresDatabase();
    await using fleet = await startFleet(database.url, 3);
    const [doomed, other, third] = fleet.processes;
    assert(doomed !== undefined && other !== undefined && third !== undefined);
    const identity = await enrolDevice(doomed);
    const agent = await connectAgent(doomed, identity);
    const id = await doomed.createTask(identity.deviceId, { attemptMax: 2 });
    const { run } = await agent.next("start");
    agent.event(run, 1, { kind: "started" });
    await agent.next("acknowledge");
    agent.socket.terminate();
    await agent.closed;
    for (let passed = 0; passed < 3 * DEVICE_LOST_MS; passed += BEAT_MS) {
      fleet.clock.move(BEAT_MS);
      await Promise.all([other.dispatcher.tick(), third.dispatcher.tick()]);
    }
    const task = await other.database.db
      .selectFrom("tasks")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    assert.deepEqual([task.state, task.attempt], ["queued", 1]);
    assert.match(task.error ?? "", /ERR_RUN_LOST/u);
    assert.deepEqual([...other.failures, ...third.failures], []);
  });
});

forEachDatabase("a full queue", (open) => {
  // PostgreSQL works on another processor, but the test waits for each of its answers.
  const taskCount = open.kind === "sqlite" ? 1000 : 300;

  test(`${String(taskCount)} tasks reach ten devices, each once`, async () => {
    await using service = await startService(await open());
    const identities: Identity[] = [];
    for (let count = 0; count < 10; count += 1) identities.push(await enrolDevice(service));
    await service.database.transaction(async (transaction) => {
      for (let count = 0; count < taskCount; count += 1) {
        await service.queue.create(transaction, {
          kind: "backup",
          deviceId: identities[count % 10]?.deviceId ?? "",
          input: {},
          createdBy: ADMINISTRATOR.userId,
          notBefore: count,
        });
      }
    });
    const started = new Map<string, string[]>();
    const begin = performance.now();
    for (const identity of identities) workOff(await connectAgent(service, identity), started, new Set());
    await until(async () => {
      assert.deepEqual(service.failures, []);
      return (await countStates(service.database))["succeeded"] === taskCount;
    }, "the work");
    const seconds = (performance.now() - begin) / 1000;
    assert.equal(started.size, taskCount);
    assert([...started.values()].every((runs) => runs.length === 1));
    assert.deepEqual(service.failures, []);
    console.log(`${String(taskCount)} tasks in ${seconds.toFixed(1)} s`);
  });
});
