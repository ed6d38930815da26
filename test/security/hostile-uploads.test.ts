/**
 * What a device in wrong hands can send when it is asked for the bytes of a download. The service tells it why it closes, the browser's
 * answer does not end as if it were whole, memory stays bounded, and the next download works.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateRawSync } from "node:zlib";
import {
  UPLOAD_CLOSE_CODES,
  UPLOAD_FRAME_BYTES_MAX,
  UPLOAD_SUBPROTOCOL,
  type UploadHead,
  UPLOADS_PATH,
} from "@holdfast/protocol";
import { leaseKeys } from "../../apps/service/test/device-fixture.ts";
import { connectAgent, type ScriptedAgent } from "../../apps/service/test/scripted-agent.ts";
import { type Site, startSite } from "../service/copy-site.ts";
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
const REFUSED = UPLOAD_CLOSE_CODES.refused;
const [PROTOCOL_ERROR, POLICY, TOO_BIG] = [1002, 1008, 1009];
const CONTENT = "what is to be downloaded";

const json = (value: unknown): Buffer => frame(JSON.stringify(value));
const bytes = (payload: Buffer | string): Buffer => frame(payload, { opcode: OPCODES.binary });
const head = (more: Partial<UploadHead> = {}): Buffer =>
  json({ form: "file", name: "a", size: CONTENT.length, ...more });
const bomb = (): Buffer => {
  const one = deflateRawSync(Buffer.alloc(MEBIBYTE));
  return frame(Buffer.concat(Array.from({ length: 512 }, () => one)), {
    reserved: 4,
    opcode: OPCODES.binary,
  });
};

/** With the code that the service closes with. */
const UPLOADS: readonly (readonly [string, number, () => Buffer[]])[] = [
  ["bytes before they are announced", REFUSED, () => [bytes(CONTENT)]],
  ["no announcement", REFUSED, () => [frame("hello")]],
  ["an announcement of another form", REFUSED, () => [json({ form: "script", name: "a" })]],
  ["less than no bytes", REFUSED, () => [head({ size: -1 })]],
  ["more than there can be", REFUSED, () => [json({ form: "file", name: "a", size: 1e300 })]],
  ["a name of 500 KiB", REFUSED, () => [head({ name: "x".repeat(500 * 1024) })]],
  ["two announcements", REFUSED, () => [head(), head()]],
  ["more bytes than announced", REFUSED, () => [head(), bytes(`${CONTENT}.`)]],
  ["fewer bytes than announced", REFUSED, () => [head(), bytes("what"), json({ bytes: 4 })]],
  ["another number at the end", REFUSED, () => [head(), bytes(CONTENT), json({ bytes: 1 })]],
  ["an end that is none", REFUSED, () => [head(), bytes(CONTENT), frame("end")]],
  ["a frame above the limit", TOO_BIG, () => [head(), bytes(Buffer.alloc(UPLOAD_FRAME_BYTES_MAX + 1))]],
  ["a length beyond all numbers", TOO_BIG, () => [frame("x", { opcode: OPCODES.binary, length: 2n ** 63n })]],
  [
    "fragments without end",
    POLICY,
    () => [
      head(),
      frame("x", { opcode: OPCODES.binary, fin: false }),
      ...Array.from({ length: 50_000 }, () => frame("x", { opcode: OPCODES.continuation, fin: false })),
    ],
  ],
  ["a deflate bomb", PROTOCOL_ERROR, () => [head(), bomb()]],
  ["a frame without a mask", PROTOCOL_ERROR, () => [frame("x", { masked: false })]],
];

interface World {
  readonly site: Site;
  readonly identity: AgentIdentity;
  readonly agent: ScriptedAgent;
  /** Of the API. */
  readonly path: string;
}

/** A real device makes a copy; then somebody else speaks with its certificate. */
async function startWorld(context: TestContext): Promise<World> {
  const site = await startSite(context, (source) => writeFileSync(join(source, "a"), CONTENT));
  const copy = await site.backUp();
  await site.killAgent("one");
  const identity = identityIn(site.bench.path("agent-one"));
  const agent = await connectAgent(
    { port: Number(new URL(site.url).port) },
    { ...identity, deviceId: site.device, authority: site.api.authority },
  );
  context.after(() => agent.socket.terminate());
  const beating = setInterval(() => agent.send({ type: "beat" }), 10_000);
  context.after(() => clearInterval(beating));
  const query = new URLSearchParams({ path: join(site.source, "a") });
  return { site, identity, agent, path: `/copies/${copy}/download?${query.toString()}` };
}

interface Asked {
  readonly run: string;
  readonly upload: RawWebSocket;
  readonly answer: Promise<IncomingMessage>;
}

let requests = 0;

