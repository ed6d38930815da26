/**
 * What a service in wrong hands, or somebody who has its keys, can send to an agent: the agent closes and says why, does not end,
 * holds a bounded amount of memory, and works for the service when that has come to itself.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { newId } from "@holdfast/kernel";
import { FRAME_BYTES_MAX } from "@holdfast/protocol";
import { type FrameFields, frame, OPCODES } from "../../../test/security/raw-websocket.ts";
import { boundedMemory } from "../../../test/security/service-at-work.ts";
import { enroll } from "../src/index.ts";
import { type Bench, newBench } from "./agent-bench.ts";

const AGENT = fileURLToPath(new URL("./agent-process.ts", import.meta.url));
const [PROTOCOL_ERROR, NO_TEXT, POLICY, TOO_BIG] = [1002, 1007, 1008, 1009];
const MEBIBYTE = 1024 * 1024;

/** A server does not mask. */
const sent = (payload: Buffer | string, fields: FrameFields = {}): Buffer =>
  frame(payload, { masked: false, ...fields });
const json = (value: unknown): Buffer => sent(JSON.stringify(value));
const storage = { id: newId("sto"), name: "s", location: "/dev/null/x" };
const start = (fields: object): Buffer =>
  json({
    type: "start",
    run: newId("run"),
    task: { id: newId("task"), kind: "storage.test", storage, ...fields },
  });
const backup = (fields: object): Buffer =>
  start({
    kind: "backup",
    repository: { id: "0a".repeat(16), storage, suite: 3, prepared: [] },
    paths: ["/etc"],
    exclude: [],
    oneFileSystem: false,
    snapshot: false,
    tags: [],
    compression: 3,
    ...fields,
  });
const bomb = (): Buffer => {
  const one = deflateRawSync(Buffer.alloc(MEBIBYTE));
  return Buffer.concat(Array.from({ length: 1024 }, () => one));
};
const many = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

/** After `welcome`, with the code that the agent closes with. */
const FRAMES: readonly (readonly [string, number, () => Buffer])[] = [
  ["a length beyond all numbers", TOO_BIG, () => sent("x", { length: 2n ** 63n })],
  ["a task of a MiB", TOO_BIG, () => backup({ paths: many(300, "x".repeat(4096)) })],
  [
    "fragments without end",
    POLICY,
    () =>
      Buffer.concat([
        sent("x", { fin: false }),
        ...many(50_000, sent("x", { opcode: OPCODES.continuation, fin: false })),
      ]),
  ],
  ["a deflate bomb", PROTOCOL_ERROR, () => sent(bomb(), { reserved: 4 })],
  ["a frame with a mask", PROTOCOL_ERROR, () => frame("{}")],
  ["text that is none", NO_TEXT, () => sent(Buffer.from([0xc3, 0x28]))],
  ["bytes", POLICY, () => sent("{}", { opcode: OPCODES.binary })],
  ["no JSON", POLICY, () => sent("{'type': beat}")],
  ["lists in lists", POLICY, () => sent("[".repeat(FRAME_BYTES_MAX))],
  ["what agents send", POLICY, () => json({ type: "hello" })],
  [
    "a second welcome",
    POLICY,
    () => json({ type: "welcome", device: newId("dev"), heartbeatMs: 1, leaseMs: 1 }),
  ],
  [
    "an answer to nothing",
    POLICY,
    () => json({ type: "answer", id: 7, answer: { kind: "renew", certificate: "" } }),
  ],
  ["a task that there is not", POLICY, () => start({ kind: "shell", command: ["/bin/sh"] })],
  ["a task of another shape", POLICY, () => start({ storage: "/dev/null/x" })],
  ["more paths than there may be", POLICY, () => backup({ paths: many(1001, "/etc") })],
  [
    "more prepared objects than there may be",
    POLICY,
    () =>
      backup({
        repository: { id: "0a".repeat(16), storage, suite: 3, prepared: many(17, { name: "x", bytes: "" }) },
      }),
  ],
  [
    "a suite that there is not",
    POLICY,
    () => backup({ repository: { id: "0a".repeat(16), storage, suite: 7, prepared: [] } }),
  ],
  ["a deadline that is no time", POLICY, () => start({ deadline: -1 })],
];

async function startAgent(
  context: TestContext,
  { service, stateDir }: Bench,
): Promise<{ child: ChildProcess; pid: number }> {
  const hellos = service.seen("hello").length;
  const child = spawn(process.execPath, [AGENT, stateDir], { stdio: ["pipe", "ignore", "ignore"] });
  context.after(() => child.kill("SIGKILL"));
  await service.until(() => service.seen("hello").length > hellos);
  assert(child.pid !== undefined);
  return { child, pid: child.pid };
}

async function newScene(context: TestContext): Promise<Bench> {
  const bench = await newBench(context);
  const { service, stateDir } = bench;
  await enroll({ service: service.url, code: service.newCode(), stateDir, environment: {} });
  return bench;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
  });
  child.kill("SIGKILL");
  await ended;
}

/** It carries out what it is asked for, as soon as it has room. */
async function works({ service, path }: Bench): Promise<void> {
  const at = { ...storage, location: path("storage") };
  const task = { id: newId("task"), kind: "storage.test", storage: at } as const;
  const run = service.start(task);
  const repeating = setInterval(() => service.start(task, run), 1000);
  try {
    const { kind } = await service.end(run);
    assert.equal(kind, "succeeded");
  } finally {
    clearInterval(repeating);
  }
}

const skip = process.platform === "linux" ? false : "reads /proc";

suite("An agent whose service is in wrong hands", { skip, timeout: 600_000 }, () => {
  test("closes at what no service sends, says why, and goes on", async (context) => {
    const bench = await newScene(context);
    const { service } = bench;
    for (const [name, code, bytes] of FRAMES) {
      const { child, pid } = await startAgent(context, bench);
      const bounded = boundedMemory(pid);
      const before = service.closeCodes.length;
      service.sendBytes(bytes());
      await service.until(() => service.closeCodes.length > before);
      assert.equal(service.closeCodes.at(-1), code, name);
      bounded(name);
      assert.equal(child.exitCode, null, name);
      await end(child);
    }
    const { child } = await startAgent(context, bench);
    service.sendBytes(sent("garbage"));
    // It comes back by itself.
    const hellos = service.seen("hello").length;
    await service.until(() => service.seen("hello").length > hellos);
    await works(bench);
    await end(child);
  });

  for (const [name, piece] of [
    ["tasks", () => start({})],
    ["pings", () => sent("x".repeat(125), { opcode: OPCODES.ping })],
    ["beats", () => json({ type: "beat", leases: [] })],
    ["ends of runs that are not there", () => json({ type: "cancel", run: newId("run"), reason: "" })],
  ] as const) {
    test(`holds little of a flood of ${name}, and goes on`, async (context) => {
      const bench = await newScene(context);
      const { service } = bench;
      const { child, pid } = await startAgent(context, bench);
      const bounded = boundedMemory(pid);
      for (let count = 0; count < 30_000; count += 1) {
        if (!service.sendBytes(piece())) await sleep(1);
        if (count % 1000 === 0) bounded(name);
      }
      assert.equal(child.exitCode, null);
      // Cut or not, it is there.
      if (service.closeCodes.length > 0) await service.until(() => service.seen("hello").length > 1);
      await works(bench);
      bounded(name);
      await end(child);
    });
  }
});
