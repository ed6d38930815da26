/**
 * A service and its agents as processes of their own, started by the real command.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, newBench, stop } from "../../apps/command/test/run-holdfast.ts";
import { type ApiClient, apiClient } from "./api-client.ts";

export const ADMINISTRATOR = { name: "ada", password: "an analytical engine" };

export interface Scene {
  readonly bench: Bench;
  readonly url: string;
  /** Signed in as the administrator. */
  readonly api: ApiClient;
  /** Enrols a device of this name and starts its agent; returns the device's id. */
  readonly addAgent: (name: string) => Promise<string>;
  /** Waits for the end of a task and returns it. Default: for three minutes at most. */
  readonly ended: (task: unknown, patienceMs?: number) => Promise<Readonly<Record<string, unknown>>>;
  /** Ends the service as a power cut does, or a kill. */
  readonly killService: () => Promise<void>;
  /** As its administrator does. */
  readonly stopService: () => Promise<void>;
  /** On the same address and data. */
  readonly restartService: () => Promise<void>;
  /** A further process with the same database, on an address of its own; signed in there as well. */
  readonly anotherService: () => Promise<ApiClient>;
  readonly killAgent: (name: string) => Promise<void>;
  readonly restartAgent: (name: string) => void;
  readonly servicePid: () => number;
  /** What service and agents wrote to standard error so far. */
  readonly complaints: () => string;
  /** The same of the service that runs alone: a JSON object a line. */
  readonly serviceLog: () => string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Everything it has written to standard error. */
  readonly complaints: () => string;
}

const TASK_TIMEOUT_MS = 180_000;
const LOOK_MS = 100;

/** How agents reach the service, where it is not by its own address. */
export interface Approach {
  /** Instead of the service's URL. */
  readonly url?: (serviceUrl: string) => string;
  /** Of the agents. */
  readonly env?: Readonly<Record<string, string>>;
}

/** @param more arguments of `serve`. */
export async function startScene(
  context: TestContext,
  more: readonly string[] = [],
  approach: Approach = {},
): Promise<Scene> {
  const bench = newBench(context, "passphrase");
  const { env = {} } = approach;
  const agents = new Map<string, Running>();
  const all: Running[] = [];
  let { running: service, listening } = await startServe(bench, "127.0.0.1:0", more);
  all.push(service);
  const { url, setupLink } = listening;
  assert(typeof url === "string" && typeof setupLink === "string");
  const api = await apiClient(url);
  const token = new URL(setupLink).hash.slice(1);
  await api.ok("POST", "/setup", { token, ...ADMINISTRATOR });
  await api.ok("POST", "/session", ADMINISTRATOR);
  const restartAgent = (name: string): void => {
    const running = start(bench, ["agent", "run", "--state", bench.path(`agent-${name}`)], env);
    agents.set(name, running);
    all.push(running);
  };
  return {
    bench,
    url,
    api,
    restartAgent,
    killService: () => kill(service.child),
    stopService: () => stop(service.child),
    restartService: async () => {
      ({ running: service, listening } = await startServe(bench, new URL(url).host, more));
      all.push(service);
      assert.equal(listening["setupLink"], undefined);
    },
    anotherService: async () => {
      const another = await startServe(bench, "127.0.0.1:0", more);
      all.push(another.running);
      const client = await apiClient(String(another.listening["url"]));
      await client.ok("POST", "/session", ADMINISTRATOR);
      return client;
    },
    killAgent: async (name) => {
      const running = agents.get(name);
      if (running !== undefined) await kill(running.child);
    },
    servicePid: () => {
      assert(service.child.pid !== undefined);
      return service.child.pid;
    },
    complaints: () => all.map((one) => one.complaints()).join("\n"),
    serviceLog: () => service.complaints(),
    addAgent: async (name) => {
      const { code } = await api.ok("POST", "/devices/enrolment-codes", {});
      const state = bench.path(`agent-${name}`);
      const given = [
        "--service",
        approach.url?.(url) ?? url,
        "--code",
        String(code),
        "--name",
        name,
        "--state",
        state,
        "--json",
      ];
      const { stdout } = await bench.ok(["agent", "enroll", ...given], { env });
      const { device }: { device?: unknown } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}");
      restartAgent(name);
      return String(device);
    },
    ended: (task, patienceMs) => endedTask(api, String(task), patienceMs),
  };
}

/** `serve` until it listens, with the data and the unlock file of the bench. */
export async function startServe(
  bench: Bench,
  address: string,
  more: readonly string[],
): Promise<{ running: Running; listening: Readonly<Record<string, unknown>> }> {
  const places = ["--data", bench.path("service"), "--unlock-file", bench.path("keys", "unlock")];
  const running = start(bench, ["serve", "--json", "--listen", address, ...places, ...more]);
  const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  let said = "";
  running.child.stdout?.on("data", (piece: Buffer) => {
    said += piece.toString();
    const line = said.split("\n").find((one) => one.includes('"listening"') && one.endsWith("}"));
    if (line !== undefined) resolve(objectOf(line));
  });
  running.child.once("exit", () => reject(new Error(`the service ended: ${said} ${running.complaints()}`)));
  return { running, listening: await promise };
}

function objectOf(line: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(line);
  assert(typeof value === "object" && value !== null);
  return { ...value };
}

export function start(
  bench: Bench,
  argumentsGiven: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const child = bench.start(argumentsGiven, { env });
  let complaints = "";
  child.stderr?.on("data", (piece: Buffer) => {
    complaints += piece.toString();
  });
  return { child, complaints: () => complaints };
}

export async function kill(child: ChildProcess): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once("exit", () => resolve());
  child.kill("SIGKILL");
  await promise;
}

export async function endedTask(
  api: ApiClient,
  id: string,
  patienceMs = TASK_TIMEOUT_MS,
): Promise<Readonly<Record<string, unknown>>> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const task = await api.ok("GET", `/tasks/${id}`);
    if (task["endedAt"] !== null) return task;
    assert(performance.now() < end, `the task did not end: ${JSON.stringify(task)}`);
    await sleep(LOOK_MS);
  }
}
