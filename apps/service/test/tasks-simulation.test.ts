/**
 * A device with a bad network and a bad temper: connections break at any moment, frames are lost with them, the agent forgets
 * everything, time jumps. Whatever happens, tasks end, events are stored without gaps, and no task is in two hands.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DEVICE_LOST_MS, type RunEvent } from "@holdfast/protocol";
import fc from "fast-check";
import type { Transaction } from "../src/database/database.ts";
import { openDatabase } from "../src/database/open-database.ts";
import { BACKUP_RESULT, startService, taskRow, type TestService } from "./device-fixture.ts";
import { dial, enrolDevice, type Identity, type ScriptedAgent } from "./scripted-agent.ts";

const ATTEMPTS = 3;
/** Shorter than what the service takes for a standstill of its own. */
const STEP_MS = 15_000;
const ENDED = new Set(["succeeded", "warnings", "failed", "cancelled"]);

/** Holds runs and their events as an agent does. */
class SimulatedAgent {
  readonly #service: TestService;
  readonly #identity: Identity;
  readonly #runs = new Map<string, { events: RunEvent[]; acknowledged: number; cancelled: boolean }>();
  #channel: ScriptedAgent | undefined;

  constructor(service: TestService, identity: Identity) {
    this.#service = service;
    this.#identity = identity;
  }

