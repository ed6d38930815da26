/** What a channel keeps in memory of a device that sends faster than it is heard, or does not read. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { suite, test } from "node:test";
import { newId, systemClock } from "@holdfast/kernel";
import type { WebSocket } from "ws";
import { type Channel, openChannel } from "../src/channel/channel.ts";
import { PLATFORM } from "./scripted-agent.ts";

/** What the service uses of a connection. */
class Line extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  isPaused = false;
  isCut = false;
  sent = 0;

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  send(): void {
    this.sent += 1;
  }

  terminate(): void {
    this.isCut = true;
  }

  hear(message: object): void {
    this.emit("message", Buffer.from(JSON.stringify(message)), false);
  }
}

/** A service that hears one message and then nothing more until it is let go on. */
function busyService(): { readonly line: Line; readonly channel: Channel; readonly goOn: () => void } {
  const line = new Line();
  const { promise, resolve } = Promise.withResolvers<void>();
  const identity = { deviceId: newId("dev"), serial: "01", expiresAt: Infinity, publicKey: Buffer.alloc(0) };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a part of it is enough here
  const channel = openChannel(line as unknown as WebSocket, identity, {
    hello: () => promise,
    events: () => Promise.resolve(),
    other: () => Promise.resolve(),
    closed: () => undefined,
    failed: (error) => assert.fail(String(error)),
    clock: systemClock,
  });
  line.hear({ type: "hello", version: "1", platform: PLATFORM, methods: [], runs: [] });
  return { line, channel, goOn: resolve };
}

const lengthy = {
  type: "event",
  run: newId("run"),
  number: 1,
  at: 1,
  event: { kind: "succeeded", result: "x".repeat(1_000_000) },
};

suite("a channel", () => {
  for (const [name, message, most] of [
    ["messages", { type: "beat" }, 1100],
    ["bytes", lengthy, 5],
  ] as const) {
    test(`is not read while too many ${name} wait, and is read on afterwards`, async () => {
      const { line, channel, goOn } = busyService();
      let count = 0;
      while (!line.isPaused && count <= most) {
        line.hear(message);
        count += 1;
      }
      assert(line.isPaused, `${String(count)} ${name} are kept`);
      goOn();
      await channel.idle();
      assert(!line.isPaused);
    });
  }

  test("of somebody who reads nothing is cut", () => {
    const { line, channel } = busyService();
    channel.send({ type: "beat", leases: [] });
    assert.deepEqual([line.sent, line.isCut], [1, false]);
    line.bufferedAmount = 16 * 1024 * 1024 + 1;
    channel.send({ type: "beat", leases: [] });
    assert(line.isCut);
    channel.send({ type: "beat", leases: [] });
    assert.equal(line.sent, 2, "and nothing more is kept for them");
  });
});
