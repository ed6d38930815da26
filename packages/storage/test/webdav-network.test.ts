/** The WebDAV driver on bad networks, with servers that die, and with servers that are not to be trusted. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "@holdfast/kernel";
import type { RemoteDriver } from "../src/remote/driver.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { openWebdav, type WebdavOptions } from "../src/webdav/webdav-driver.ts";
import { type FaultProxy, startFaultProxy } from "./servers/fault-proxy.ts";
import { assertFails, credentials, never, nextFolder, noise, open, trust } from "./servers/webdav-storage.ts";
import { startWebdavServer, type WebdavServer, webdavServerMissing } from "./servers/webdav-server.ts";

const MEBIBYTE = 1024 * 1024;
/** Longer than a busy machine keeps a server from answering. */
const SILENT_MS = 3000;
/** Shorter than the timeout that holds when none is given. */
const UNASKED_MS = 25_000;
const skip = webdavServerMissing;

/** At the same time: most of theirs is waiting for what does not come. */
suite("webdav on Apache and a bad network", { skip, concurrency: true }, () => {
  for (const [name, tls, authentication] of [
    ["Digest over plain HTTP", false, "digest"],
    ["Basic over TLS", true, "basic"],
  ] as const) {
    suite(name, { concurrency: 1 }, () => {
      let server: WebdavServer;
      before(async () => {
        server = await startWebdavServer({ tls, authentication });
      });
      after(async () => {
        await server[Symbol.asyncDispose]();
      });
      testCuts(() => server);
      // Encrypted, it is another place that is cut, and nothing else.
      if (!tls) testLostAnswers(() => server);
      testNetwork(() => server);
    });
  }
});

function testLostAnswers(server: () => WebdavServer): void {
  test("a lost answer is no second object, and the retry says created", async () => {
    const folder = nextFolder();
    await using bad = await proxied(server(), folder);
    await using storage = openRemoteStorage(bad.driver, {});
    await storage.put("warm", Buffer.alloc(9));
    for (let afterBytes = 200; afterBytes < 3200; afterBytes += 250) {
      await bad.proxy.set({ cut: { direction: "toClient", afterBytes, times: 1 } });
      const name = `lost/${String(afterBytes)}`;
      assert.equal(await storage.put(name, noise(1000)), "created");
      assert((await storage.get(name)).equals(noise(1000)));
    }
  });
}

