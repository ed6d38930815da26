/**
 * What a device can send that has been enrolled, and has fallen into wrong hands: frames that are none, that are too large, too many
 * or do not end, and messages by the thousand. The service closes with a code that says why, its memory stays bounded, and other
 * devices go on working meanwhile.
 */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { deflateRawSync } from "node:zlib";
import { newId } from "@holdfast/kernel";
import {
  type AgentMessage,
  type AgentRequest,
  CHANNEL_PATH,
  CHANNEL_SUBPROTOCOL,
  FRAME_BYTES_MAX,
} from "@holdfast/protocol";
import { newAgentKeys, PLATFORM } from "../../apps/service/test/scripted-agent.ts";
import { leaseKeys } from "../../apps/service/test/device-fixture.ts";
import { type Scene, startScene } from "../service/scene.ts";
import {
  type AgentIdentity,
  flood,
  frame,
  identityIn,
  OPCODES,
  openRaw,
  type RawWebSocket,
} from "./raw-websocket.ts";
import { boundedMemory, checkLog } from "./service-at-work.ts";

const MEBIBYTE = 1024 * 1024;
/** docs/protocol.md, section 6. */
const CHANNELS_KEPT = 4;
/** So many that they do not go one after the other by their silence within the time of the test. */
const CHANNELS = 200;
const [PROTOCOL_ERROR, NO_TEXT, POLICY, TOO_BIG] = [1002, 1007, 1008, 1009];

const text = (message: AgentMessage): Buffer => frame(JSON.stringify(message));
const hello = (more: object = {}): Buffer =>
  frame(
    JSON.stringify({
      type: "hello",
      version: "0.1.0",
      platform: PLATFORM,
      methods: ["gcm"],
      runs: [],
      ...more,
    }),
  );
const deep = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const continued = (payload: string, count: number): Buffer =>
  Buffer.concat([
    frame(payload, { fin: false }),
    ...Array.from({ length: count }, () => frame(payload, { opcode: OPCODES.continuation, fin: false })),
  ]);
/** A GiB of zeros. */
const bomb = (): Buffer => {
  const one = deflateRawSync(Buffer.alloc(MEBIBYTE));
  return Buffer.concat(Array.from({ length: 1024 }, () => one));
};
const half = "x".repeat(FRAME_BYTES_MAX / 2 + 1);

