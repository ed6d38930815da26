/** The channel: what survives its interruptions, and what an agent takes from nobody. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { suite, test } from "node:test";
import {
  type Clock,
  isAppError,
  newId,
  type Randomness,
  systemClock,
  systemRandomness,
} from "@holdfast/kernel";
import { CLOSE_CODES } from "@holdfast/protocol";
import { agentStatus, runAgent } from "../src/index.ts";
import {
  backupTask,
  type Bench,
  newBench,
  newRepository,
  resultOf,
  type TestRepository,
  writeTree,
} from "./agent-bench.ts";
import type { ScriptedService } from "./scripted-service.ts";

/** A machine that stands still for three of these looks like a service that is silent: only for the test of that. */
const QUICK = { heartbeatMs: 100 };
/** Draws short pauses, so that a test does not wait a second for each connection. */
const impatient: Randomness = (bytes) => (bytes.length === 4 ? bytes.fill(1) : systemRandomness(bytes));

/** The command before the backup runs: the lease has been taken. */
function isReady(service: ScriptedService, run: string): boolean {
  return service.eventsOf(run).some(({ event }) => event.kind === "log" && event.text === "ready");
}

/** A backup that waits for a command of the device's owner. */
function slowBackup(
  bench: Bench,
  repository: TestRepository,
  seconds: number,
): ReturnType<typeof backupTask> {
  const command = ["/bin/sh", "-c", `echo ready; sleep ${String(seconds)}`];
  writeFileSync(`${bench.stateDir}/hooks.json`, JSON.stringify({ commands: [command] }), { mode: 0o600 });
  return backupTask(repository, [bench.path("source")], { before: { command, timeoutMs: 60_000 } });
}

async function newScene(
  context: Parameters<typeof newBench>[0],
  script = {},
): Promise<Bench & { readonly repository: TestRepository }> {
  const bench = await newBench(context, script);
  writeTree(bench.path("source"), 50_000);
  const repository = newRepository(bench.path("storage"));
  bench.service.script.grant = () => repository.payload("write");
  await bench.run({ randomness: impatient });
  return { ...bench, repository };
}