async function proxied(
  server: WebdavServer,
  folder: string,
  options: WebdavOptions = {},
): Promise<{ readonly proxy: FaultProxy; readonly driver: RemoteDriver } & AsyncDisposable> {
  const proxy = await startFaultProxy(server.port);
  try {
    const driver = await open(server, { folder, port: proxy.port, ...options });
    return {
      proxy,
      driver,
      async [Symbol.asyncDispose]() {
        await driver[Symbol.asyncDispose]();
        await proxy[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await proxy[Symbol.asyncDispose]();
    throw error;
  }
}

async function whenOpen(proxy: FaultProxy, count: number): Promise<void> {
  const endMs = performance.now() + UNASKED_MS;
  while (proxy.open > count) {
    assert(performance.now() < endMs, "a connection stayed open");
    await sleep(5);
  }
}

function testCuts(server: () => WebdavServer): void {
  test("a put that is cut anywhere leaves the whole object or none", async () => {
    const folder = nextFolder();
    await using direct = await open(server(), { folder });
    await using bad = await proxied(server(), folder);
    const bytes = noise(MEBIBYTE);
    await bad.driver.put("warm", bytes, undefined, never);
    const all = bad.proxy.passed.toServer;
    assert(all > bytes.length);
    for (let part = 1; part <= 8; part += 1) {
      const name = `cut/${String(part)}`;
      await bad.proxy.set({
        cut: { direction: "toServer", afterBytes: Math.floor((part * MEBIBYTE) / 7), times: 1 },
      });
      const [outcome] = await Promise.allSettled([bad.driver.put(name, bytes, undefined, never)]);
      await bad.proxy.set();
      if (outcome.status === "rejected") assert(isAppError(outcome.reason, "ERR_STORAGE_UNREACHABLE"));
      const info = await direct.stat(name, never);
      if (outcome.status === "fulfilled") assert(info !== null);
      if (info !== null) assert((await direct.get(name, undefined, never)).equals(bytes));
    }
  });

  test("with retries a put and a get outlive cuts", async () => {
    await using bad = await proxied(server(), nextFolder());
    await using storage = openRemoteStorage(bad.driver, {});
    const bytes = noise(4 * MEBIBYTE);
    await bad.proxy.set({ cut: { direction: "toServer", afterBytes: 3 * MEBIBYTE, times: 2 } });
    assert.equal(await storage.put("packs/x", bytes), "created");
    assert.equal(bad.proxy.cuts, 2);
    await bad.proxy.set({ cut: { direction: "toClient", afterBytes: 3 * MEBIBYTE, times: 2 } });
    assert((await storage.get("packs/x")).equals(bytes));
    assert.equal(bad.proxy.cuts, 2);
  });

  test("a server that is killed in mid-transfer and started again is found again", async () => {
    await using bad = await proxied(server(), nextFolder());
    await using storage = openRemoteStorage(bad.driver, {});
    const bytes = noise(8 * MEBIBYTE);
    await bad.proxy.set({ bytesPerSecond: 20 * MEBIBYTE });
    const put = storage.put("packs/x", bytes);
    while (bad.proxy.passed.toServer < 2 * MEBIBYTE) await sleep(5);
    await server().kill();
    await assertFails("ERR_STORAGE_UNREACHABLE", bad.driver.stat("packs/x", never));
    await server().start();
    assert.equal(await put, "created");
    assert((await storage.get("packs/x")).equals(bytes));
  });
}

function testNetwork(server: () => WebdavServer): void {
  test("cancelling closes the connection, up and down", async () => {
    await using bad = await proxied(server(), nextFolder());
    const { driver, proxy } = bad;
    await driver.put("x", noise(4 * MEBIBYTE), undefined, never);
    for (const call of [
      (signal: AbortSignal) => driver.get("x", undefined, signal),
      (signal: AbortSignal) => driver.put("y", noise(4 * MEBIBYTE), undefined, signal),
    ]) {
      await proxy.set({ bytesPerSecond: MEBIBYTE });
      const abort = new AbortController();
      const running = call(abort.signal);
      setTimeout(() => {
        abort.abort();
      }, 300);
      await assertFails("ERR_CANCELLED", running);
      await proxy.set();
    }
    assert.equal(await driver.stat("y", never), null);
    await driver[Symbol.asyncDispose]();
    await whenOpen(proxy, 0);
  });

  test("cancelling destroys the very connection in use", async () => {
    await using bad = await proxied(server(), nextFolder());
    await bad.driver.put("x", noise(4 * MEBIBYTE), undefined, never);
    await bad.proxy.set({ bytesPerSecond: MEBIBYTE });
    const abort = new AbortController();
    const connections = bad.proxy.open;
    const running = bad.driver.get("x", undefined, abort.signal);
    await sleep(200);
    abort.abort();
    await assertFails("ERR_CANCELLED", running);
    await whenOpen(bad.proxy, connections - 1);
    assert.equal(bad.proxy.open, connections - 1);
  });

  test("a silent network is a timeout, also before it is connected", async () => {
    await using bad = await proxied(server(), nextFolder(), {
      idleTimeoutMs: SILENT_MS,
      connectTimeoutMs: SILENT_MS,
    });
    await bad.driver.put("x", noise(MEBIBYTE), undefined, never);
    await bad.proxy.set({ blackHole: true });
    for (const call of [
      () => bad.driver.get("x", undefined, never),
      () => bad.driver.stat("x", never),
      () => bad.driver.put("y", noise(MEBIBYTE), undefined, never),
    ]) {
      const startMs = performance.now();
      await assertFails("ERR_STORAGE_TIMEOUT", call());
      assert(performance.now() - startMs < UNASKED_MS, "the timeout was another one");
    }
    await bad.proxy.set();
    assert.equal((await bad.driver.get("x", undefined, never)).length, MEBIBYTE);
  });

  test("a slow line is no timeout as long as it moves", async () => {
    await using bad = await proxied(server(), nextFolder(), { idleTimeoutMs: SILENT_MS });
    await bad.proxy.set({ bytesPerSecond: MEBIBYTE / 2, delayMs: 5 });
    assert.equal(await bad.driver.put("x", noise(2 * MEBIBYTE), undefined, never), "created");
    assert((await bad.driver.get("x", undefined, never)).equals(noise(2 * MEBIBYTE)));
  });

  test("nobody there is unreachable", async () => {
    await using bad = await proxied(server(), nextFolder());
    await bad.proxy.set({ refuse: true });
    await bad.proxy.set({ refuse: true, cut: { direction: "toServer", afterBytes: 0 } });
    await assertFails("ERR_STORAGE_UNREACHABLE", bad.driver.stat("x", never));
    await bad.proxy.set();
    assert.equal(await bad.driver.stat("x", never), null);
  });
}

suite("webdav on Apache: trust", { skip }, () => {
  let server: WebdavServer;
  before(async () => {
    server = await startWebdavServer({ tls: true, authentication: "basic" });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
  });

  test("a certificate of an unknown authority is not trusted, and gets no password", async () => {
    let asked = 0;
    const source = () => {
      asked += 1;
      return credentials();
    };
    await assertFails("ERR_STORAGE_UNTRUSTED", openWebdav(server.url(""), { credentials: source }));
    assert(asked <= 1);
  });

  test("the right fingerprint suffices, a wrong one is refused whatever the authority", async () => {
    const url = server.url("");
    const { fingerprint, pem } = server.certificate;
    const wrong = server.authority.fingerprint;
    const authorities = server.authority.pem;
    for (const options of [{ fingerprint }, { fingerprint, authorities }, { authorities }]) {
      await using driver = await openWebdav(url, { credentials, ...options });
      assert.equal(await driver.stat("nothing", never), null);
    }
    for (const options of [
      { fingerprint: wrong },
      { fingerprint: wrong, authorities },
      // The server's certificate is no authority.
      { fingerprint, authorities: pem },
    ]) {
      await assertFails("ERR_STORAGE_UNTRUSTED", openWebdav(url, { credentials, ...options }));
    }
  });

  test("a certificate for another name is not trusted", async () => {
    const url = server.url("").replace("127.0.0.1", "localhost");
    await assertFails("ERR_STORAGE_UNTRUSTED", openWebdav(url, trust(server)));
    await using pinned = await openWebdav(url, { credentials, fingerprint: server.certificate.fingerprint });
    assert.equal(await pinned.stat("nothing", never), null);
  });

  test("changed bytes end the connection", async () => {
    await using bad = await proxied(server, nextFolder());
    await bad.driver.put("x", noise(MEBIBYTE), undefined, never);
    await bad.proxy.set({ corrupt: { direction: "toClient", atByte: 200_000, times: 1 } });
    await assertFails("ERR_STORAGE_UNREACHABLE", bad.driver.get("x", undefined, never));
    assert((await bad.driver.get("x", undefined, never)).equals(noise(MEBIBYTE)));
  });

  test("plain HTTP where TLS is spoken, and the other way round, is no storage", async () => {
    const plain = server.url("").replace("webdavs:", "webdav:");
    await assert.rejects(openWebdav(plain, { credentials }), (error) => isAppError(error));
    await using other = await startWebdavServer({ tls: false, authentication: "digest" });
    await assertFails(
      "ERR_STORAGE_UNREACHABLE",
      openWebdav(other.url("").replace("webdav:", "webdavs:"), trust(server)),
    );
  });
});
