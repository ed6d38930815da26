/** Cut connections, damaged bytes, slow networks and killed servers: the Azure driver on Azurite. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, suite, test } from "node:test";
import { openAzure } from "../src/azure/open-azure.ts";
import type { AzureOptions } from "../src/azure/options.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { always, freshUrl, hasCode, keyOf, MEBIBYTE, never } from "./azure-fixture.ts";
import { startAzureServer } from "./servers/azure-server.ts";
import { CountingProxy } from "./servers/counting-proxy.ts";
import { type FaultProxy, startFaultProxy } from "./servers/fault-proxy.ts";

const server = await startAzureServer();
after(() => server[Symbol.asyncDispose]());
const container = await server.makeContainer();
const credentials = always(keyOf(server));
const BLOCKS = { blocksFromBytes: 4 * MEBIBYTE, blockBytes: MEBIBYTE };

const through = (proxy: { readonly port: number }, options: AzureOptions = {}) =>
  openAzure(freshUrl(server, container, proxy.port), { credentials, ...options });

suite("Azure: cancellation", () => {
  for (const [kind, options] of [
    ["a put", { blocksFromBytes: 64 * MEBIBYTE }],
    ["a put in blocks", BLOCKS],
  ] as const) {
    test(`of ${kind} closes its sockets and leaves no object`, async () => {
      await using proxy = await CountingProxy.start(server.port);
      await using driver = await through(proxy, options);
      const before = proxy.sent;
      const abort = new AbortController();
      const bytes = new Uint8Array(48 * MEBIBYTE);
      const rejected = assert.rejects(
        driver.put("b", bytes, undefined, abort.signal),
        hasCode("ERR_CANCELLED"),
      );
      await proxy.until(() => proxy.sent > before + 5 * MEBIBYTE);
      const { open } = proxy;
      abort.abort();
      await rejected;
      await proxy.until(() => proxy.open < open);
      assert(proxy.sent < before + 48 * MEBIBYTE);
      assert.equal(await driver.stat("b", never), null);
      assert.equal(await driver.put("b", Buffer.from("hello"), undefined, never), "created");
    });
  }

  test("of a get closes its socket", async () => {
    await using proxy = await CountingProxy.start(server.port);
    await using driver = await through(proxy);
    await driver.put("a", new Uint8Array(48 * MEBIBYTE), undefined, never);
    const before = proxy.received;
    const abort = new AbortController();
    const rejected = assert.rejects(driver.get("a", undefined, abort.signal), hasCode("ERR_CANCELLED"));
    await proxy.until(() => proxy.received > before + 2 * MEBIBYTE);
    const { open } = proxy;
    abort.abort();
    await rejected;
    await proxy.until(() => proxy.open < open);
    assert(proxy.received < before + 48 * MEBIBYTE);
  });

  test("is not needed to use connections again", async () => {
    await using proxy = await CountingProxy.start(server.port);
    await using driver = await through(proxy);
    await driver.put("a", new Uint8Array(2 * MEBIBYTE), undefined, never);
    const before = proxy.connections;
    for (let round = 0; round < 10; round += 1) {
      assert.equal((await driver.get("a", { offset: round, length: 1000 }, never)).length, 1000);
      const name = `b/${String(round)}`;
      assert.equal(await driver.put(name, new Uint8Array(2 * MEBIBYTE), undefined, never), "created");
    }
    assert.equal(proxy.connections, before);
  });
});

suite("Azure: bad networks", () => {
  const both = [
    ["whole", {}],
    ["in blocks", BLOCKS],
  ] as const;
  const storageThrough = async (proxy: FaultProxy, options: AzureOptions = {}) =>
    openRemoteStorage(await through(proxy, options));

  for (const [how, options] of both) {
    test(`a put that is cut is tried again: ${how}`, async () => {
      await using proxy = await startFaultProxy(server.port);
      await using storage = await storageThrough(proxy, options);
      const bytes = randomBytes(6 * MEBIBYTE);
      await proxy.set({ cut: { direction: "toServer", afterBytes: 700_000, times: 2 } });
      assert.equal(await storage.put("a", bytes), "created");
      assert(proxy.cuts >= 2);
      assert((await storage.get("a")).equals(bytes));
    });

    test(`an answer that is cut off does not make a put somebody else's: ${how}`, async () => {
      await using proxy = await startFaultProxy(server.port);
      await using storage = await storageThrough(proxy, options);
      const bytes = randomBytes(5 * MEBIBYTE);
      await proxy.set({ cut: { direction: "toClient", afterBytes: 40, times: 1 } });
      assert.equal(await storage.put("a", bytes), "created");
      assert.equal(proxy.cuts, 1);
      assert((await storage.get("a")).equals(bytes));
    });

    test(`bytes that are damaged on their way are not stored: ${how}`, async () => {
      await using proxy = await startFaultProxy(server.port);
      await using driver = await through(proxy, options);
      const bytes = randomBytes(5 * MEBIBYTE);
      await proxy.set({ corrupt: { direction: "toServer", atByte: 500_000, times: 1 } });
      await assert.rejects(driver.put("a", bytes, undefined, never), hasCode("ERR_STORAGE_FAILED"));
      assert.equal(proxy.corruptions, 1);
      assert.equal(await driver.stat("a", never), null);
      assert.equal(await driver.put("a", bytes, undefined, never), "created");
    });
  }

  test("a get that is cut is tried again", async () => {
    await using proxy = await startFaultProxy(server.port);
    await using storage = await storageThrough(proxy);
    const bytes = randomBytes(5 * MEBIBYTE);
    await storage.put("a", bytes);
    await proxy.set({ cut: { direction: "toClient", afterBytes: 2_000_000, times: 2 } });
    assert((await storage.get("a")).equals(bytes));
    assert.equal(proxy.cuts, 2);
  });

  test("a slow one is only slow", async () => {
    await using proxy = await startFaultProxy(server.port);
    await using storage = await storageThrough(proxy, { idleTimeoutMs: 10_000 });
    await proxy.set({ delayMs: 20 });
    const bytes = randomBytes(MEBIBYTE);
    assert.equal(await storage.put("a", bytes), "created");
    assert((await storage.get("a")).equals(bytes));
  });

  test("one that lets nothing through is left after the idle time, in the middle of a transfer", async () => {
    await using proxy = await startFaultProxy(server.port);
    await using driver = await through(proxy, { idleTimeoutMs: 2000 });
    await driver.put("a", new Uint8Array(16 * MEBIBYTE), undefined, never);
    const before = proxy.passed.toClient;
    await proxy.set({ bytesPerSecond: 4 * MEBIBYTE });
    const got = assert.rejects(driver.get("a", undefined, never), hasCode("ERR_STORAGE_TIMEOUT"));
    while (proxy.passed.toClient < before + MEBIBYTE) await new Promise((resolve) => setTimeout(resolve, 20));
    await proxy.set({ blackHole: true });
    await got;
    const put = driver.put("b", new Uint8Array(MEBIBYTE), undefined, never);
    await assert.rejects(put, hasCode("ERR_STORAGE_TIMEOUT"));
  });
});

suite("Azure: a server that is killed", () => {
  test("in mid-transfer and started again loses no finished object", async () => {
    await using proxy = await CountingProxy.start(server.port);
    await using driver = await through(proxy);
    await driver.put("a", Buffer.from("hello"), undefined, never);
    const before = proxy.sent;
    const bytes = randomBytes(48 * MEBIBYTE);
    const unreachable = hasCode("ERR_STORAGE_UNREACHABLE");
    const rejected = assert.rejects(driver.put("b", bytes, undefined, never), unreachable);
    await proxy.until(() => proxy.sent > before + 4 * MEBIBYTE);
    await server.kill();
    try {
      await rejected;
      await assert.rejects(driver.get("a", undefined, never), unreachable);
    } finally {
      await server.start();
    }
    assert.equal(await driver.stat("b", never), null);
    assert.equal((await driver.get("a", undefined, never)).toString(), "hello");
    assert.equal(await driver.put("b", bytes, undefined, never), "created");
    assert((await driver.get("b", undefined, never)).equals(bytes));
  });

  for (const [how, options] of [
    ["whole", {}],
    ["in blocks", BLOCKS],
  ] as const) {
    test(`during a put that goes on by itself: ${how}`, async () => {
      await using proxy = await CountingProxy.start(server.port);
      await using storage = openRemoteStorage(await through(proxy, options));
      const before = proxy.sent;
      const bytes = randomBytes(16 * MEBIBYTE);
      const put = storage.put("a", bytes);
      await proxy.until(() => proxy.sent > before + 4 * MEBIBYTE);
      await server.kill();
      await server.start();
      assert.equal(await put, "created");
      assert((await storage.get("a")).equals(bytes));
    });
  }
});