/** Somebody asks for the file, and the device opens its upload. */
async function begin({ site, identity, agent, path }: World): Promise<Asked> {
  const answer = site.api.open(path);
  answer.catch(() => undefined);
  const { run } = await agent.next("start");
  agent.event(run, 1, { kind: "started" });
  requests += 1;
  const { publicKey } = leaseKeys(randomBytes(32));
  agent.send({ type: "request", id: requests, request: { kind: "lease", run, publicKey } });
  await agent.next("answer");
  const service = { url: site.url, authority: site.api.authority };
  const upload = await openRaw(service, identity, `${UPLOADS_PATH}${run}`, UPLOAD_SUBPROTOCOL);
  return { run, upload, answer };
}

/** The device says that its run has ended, so that the next one has room. */
async function end({ agent, site: { api } }: World, run: string): Promise<void> {
  agent.event(run, 2, { kind: "failed", error: { code: "ERR_PROTOCOL", message: "It was not to be." } });
  for (;;) {
    const { items } = await api.ok("GET", "/tasks?kind=download&state=queued,running");
    if (Array.isArray(items) && items.length === 0) return;
    await sleep(50);
  }
}

/** The answer is an error, or ends before it is whole. */
async function broken(asked: Promise<IncomingMessage>, name: string): Promise<void> {
  const answer = await asked;
  if ((answer.statusCode ?? 0) >= 400) {
    answer.resume();
    return;
  }
  await assert.rejects(async () => {
    for await (const _ of answer);
  }, name);
  assert(!answer.complete, name);
}

const TAKEN_MAX_MEBIBYTES = 300;
/** In which nothing more is taken. */
const STUCK_SECONDS = 10;

/** Until nothing more is taken, or more than there should be. @returns bytes. */
async function floodUntilStuck({ socket }: RawWebSocket, piece: Buffer): Promise<number> {
  const stop = new AbortController();
  let count = 0;
  const next = (): Buffer => {
    count += 1;
    if (count * piece.length >= TAKEN_MAX_MEBIBYTES * MEBIBYTE) stop.abort();
    return piece;
  };
  let [before, seconds] = [0, 0];
  const watch = setInterval(() => {
    seconds = count === before ? seconds + 1 : 0;
    before = count;
    if (seconds >= STUCK_SECONDS) stop.abort();
  }, 1000);
  await flood(socket, next, stop.signal);
  clearInterval(watch);
  return count * piece.length;
}

suite("a service that asks a device in wrong hands for bytes", {
  skip: process.platform === "linux" ? false : "reads /proc",
}, () => {
  test("takes no more and nothing else than was announced", { timeout: 300_000 }, async (context) => {
    const world = await startWorld(context);
    const bounded = boundedMemory(world.site.servicePid());
    for (const [name, code, frames] of UPLOADS) {
      // oxlint-disable-next-line no-await-in-loop -- so that the one that does harm is known
      const { run, upload, answer } = await begin(world);
      assert.equal(upload.extensions, undefined, "nobody agrees to decompress");
      upload.socket.write(Buffer.concat(frames()));
      assert.equal(await upload.closing(), code, name);
      await broken(answer, name);
      bounded(name);
      await end(world, run);
    }
    const { run, upload, answer } = await begin(world);
    upload.socket.write(Buffer.concat([head(), bytes(CONTENT), json({ bytes: CONTENT.length })]));
    const whole = await answer;
    const [piece]: Buffer[] = await once(whole, "data");
    assert.equal(piece?.toString(), CONTENT);
    assert.equal(await upload.closing(), UPLOAD_CLOSE_CODES.done);
    await end(world, run);
    checkLog(world.site);
  });

  test("keeps little of what nobody reads", { timeout: 300_000 }, async (context) => {
    const world = await startWorld(context);
    const bounded = boundedMemory(world.site.servicePid());
    const piece = bytes(Buffer.alloc(UPLOAD_FRAME_BYTES_MAX));
    const ping = frame("x".repeat(125), { opcode: OPCODES.ping });
    for (const [name, flooded] of [
      ["bytes", piece],
      ["pings", Buffer.concat(Array.from({ length: 1000 }, () => ping))],
    ] as const) {
      const { run, upload, answer } = await begin(world);
      upload.socket.write(head({ size: 2 ** 40 }));
      const flooding = floodUntilStuck(upload, flooded);
      // The browser has its answer, and reads nothing of it.
      const unread = await answer;
      const mebibytes = (await flooding) / MEBIBYTE;
      context.diagnostic(`${String(Math.round(mebibytes))} MiB of ${name}`);
      assert(mebibytes < TAKEN_MAX_MEBIBYTES, `${name} are taken though nobody reads`);
      bounded(name);
      unread.destroy();
      upload.socket.destroy();
      await end(world, run);
    }
    checkLog(world.site);
  });
});
