/**
 * Simulated agents in a thread of their own: each with its certificate and a channel over mutual TLS, beats at the real interval, and
 * tasks that it takes a lease for and finishes at once.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { keyPairFromSeed } from "@holdfast/crypto";
import {
  type AgentMessage,
  type AgentTask,
  BEAT_MS,
  type RunEvent,
  type ServiceMessage,
} from "@holdfast/protocol";
import { type Schedule, nextRun } from "@holdfast/scheduling";
import { dial, type ScriptedAgent } from "../../apps/service/test/scripted-agent.ts";
import type { AgentsReport, AgentsWork, PlannedRun } from "./agents.ts";
import type { Device } from "./devices.ts";

const KEM_SEED_BYTES = 32;
const CONNECT_TOGETHER = 10;

// oxlint-disable-next-line typescript/no-unsafe-assignment -- what `startAgents` gave
const work: AgentsWork = workerData;
const report: AgentsReport = {
  connected: 0,
  closed: 0,
  refusals: 0,
  beats: 0,
  started: 0,
  ended: 0,
  lagsMs: [],
  waitedMs: [],
  burstLagsMs: [],
  connectMs: 0,
};
/** When each plan runs next. */
const planned = new Map<string, PlannedStart>();
/** What was to start before all were connected says nothing. */
let connectedAt = Number.POSITIVE_INFINITY;

interface PlannedStart {
  readonly device: string;
  readonly schedule: Schedule;
  at: number;
  startAt: number;
}

interface Agent {
  readonly device: Device;
  readonly socket: ScriptedAgent["socket"];
  readonly requests: Map<number, string>;
  readonly tasks: Map<string, AgentTask>;
  nextRequest: number;
  /** Of its last task. */
  endedAt: number;
}

plan(work.planned);
parentPort?.on("message", (message: "report" | readonly PlannedRun[]) => {
  if (message === "report") parentPort?.postMessage(report, []);
  else plan(message);
});
await connectAll();
connectedAt = Date.now();
parentPort?.postMessage("connected", []);

function plan(runs: readonly PlannedRun[]): void {
  for (const { plan: id, ...run } of runs) planned.set(id, run);
}

async function connectAll(): Promise<void> {
  const start = performance.now();
  const waiting = [...work.devices];
  const connectNext = async (): Promise<void> => {
    for (let device = waiting.pop(); device !== undefined; device = waiting.pop()) await connect(device);
  };
  await Promise.all(Array.from({ length: CONNECT_TOGETHER }, connectNext));
  report.connectMs = performance.now() - start;
}

async function connect(device: Device): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { socket } = dial(work.port, { ...device, authority: work.authority });
  // Which looks at each frame with a schema, and keeps it.
  socket.removeAllListeners("message");
  const agent: Agent = { device, socket, requests: new Map(), tasks: new Map(), nextRequest: 1, endedAt: 0 };
  socket.on("open", () =>
    send(agent, {
      type: "hello",
      version: "0.1.0",
      platform: { system: "linux", release: "6.1", architecture: "x64", hostname: "web" },
      methods: ["gcm", "cbc"],
      runs: [],
    }),
  );
  socket.on("message", (data: Buffer) => {
    const message = read(data);
    if (message.type === "welcome") {
      report.connected += 1;
      beat(agent).catch(() => undefined);
      resolve();
    } else hear(agent, message);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    report.closed += 1;
    resolve();
  });
  await promise;
}

/** No schema looks at it: what the service sends is not what is measured here. */
function read(data: Buffer): ServiceMessage {
  // oxlint-disable-next-line typescript/no-unsafe-return -- see above
  return JSON.parse(data.toString("utf8"));
}

async function beat(agent: Agent): Promise<void> {
  // Agents that were connected one after the other would beat so too.
  await sleep(Math.random() * BEAT_MS);
  while (agent.socket.readyState === agent.socket.OPEN) {
    send(agent, { type: "beat" });
    report.beats += 1;
    await sleep(BEAT_MS);
  }
}

function hear(agent: Agent, message: ServiceMessage): void {
  if (message.type === "start") {
    if (agent.tasks.has(message.run)) return;
    report.started += 1;
    noteLag(agent, message.task);
    agent.tasks.set(message.run, message.task);
    askForLease(agent, message.run);
  } else if (message.type === "answer") {
    const run = agent.requests.get(message.id);
    if (run !== undefined) finish(agent, run);
  } else if (message.type === "refusal") {
    report.refusals += 1;
  } else if (message.type === "cancel") {
    send(agent, event(message.run, 1, { kind: "cancelled" }));
  }
}

function askForLease(agent: Agent, run: string): void {
  const id = agent.nextRequest;
  agent.nextRequest += 1;
  agent.requests.set(id, run);
  const publicKey = keyPairFromSeed(randomBytes(KEM_SEED_BYTES)).publicKey.toString("base64");
  send(agent, { type: "request", id, request: { kind: "lease", run, publicKey } });
}

function finish(agent: Agent, run: string): void {
  const task = agent.tasks.get(run);
  if (task === undefined) return;
  agent.tasks.delete(run);
  agent.endedAt = Date.now();
  report.ended += 1;
  send(agent, event(run, 1, { kind: "started" }));
  send(agent, event(run, 2, { kind: "log", level: "info", text: "20000 files looked at." }));
  send(agent, event(run, 3, { kind: "succeeded", result: resultOf(task) }));
}

function event(run: string, number: number, given: RunEvent): AgentMessage {
  return { type: "event", run, number, at: Date.now(), event: given };
}

function resultOf(task: AgentTask) {
  if (task.kind === "restore") return { files: 1, bytes: 1, seconds: 1, warnings: 0 };
  if (task.kind === "forget") return { copies: task.copies };
  if (task.kind === "clean") return { bytesFreed: 0, seconds: 1 };
  if (task.kind === "verify") return { objects: 1, bytes: 1, seconds: 1, damaged: [], damagedCount: 0 };
  const copy = {
    id: randomBytes(32).toString("hex"),
    time: Date.now(),
    host: "web",
    kind: "files",
    paths: ["/home"],
    tags: [],
    size: 1_073_741_824,
    files: 20_000,
  };
  const counts = { filesNew: 1, filesChanged: 2, filesUnchanged: 19_997, bytesRead: 1000, bytesAdded: 900 };
  return { copy, ...counts, bytesStored: 500, seconds: 1, warnings: 0 };
}

/**
 * From the time at which the plan was to start to now, when its agent has the task. An agent that was at work then could not have it: a
 * device makes one backup at a time.
 */
function noteLag(agent: Agent, task: AgentTask): void {
  const found = task.plan === undefined ? undefined : planned.get(task.plan.id);
  if (task.plan === undefined || found === undefined) return;
  const now = Date.now();
  const isAlone = found.schedule.jitterSeconds !== undefined;
  const lags = agent.endedAt > found.startAt ? report.waitedMs : isAlone ? report.lagsMs : report.burstLagsMs;
  if (found.startAt > connectedAt) lags.push(now - found.startAt);
  const next = nextRun(found.schedule, {
    plan: task.plan.id,
    device: found.device,
    lastFired: found.at,
    now,
  });
  found.at = next.at;
  found.startAt = next.startAt;
}

function send({ socket }: Agent, message: AgentMessage): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
}
