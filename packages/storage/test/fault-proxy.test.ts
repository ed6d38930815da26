/** The proxy that spoils connections does what it says, and nothing else. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode } from "@holdfast/kernel";
import { type FaultProxy, startFaultProxy } from "./servers/fault-proxy.ts";

interface Echo extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly dial: () => Promise<Socket>;
}

/** A server that sends back what it gets, behind a proxy. */
async function echo(): Promise<Echo> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined).pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const proxy = await startFaultProxy(address !== null && typeof address === "object" ? address.port : 0);
  const dial = async (): Promise<Socket> => {
    const socket = connect({ port: proxy.port, host: "127.0.0.1" });
    await once(socket, "connect");
    return socket.on("error", () => undefined);
  };
  return {
    proxy,
    dial,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      server.close();
    },
  };
}

/** What comes back until the connection ends, or `length` bytes. */
async function receive(socket: Socket, length = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if (Buffer.concat(chunks).length >= length) break;
    }
  } catch {
    // A reset is an end too.
  }
  return Buffer.concat(chunks);
}

suite("fault proxy", () => {
  test("without faults everything passes, both ways, to the end", async () => {
    await using server = await echo();
    const socket = await server.dial();
    const bytes = Buffer.alloc(3_000_000, "0123456789");
    socket.end(bytes);
    assert((await receive(socket)).equals(bytes));
    assert.deepEqual(server.proxy.passed, { toServer: bytes.length, toClient: bytes.length });
  });

  test("cuts after so many bytes, as often as told", async () => {
    await using server = await echo();
    await server.proxy.set({ cut: { direction: "toClient", afterBytes: 1000, times: 1 } });
    const first = await server.dial();
    first.write(Buffer.alloc(5000, 1));
    assert.equal((await receive(first)).length, 1000);
    assert.equal(server.proxy.cuts, 1);
    const second = await server.dial();
    second.end(Buffer.alloc(5000, 1));
    assert.equal((await receive(second)).length, 5000);
  });

  test("cuts the way to the server", async () => {
    await using server = await echo();
    await server.proxy.set({ cut: { direction: "toServer", afterBytes: 10 } });
    const socket = await server.dial();
    socket.write(Buffer.alloc(5000, 1));
    assert((await receive(socket)).length <= 10);
    assert.equal(server.proxy.passed.toServer, 10);
  });

  test("changes one bit of one byte", async () => {
    await using server = await echo();
    await server.proxy.set({ corrupt: { direction: "toServer", atByte: 7 } });
    const socket = await server.dial();
    socket.end("0123456789");
    assert.equal((await receive(socket)).toString(), "0123456689");
    assert.equal(server.proxy.corruptions, 1);
  });

  test("refuses, and listens again on the same port when healed", async () => {
    await using server = await echo();
    await server.proxy.set({ refuse: true });
    await assert.rejects(server.dial(), (error) => errorCode(error) === "ECONNREFUSED");
    await server.proxy.set();
    const socket = await server.dial();
    socket.end("hello");
    assert.equal((await receive(socket)).toString(), "hello");
  });

  test("swallows everything until healed", async () => {
    await using server = await echo();
    await server.proxy.set({ blackHole: true });
    const socket = await server.dial();
    socket.end("hello");
    const received = receive(socket);
    assert.equal(await Promise.race([received, sleep(100, "nothing")]), "nothing");
    await server.proxy.set();
    assert.equal((await received).toString(), "hello");
  });

  test("holds everything from some byte on", async () => {
    await using server = await echo();
    const socket = await server.dial();
    const held = server.proxy.holdAfter("toServer", 1_000_000);
    const bytes = Buffer.alloc(3_000_000, "0123456789");
    socket.end(bytes);
    const received = receive(socket);
    await held;
    assert.equal(await Promise.race([received, sleep(100, "nothing")]), "nothing");
    assert(server.proxy.passed.toServer >= 1_000_000 && server.proxy.passed.toServer < 2_000_000);
    await server.proxy.set();
    assert((await received).equals(bytes));
  });

  test("delays and slows down", async () => {
    await using server = await echo();
    const socket = await server.dial();
    await server.proxy.set({ delayMs: 50 });
    const delayedMs = performance.now();
    socket.write("x");
    await receive(socket, 1);
    assert(performance.now() - delayedMs >= 95);
    await server.proxy.set({ bytesPerSecond: 10_000 });
    const slowMs = performance.now();
    socket.end(Buffer.alloc(3000));
    await receive(socket);
    assert(performance.now() - slowMs >= 290);
  });

  test("knows how many connections are open", async () => {
    await using server = await echo();
    const socket = await server.dial();
    socket.write("x");
    await receive(socket, 1);
    assert.equal(server.proxy.open, 1);
    socket.destroy();
    while (server.proxy.open > 0) await sleep(5);
    assert.equal(server.proxy.accepted, 1);
  });
});