async function untilStatusHasRuns(stateDir: string, count: number): Promise<void> {
  while ((await agentStatus(stateDir)).agent?.runs.length !== count) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function untilLogged({ log }: Bench, text: string): Promise<void> {
  while (!log.some((line) => line.includes(text))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

suite("The channel", { timeout: 600_000 }, () => {
  test("says hello with the platform, its methods and no runs", async (context) => {
    const { service } = await newScene(context);
    const [hello] = service.seen("hello");
    assert.deepEqual(hello?.methods, ["gcm", "cbc"]);
    assert.deepEqual(hello?.runs, []);
    assert.equal(hello?.platform.system, process.platform);
  });

  test("beats, and comes back when the service is silent", async (context) => {
    const bench = await newScene(context, QUICK);
    await bench.service.until(() => bench.service.seen("beat").length >= 2);
    // A service that hears and does not answer.
    const { service } = bench;
    service.mute = true;
    await service.until(() => service.connections >= 2);
    service.mute = false;
    await service.until(() => service.seen("hello").length >= 2);
  });

  test("sends again what was not acknowledged, without gaps or doubles", async (context) => {
    const { service, repository, path, stateDir } = await newScene(context, { acknowledges: false });
    const run = service.start(backupTask(repository, [path("source")]));
    await service.end(run);
    service.drop();
    await service.until(() => service.seen("hello").length === 2);
    assert.deepEqual(service.seen("hello")[1]?.runs, [{ run, nextEvent: 1 }]);
    await service.until(() => service.seen("event").filter(({ number }) => number === 1).length === 2);
    const { length } = service.eventsOf(run);
    // What the status says may be older than the run.
    await untilStatusHasRuns(stateDir, 1);
    service.script.acknowledges = true;
    service.send({ type: "acknowledge", run, number: length });
    await untilStatusHasRuns(stateDir, 0);
    service.drop();
    await service.until(() => service.seen("hello").length === 3);
    assert.deepEqual(service.seen("hello")[2]?.runs, []);
  });

  test("may be gone during a backup, which goes on", async (context) => {
    const bench = await newScene(context);
    const { service, repository } = bench;
    const run = service.start(slowBackup(bench, repository, 1));
    await service.until(() => isReady(service, run));
    await service.close();
    assert.equal((await agentStatus(bench.stateDir)).isRunning, true);
    // The copy is finished while nobody hears of it.
    const copies = bench.path("storage/copies");
    while (!existsSync(copies) || readdirSync(copies).length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await service.listen();
    assert.equal(resultOf("backup", await service.end(run)).filesNew, 3);
  });

  test("asks for a lease again when the connection ended before the answer", async (context) => {
    const { service, repository, path } = await newScene(context);
    let asked = 0;
    service.script.grant = () => {
      asked += 1;
      if (asked === 1) service.drop();
      return repository.payload("write");
    };
    const run = service.start(backupTask(repository, [path("source")]));
    resultOf("backup", await service.end(run));
    assert.equal(asked, 2);
    const [one, other] = service.seen("request").map(({ request }) => request);
    assert.ok(one?.kind === "lease" && other?.kind === "lease" && one.publicKey !== other.publicKey);
  });

  test("cancels a run", async (context) => {
    const bench = await newScene(context);
    const { service, repository } = bench;
    const run = service.start(slowBackup(bench, repository, 60));
    await service.until(() => isReady(service, run));
    service.send({ type: "cancel", run, reason: "Cancelled by ada." });
    assert.deepEqual(await service.end(run), { kind: "cancelled" });
    assert.ok(!existsSync(bench.path("storage/config")));
  });

  test("cancels a run that waits for its turn, and one that the service starts again is the same", async (context) => {
    const bench = await newScene(context);
    const { service, repository } = bench;
    const task = slowBackup(bench, repository, 60);
    const [one, two, three] = [service.start(task), service.start(task), service.start(task)];
    service.start(task, one);
    await service.until(() => service.leasesGiven === 2);
    assert.equal(service.eventsOf(three).length, 0);
    for (const run of [three, two, one]) service.send({ type: "cancel", run, reason: "" });
    for (const run of [one, two, three]) assert.deepEqual(await service.end(run), { kind: "cancelled" });
    assert.deepEqual(
      service.eventsOf(three).map(({ event }) => event.kind),
      ["cancelled"],
    );
    assert.equal(service.leasesGiven, 2);
  });

  test("tells the service what it did not finish when the agent is ended", async (context) => {
    const bench = await newScene(context);
    const { service, repository } = bench;
    const run = service.start(slowBackup(bench, repository, 60));
    await service.until(() => isReady(service, run));
    await bench.stop();
    const end = await service.end(run);
    assert.ok(end.kind === "failed" && end.error.code === "ERR_AGENT_STOPPED");
    assert.equal((await agentStatus(bench.stateDir)).isRunning, false);
  });

  test("is for one agent of a folder", async (context) => {
    const bench = await newScene(context);
    const second = runAgent({
      stateDir: bench.stateDir,
      signal: AbortSignal.timeout(5000),
      log: () => undefined,
    });
    await assert.rejects(second, (error) => isAppError(error, "ERR_AGENT_RUNNING"));
  });

  const start = { type: "start", run: newId("run"), task: { kind: "storage.test" } };
  const HOSTILE: readonly (readonly [string, string | Buffer])[] = [
    ["what is no JSON", "{"],
    ["bytes", Buffer.from(JSON.stringify({ type: "cancel", run: newId("run"), reason: "" }))],
    ["an unknown message", JSON.stringify({ type: "execute", command: "sh" })],
    ["a task without its fields", JSON.stringify(start)],
    [
      "a second welcome",
      JSON.stringify({ type: "welcome", device: newId("dev"), heartbeatMs: 1, leaseMs: 1 }),
    ],
    [
      "an answer to nothing",
      JSON.stringify({ type: "answer", id: 99, answer: { kind: "renew", certificate: "x" } }),
    ],
    [
      "a frame of more than a mebibyte",
      JSON.stringify({ type: "cancel", run: newId("run"), reason: "x".repeat(1_100_000) }),
    ],
  ];
  for (const [what, frame] of HOSTILE) {
    test(`is closed on ${what}, and takes nothing that comes after it`, async (context) => {
      const { service, repository } = await newScene(context);
      service.sendText(frame);
      service.start({ id: newId("task"), kind: "storage.test", storage: repository.ref.storage });
      await service.until(() => service.closeCodes.length > 0);
      assert.ok(
        service.closeCodes[0] === 1008 || service.closeCodes[0] === 1009,
        String(service.closeCodes[0]),
      );
      await service.until(() => service.seen("hello").length === 2);
      assert.deepEqual(service.seen("hello")[1]?.runs, []);
    });
  }

  test("does not open to a service that welcomes another device", async (context) => {
    const bench = await newBench(context);
    bench.service.welcomes = newId("dev");
    await bench.run({ randomness: impatient });
    await bench.service.until(() => bench.service.closeCodes.length > 0);
    assert.equal(bench.service.closeCodes[0], 1008);
  });

  test("is told why it was closed, and does not knock in vain", async (context) => {
    const bench = await newBench(context);
    const pauses: number[] = [];
    const clock: Clock = {
      ...systemClock,
      sleep: (ms, signal) => {
        pauses.push(ms);
        return systemClock.sleep(ms, signal);
      },
    };
    // Draws the longest pauses.
    const patient: Randomness = (bytes) => (bytes.length === 4 ? bytes.fill(255) : systemRandomness(bytes));
    await bench.run({ clock, randomness: patient });
    bench.service.closeChannels(CLOSE_CODES.disabled, "disabled");
    await untilLogged(bench, "disabled this device");
    assert.equal(pauses.at(-1), 60_000);
  });

  test("refuses a certificate that the service has taken back", async (context) => {
    const bench = await newScene(context);
    bench.service.knows = false;
    bench.service.drop();
    await untilLogged(bench, "does not take this device's certificate");
  });
});