/** After `hello`, with the code that the service closes with. */
const FRAMES: readonly (readonly [string, number, () => Buffer])[] = [
  ["a length beyond all numbers", TOO_BIG, () => frame("x", { length: 2n ** 63n })],
  ["a length above the limit", TOO_BIG, () => frame("x", { length: BigInt(FRAME_BYTES_MAX) + 1n })],
  [
    "fragments that together are too much",
    TOO_BIG,
    () => Buffer.concat([frame(half, { fin: false }), frame(half, { opcode: OPCODES.continuation })]),
  ],
  ["fragments of one byte without end", POLICY, () => continued("x", 100_000)],
  ["empty fragments without end", POLICY, () => continued("", 100_000)],
  ["a deflate bomb", PROTOCOL_ERROR, () => frame(bomb(), { reserved: 4 })],
  ["a deflate bomb of bytes", PROTOCOL_ERROR, () => frame(bomb(), { reserved: 4, opcode: OPCODES.binary })],
  ["another reserved bit", PROTOCOL_ERROR, () => frame("{}", { reserved: 1 })],
  ["an opcode that means nothing", PROTOCOL_ERROR, () => frame("{}", { opcode: 3 })],
  ["a frame without a mask", PROTOCOL_ERROR, () => frame("{}", { masked: false })],
  ["a continuation of nothing", PROTOCOL_ERROR, () => frame("{}", { opcode: OPCODES.continuation })],
  [
    "a message within another one",
    PROTOCOL_ERROR,
    () => Buffer.concat([frame("{", { fin: false }), frame("{}")]),
  ],
  ["a ping that is too long", PROTOCOL_ERROR, () => frame("x".repeat(126), { opcode: OPCODES.ping })],
  ["a ping in pieces", PROTOCOL_ERROR, () => frame("x", { opcode: OPCODES.ping, fin: false })],
  ["half a closing code", PROTOCOL_ERROR, () => frame("x", { opcode: OPCODES.close })],
  ["text that is none", NO_TEXT, () => frame(Buffer.from([0xc3, 0x28]))],
  ["bytes", POLICY, () => frame('{"type":"beat"}', { opcode: OPCODES.binary })],
  ["no JSON", POLICY, () => frame("{'type': beat}")],
  ["an empty text", POLICY, () => frame("")],
  ["null", POLICY, () => frame("null")],
  ["lists in lists", POLICY, () => frame(deep(FRAME_BYTES_MAX / 2))],
  ["a long list", POLICY, () => frame(`[${"1,".repeat(500_000)}1]`)],
  [
    "many fields",
    POLICY,
    () => frame(`{${Array.from({ length: 50_000 }, (_, n) => `"f${String(n)}":1`).join(",")}}`),
  ],
  ["no type", POLICY, () => frame('{"kind":"beat"}')],
  ["a type that there is not", POLICY, () => frame('{"type":"welcome"}')],
  ["another prototype", POLICY, () => frame('{"__proto__":{"type":"beat"}}')],
  ["a second hello", POLICY, () => hello()],
  [
    "a key of another length",
    POLICY,
    () =>
      frame(
        JSON.stringify({
          type: "request",
          id: 1,
          request: { kind: "lease", run: newId("run"), publicKey: "A".repeat(500_000) },
        }),
      ),
  ],
  [
    "a text that is too long",
    POLICY,
    () =>
      frame(
        JSON.stringify({
          type: "event",
          run: newId("run"),
          number: 1,
          at: 1,
          event: { kind: "log", level: "info", text: "x".repeat(5000) },
        }),
      ),
  ],
  [
    "a number that is none",
    POLICY,
    () => frame(`{"type":"event","run":"${newId("run")}","number":1e400,"at":1,"event":{"kind":"started"}}`),
  ],
];

/** Instead of `hello`. */
const BEGINNINGS: readonly (readonly [string, number, () => Buffer])[] = [
  ["a beat", POLICY, () => text({ type: "beat" })],
  [
    "more runs than there may be",
    POLICY,
    () =>
      hello({
        runs: Array.from({ length: 65 }, () => ({ run: newId("run"), nextEvent: 1 })),
      }),
  ],
  ["a name of many lines", POLICY, () => hello({ version: "1\n2" })],
  ["a version of a MiB", TOO_BIG, () => hello({ version: "x".repeat(FRAME_BYTES_MAX) })],
];

interface World {
  readonly scene: Scene;
  readonly identity: AgentIdentity;
  readonly hostile: string;
  readonly good: string;
  readonly storage: unknown;
}

async function startWorld(context: TestContext): Promise<World> {
  const scene = await startScene(context, ["--no-worker"]);
  const hostile = await scene.addAgent("hostile");
  const good = await scene.addAgent("good");
  await scene.killAgent("hostile");
  const identity = identityIn(scene.bench.path("agent-hostile"));
  const { id } = await scene.api.ok("POST", "/storages", {
    name: "s",
    location: scene.bench.path("storage"),
  });
  return { scene, identity, hostile, good, storage: id };
}

function openChannel({ scene: { url, api }, identity }: World): Promise<RawWebSocket> {
  return openRaw({ url, authority: api.authority }, identity, CHANNEL_PATH, CHANNEL_SUBPROTOCOL);
}

/** Another device is given a task, and ends it. */
async function othersWork({ scene, good, storage }: World): Promise<void> {
  const { task } = await scene.api.ok("POST", `/storages/${String(storage)}/test`, { device: good });
  const { state, error } = await scene.ended(task);
  assert.equal(state, "succeeded", JSON.stringify(error));
}

