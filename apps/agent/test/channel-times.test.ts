/** When the channel beats, gives up and comes back, by a clock that the tests move. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { AppError, type ErrorCode, isAppError, newId } from "@holdfast/kernel";
import type { AgentMessage } from "@holdfast/protocol";
import { Channel } from "../src/connection/channel.ts";
import type { ConnectionEvents } from "../src/connection/connection.ts";
import { VirtualClock } from "./virtual-clock.ts";

const DEVICE = newId("dev");
const MINUTE_MS = 60_000;
/** Where seconds are told apart. */
const STEP_MS = 100;

interface Attempt {
  readonly events: ConnectionEvents;
  readonly atMs: number;
  readonly sent: AgentMessage["type"][];
  isTerminated: boolean;
}

interface Scene {
  readonly clock: VirtualClock;
  readonly channel: Channel;
  readonly attempts: Attempt[];
  readonly log: string[];
  /** When the beats were asked that were answered. */
  readonly askedMs: number[];
  /** Ends the agent. */
  readonly end: () => Promise<void>;
  /** What the next attempts fail with. */
  readonly failures: ErrorCode[];
}

/** Its peer answers nothing by itself, not even a goodbye. @param drawn share of a pause, of 255. */
async function newScene(context: TestContext, drawn = 255): Promise<Scene> {
  const clock = new VirtualClock();
  const ending = new AbortController();
  const [attempts, log, askedMs]: [Attempt[], string[], number[]] = [[], [], []];
  const failures: ErrorCode[] = [];
  const connect = (
    events: ConnectionEvents,
  ): ReturnType<ConstructorParameters<typeof Channel>[0]["connect"]> => {
    const attempt: Attempt = { events, atMs: clock.monotonic(), sent: [], isTerminated: false };
    attempts.push(attempt);
    const [failure] = failures;
    if (failure !== undefined) return Promise.reject(new AppError(failure, "It fails."));
    return Promise.resolve({
      bufferedBytes: 0,
      send: ({ type }) => attempt.sent.push(type),
      close: () => undefined,
      terminate: () => {
        attempt.isTerminated = true;
        events.onClosed({ code: 1006, reason: "" });
      },
    });
  };
  const channel = new Channel(
    {
      clock,
      randomness: (bytes) => bytes.fill(drawn),
      log: (_, text) => log.push(text),
      device: DEVICE,
      connect,
    },
    {
      hello: () => ({
        type: "hello",
        version: "1",
        platform: { system: "linux", release: "", architecture: "", hostname: "" },
        methods: [],
        disks: [],
        runs: [],
      }),
      onUp: () => undefined,
      onDown: () => undefined,
      onOrder: () => undefined,
      onBeat: (_, ms) => askedMs.push(ms),
      onDrained: () => undefined,
    },
  );
  const running = channel.run(ending.signal);
  const end = async (): Promise<void> => {
    ending.abort();
    await clock.pass(3000);
    await running;
  };
  context.after(end);
  await clock.pass(1);
  return { clock, channel, attempts, log, askedMs, end, failures };
}

function lastOf({ attempts }: Scene): Attempt {
  const last = attempts.at(-1);
  assert.ok(last !== undefined);
  return last;
}

function welcome(scene: Scene, heartbeatMs: number): Attempt {
  const attempt = lastOf(scene);
  attempt.events.onMessage({ type: "welcome", device: DEVICE, heartbeatMs, leaseMs: MINUTE_MS });
  assert.ok(scene.channel.isUp);
  return attempt;
}

/** In seconds, between one attempt and the next. */
function pausesOf({ attempts }: Scene): number[] {
  return attempts.slice(1).map(({ atMs }, index) => Math.round((atMs - (attempts[index]?.atMs ?? 0)) / 1000));
}