  async connect(): Promise<void> {
    await this.disconnect();
    const channel = dial(this.#service.port, this.#identity);
    this.#channel = channel;
    await new Promise((resolve, reject) => {
      channel.socket.once("open", resolve).once("error", reject);
    });
    channel.socket.on("message", (data: Buffer) => {
      if (this.#channel === channel) this.#take(channel, JSON.parse(data.toString("utf8")));
    });
    channel.hello(
      Array.from(this.#runs, ([run, { acknowledged }]) => ({ run, nextEvent: acknowledged + 1 })),
    );
    await channel.next("welcome");
    for (const [run, { events, acknowledged }] of this.#runs)
      for (const [at, event] of events.entries()) if (at >= acknowledged) channel.event(run, at + 1, event);
  }

  /** What was sent and not yet stored may be lost. */
  async disconnect(): Promise<void> {
    const channel = this.#channel;
    this.#channel = undefined;
    channel?.socket.terminate();
    await channel?.closed;
  }

  /** As after a crash of the machine. */
  async forget(): Promise<void> {
    await this.disconnect();
    this.#runs.clear();
  }

  /** Adds an event to each run that has not ended. */
  work(event: RunEvent): void {
    for (const [id, run] of this.#runs) {
      if (run.events.some(({ kind }) => kind === "succeeded" || kind === "failed" || kind === "cancelled"))
        continue;
      run.events.push(run.cancelled ? { kind: "cancelled" } : event);
      if (this.#channel?.socket.readyState === 1)
        this.#channel.event(id, run.events.length, run.events.at(-1) ?? event);
    }
  }

  /** Until what was sent is handled. */
  async settle(): Promise<void> {
    if (this.#channel?.socket.readyState !== 1) return;
    this.#channel.send({ type: "beat" });
    await this.#channel.next("beat").catch(() => undefined);
  }

  #take(channel: ScriptedAgent, message: { type: string; run: string; number: number }): void {
    const run = this.#runs.get(message.run);
    if (message.type === "start" && run === undefined) {
      this.#runs.set(message.run, { events: [{ kind: "started" }], acknowledged: 0, cancelled: false });
      channel.event(message.run, 1, { kind: "started" });
    } else if (message.type === "cancel" && run !== undefined) {
      run.cancelled = true;
    } else if (message.type === "acknowledge" && run !== undefined) {
      assert(message.number <= run.events.length, "an event is acknowledged that was never sent");
      run.acknowledged = Math.max(run.acknowledged, message.number);
      const last = run.events.at(-1)?.kind;
      const isOver = last === "succeeded" || last === "failed" || last === "cancelled";
      if (isOver && run.acknowledged === run.events.length) this.#runs.delete(message.run);
    }
  }
}

const STEPS = [
  "task",
  "connect",
  "disconnect",
  "forget",
  "log",
  "succeed",
  "fail",
  "settle",
  "second",
  "minute",
  "cancel",
] as const;
type Step = (typeof STEPS)[number];

const FAILED: RunEvent = {
  kind: "failed",
  error: { code: "ERR_STORAGE_TIMEOUT", message: "The storage did not answer." },
};

async function pass(service: TestService, agent: SimulatedAgent, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    service.clock.move(Math.min(STEP_MS, ms - passed));
    await agent.settle();
    await service.dispatcher.tick();
  }
  await service.dispatcher.dispatch();
}

/** The first that has not ended; in one transaction, as it may end meanwhile. */
async function cancelOne({ database, queue }: TestService, ids: readonly string[]): Promise<void> {
  await database.transaction(async (transaction) => {
    for (const id of ids) {
      const { state } = await taskRow({ db: transaction }, id);
      if (ENDED.has(state)) continue;
      await queue.requestCancel(transaction, id, "Enough.");
      return;
    }
  });
  await database.notify("tasks");
}

async function take(
  service: TestService,
  agent: SimulatedAgent,
  deviceId: string,
  ids: string[],
  step: Step,
) {
  if (step === "task") ids.push(await service.createTask(deviceId, { attemptMax: ATTEMPTS }));
  else if (step === "connect") await agent.connect();
  else if (step === "disconnect") await agent.disconnect();
  else if (step === "forget") await agent.forget();
  else if (step === "log") agent.work({ kind: "log", level: "info", text: "on the way" });
  else if (step === "succeed") agent.work({ kind: "succeeded", result: BACKUP_RESULT });
  else if (step === "fail") agent.work(FAILED);
  else if (step === "settle") await agent.settle();
  else if (step === "second") await pass(service, agent, 5000);
  else if (step === "minute") await pass(service, agent, DEVICE_LOST_MS + 1000);
  else await cancelOne(service, ids);
}

/** At any moment, which one transaction sees: what is sent is handled meanwhile. */
async function checkInvariants({ database }: TestService): Promise<void> {
  await database.transaction(checkAtOnce);
}

async function checkAtOnce(db: Transaction): Promise<void> {
  const runs = await db.selectFrom("runs").selectAll().execute();
  const active = runs.filter(({ ended_at: endedAt }) => endedAt === null).map(({ task_id: id }) => id);
  assert.equal(new Set(active).size, active.length, "a task is in two hands");
  const running = await db.selectFrom("tasks").select("id").where("state", "=", "running").execute();
  assert.deepEqual(new Set(running.map(({ id }) => id)), new Set(active));
  const open = await db
    .selectFrom("leases")
    .innerJoin("runs", "runs.id", "leases.run_id")
    .select("leases.id")
    .where("leases.ended_at", "is", null)
    .where("runs.ended_at", "is not", null)
    .execute();
  assert.deepEqual(open, [], "a lease outlives its run");
}

async function checkEnd(service: TestService, ids: readonly string[]): Promise<void> {
  const { db } = service.database;
  for (const id of ids) {
    const task = await taskRow(service.database, id);
    assert(ENDED.has(task.state), `${id} is ${task.state}`);
    assert(task.attempt <= ATTEMPTS);
    const ends = service.kinds.ends.filter(({ task: row }) => row.id === id).map(({ end }) => end.state);
    // Once; besides, a run that was given up and had succeeded is told whenever it comes to light.
    assert(ends.length >= 1 && ends.filter((state) => state !== "succeeded").length <= 1, ends.join(", "));
    const runs = await db.selectFrom("runs").selectAll().where("task_id", "=", id).execute();
    assert.equal(runs.length, task.attempt);
    for (const run of runs) {
      const events = await db
        .selectFrom("run_events")
        .select("number")
        .where("run_id", "=", run.id)
        .orderBy("number")
        .execute();
      if (run.state === "failed") continue;
      // Of a run that was given up only the success is stored that came to light later.
      const numbers = events.map(({ number }) => number).slice(0, -1);
      assert.deepEqual(
        numbers,
        numbers.map((_, at) => at + 1),
        `${run.id} has gaps`,
      );
    }
  }
}

suite("a device with a bad network", () => {
  test("never leaves a task in two hands or without an end", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...STEPS), { minLength: 5, maxLength: 40 }),
        async (steps) => {
          await using service = await startService(await openDatabase(":memory:"));
          const identity = await enrolDevice(service);
          const agent = new SimulatedAgent(service, identity);
          const ids: string[] = [];
          for (const step of ["task", "connect", ...steps] as const) {
            await take(service, agent, identity.deviceId, ids, step);
            await checkInvariants(service);
          }
          // Everything goes well from here on.
          await agent.connect();
          for (let round = 0; round < 200; round += 1) {
            const states = await Promise.all(ids.map((id) => taskRow(service.database, id)));
            if (states.every(({ state }) => ENDED.has(state))) break;
            agent.work({ kind: "succeeded", result: BACKUP_RESULT });
            await pass(service, agent, 30_000);
          }
          await checkEnd(service, ids);
          await checkInvariants(service);
          assert.deepEqual(service.failures, []);
          await agent.disconnect();
        },
      ),
      { numRuns: 25 },
    );
  });
});