function countOf({ scene: { bench } }: World, action: string): number {
  using database = new DatabaseSync(bench.path("service", "holdfast.sqlite"), { readOnly: true });
  const row = database.prepare("SELECT count(*) AS count FROM audit_rows WHERE action = ?").get(action);
  return Number(row?.["count"]);
}

function asked(request: AgentRequest, id: number): Buffer {
  return text({ type: "request", id, request });
}

/** Each well-formed by itself. */
async function floods(): Promise<readonly (readonly [string, (number: number) => Buffer])[]> {
  const { publicKey } = leaseKeys(Buffer.alloc(32, 7));
  const { request: certificateRequest } = await newAgentKeys();
  return [
    ["pings", () => frame("x".repeat(125), { opcode: OPCODES.ping })],
    ["beats", () => text({ type: "beat" })],
    ["progress", () => text({ type: "progress", run: newId("run"), progress: { files: 1 } })],
    ["leases", (id) => asked({ kind: "lease", run: newId("run"), publicKey }, id)],
    ["certificates", (id) => asked({ kind: "renew", certificateRequest }, id)],
    [
      "events",
      () => text({ type: "event", run: newId("run"), number: 1, at: 1, event: { kind: "started" } }),
    ],
  ];
}

suite("a service with a device in wrong hands", {
  skip: process.platform === "linux" ? false : "reads /proc",
}, () => {
  test("closes at what no agent sends, and says why", { timeout: 300_000 }, async (context) => {
    const world = await startWorld(context);
    const bounded = boundedMemory(world.scene.servicePid());
    const attacks = [
      ...BEGINNINGS.map((attack) => [false, ...attack] as const),
      ...FRAMES.map((attack) => [true, ...attack] as const),
    ];
    for (const [isAfterHello, name, code, bytes] of attacks) {
      // oxlint-disable-next-line no-await-in-loop -- so that the one that does harm is known
      const { socket, extensions, closing } = await openChannel(world);
      assert.equal(extensions, undefined, "nobody agrees to decompress");
      if (isAfterHello) socket.write(hello());
      socket.write(bytes());
      assert.equal(await closing(), code, name);
      bounded(name);
    }
    await othersWork(world);
    checkLog(world.scene);
  });

  test("lets others work while it is flooded", { timeout: 300_000 }, async (context) => {
    const world = await startWorld(context);
    const bounded = boundedMemory(world.scene.servicePid());
    for (const reads of [true, false]) {
      for (const [name, piece] of await floods()) {
        const { socket, closing } = await openChannel(world);
        socket.write(hello());
        let number = 0;
        const done = new AbortController();
        const flooding = flood(socket, () => piece((number += 1)), done.signal);
        if (reads) void closing();
        await othersWork(world);
        bounded(name);
        done.abort();
        await flooding;
        socket.destroy();
        context.diagnostic(`${String(number)} ${name}, ${reads ? "read" : "not read"}`);
      }
    }
    context.diagnostic(`${String(countOf(world, "device.renew"))} renewals`);
    assert.equal(countOf(world, "lease.refuse"), 1);
    assert(countOf(world, "device.renew") <= 10, "the audit log can be filled");
    checkLog(world.scene);
  });

  test("keeps little of many channels that a device opens and leaves unfinished", {
    timeout: 300_000,
  }, async (context) => {
    const world = await startWorld(context);
    const bounded = boundedMemory(world.scene.servicePid());
    const unfinished = frame("x".repeat(FRAME_BYTES_MAX - 1), { length: BigInt(FRAME_BYTES_MAX) });
    const open: Promise<number>[] = [];
    for (let count = 1; count <= CHANNELS; count += 1) {
      const channel = await openChannel(world);
      channel.socket.write(unfinished, () => undefined);
      open.push(channel.closing());
      // The oldest goes for it. Those that only say nothing would go after a quarter of a minute.
      if (open.length > CHANNELS_KEPT) await open.shift();
      if (count % 50 === 0) bounded(`${String(count)} channels`);
    }
    await othersWork(world);
    bounded("all channels");
  });
});