suite("The times of the channel", { timeout: 120_000 }, () => {
  test("bound the wait for a welcome", async (context) => {
    const scene = await newScene(context);
    const { clock, attempts } = scene;
    await clock.pass(29_000);
    assert.ok(!lastOf(scene).isTerminated);
    await clock.pass(3000);
    assert.ok(attempts[0]?.isTerminated === true && attempts.length > 1);
  });

  test("have beats at least every five minutes, whatever the service says", async (context) => {
    const scene = await newScene(context);
    const { sent } = welcome(scene, 10 ** 9);
    await scene.clock.pass(5 * MINUTE_MS + 1000);
    assert.deepEqual(sent, ["hello", "beat"]);
  });

  test("end a connection that is silent for three beats, and no other", async (context) => {
    const scene = await newScene(context);
    const attempt = welcome(scene, 1000);
    for (let beats = 0; beats < 10; beats += 1) {
      await scene.clock.pass(1000);
      attempt.events.onMessage({ type: "beat", leases: [] });
    }
    assert.ok(!attempt.isTerminated);
    await scene.clock.pass(5000);
    assert.ok(attempt.isTerminated);
  });

  test("count an answer from the beat before it", async (context) => {
    const scene = await newScene(context);
    const { events } = welcome(scene, 10_000);
    const welcomedMs = scene.clock.monotonic();
    await scene.clock.pass(14_000);
    events.onMessage({ type: "beat", leases: [] });
    assert.deepEqual(scene.askedMs, [welcomedMs + 10_000]);
  });

  test("bound the goodbye to a service that does not answer it", async (context) => {
    const scene = await newScene(context);
    const attempt = welcome(scene, MINUTE_MS);
    await scene.end();
    assert.ok(attempt.isTerminated);
  });

  test("grow with each failure up to a minute, and are told once", async (context) => {
    const scene = await newScene(context);
    scene.failures.push("ERR_SERVICE_UNREACHABLE");
    lastOf(scene).events.onClosed({ code: 1006, reason: "" });
    await scene.clock.pass(4 * MINUTE_MS, STEP_MS);
    assert.deepEqual(pausesOf(scene).slice(0, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
    assert.equal(scene.log.filter((line) => line.startsWith("It fails.")).length, 1);
  });

  test("are drawn at random, so that not all agents come back at once", async (context) => {
    const scene = await newScene(context, 127);
    scene.failures.push("ERR_SERVICE_UNREACHABLE");
    lastOf(scene).events.onClosed({ code: 1006, reason: "" });
    await scene.clock.pass(MINUTE_MS, STEP_MS);
    assert.deepEqual(pausesOf(scene).slice(2, 5), [2, 4, 8]);
  });

  for (const code of ["ERR_AGENT_NOT_ENROLLED", "ERR_SERVICE_UNTRUSTED"] as const) {
    test(`are a minute at once after ${code}`, async (context) => {
      const scene = await newScene(context);
      scene.failures.push(code);
      lastOf(scene).events.onClosed({ code: 1006, reason: "" });
      await scene.clock.pass(2 * MINUTE_MS, STEP_MS);
      assert.deepEqual(pausesOf(scene), [1, 60]);
    });
  }

  test("begin anew after a connection that held, and only then", async (context) => {
    const scene = await newScene(context);
    const drop = async (upMs: number): Promise<void> => {
      const { events } = welcome(scene, MINUTE_MS);
      await scene.clock.pass(upMs, STEP_MS);
      events.onClosed({ code: 1006, reason: "" });
      const count = scene.attempts.length;
      while (scene.attempts.length === count) await scene.clock.pass(STEP_MS, STEP_MS);
    };
    for (const upMs of [1000, 1000, 1000, 40_000]) await drop(upMs);
    assert.deepEqual(pausesOf(scene), [2, 3, 5, 41]);
  });

  test("let nobody wait who has given up", async (context) => {
    const scene = await newScene(context);
    const request = { kind: "renew", certificateRequest: "" } as const;
    const asked = scene.channel.requestRenewal(request, AbortSignal.abort());
    await assert.rejects(asked, (error) => isAppError(error, "ERR_CANCELLED"));
  });
});
