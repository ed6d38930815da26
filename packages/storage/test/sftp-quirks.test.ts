/** SFTP against servers that have no extensions, ask for passwords, fall silent, turn clients away, or lie. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "@holdfast/kernel";
import { testStorage } from "../src/conformance.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { fingerprint } from "../src/sftp/host-trust.ts";
import { openSftp, type SftpDriver, type SftpOptions } from "../src/sftp/sftp-driver.ts";
import { hasCode } from "./memory-driver.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { MemorySftpServer } from "./servers/memory-sftp-server.ts";

const signal = new AbortController().signal;

function open(server: MemorySftpServer, options: Partial<SftpOptions> = {}): Promise<SftpDriver> {
  return openSftp(server.url("/~/backups"), {
    fingerprints: [fingerprint(server.hostKey)],
    credentials: () => Promise.resolve({ password: server.password }),
    create: true,
    ...options,
  });
}

testStorage("SFTP without extensions, with a RENAME that replaces", async () => {
  const server = await new MemorySftpServer().start();
  const storage = openRemoteStorage(await open(server), {});
  const dispose = storage[Symbol.asyncDispose].bind(storage);
  storage[Symbol.asyncDispose] = async () => {
    await dispose();
    await server[Symbol.asyncDispose]();
  };
  return storage;
});

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (!condition()) {
    assert(performance.now() < endMs, "it never came");
    await sleep(10);
  }
}

suite("SFTP without extensions", () => {
  test("objects lie below the home folder, and neither claims nor temporary files stay", async () => {
    await using server = await new MemorySftpServer().start();
    await using driver = await open(server);
    assert.equal(await driver.put("packs/a", Buffer.from("hello"), undefined, signal), "created");
    assert.equal(await driver.put("packs/a", Buffer.from("other"), undefined, signal), "exists");
    assert.deepEqual([...server.files.keys()], ["/home/user/backups/packs/a"]);
    assert.equal(driver.capabilities.freeSpace, false);
    assert.equal(await driver.free(signal), null);
  });

  test("the root may be the folder, as for accounts that see nothing else", async () => {
    await using server = await new MemorySftpServer().start();
    await using driver = await openSftp(server.url("/"), {
      fingerprints: [fingerprint(server.hostKey)],
      credentials: () => Promise.resolve({ password: server.password }),
    });
    assert.equal(await driver.put("packs/a", Buffer.from("hello"), undefined, signal), "created");
    assert.deepEqual([...server.files.keys()], ["/packs/a"]);
    const { objects } = await driver.list("packs/", undefined, signal);
    assert.deepEqual(
      objects.map(({ name }) => name),
      ["packs/a"],
    );
    assert.equal((await driver.get("packs/a", undefined, signal)).toString(), "hello");
  });

  test("of two writers of a name exactly one creates it, although RENAME replaces", async () => {
    await using server = await new MemorySftpServer().start();
    await using one = await open(server);
    await using two = await open(server);
    for (let round = 0; round < 10; round += 1) {
      const name = `packs/${String(round)}`;
      const outcomes = await Promise.all([
        one.put(name, Buffer.from("1"), undefined, signal),
        two.put(name, Buffer.from("2"), undefined, signal),
      ]);
      assert.deepEqual(outcomes.toSorted(), ["created", "exists"]);
      const content = (await two.get(name, undefined, signal)).toString();
      assert.equal(content, outcomes[0] === "created" ? "1" : "2");
    }
  });

  test("a claim that stays blocks its name only, and says what to delete", async () => {
    await using server = await new MemorySftpServer().start();
    await using driver = await open(server);
    server.stalled.add("RENAME");
    const abort = new AbortController();
    const put = driver.put("packs/a", Buffer.from("hello"), undefined, abort.signal);
    await until(() => [...server.files.keys()].some((path) => path.includes("claim-")));
    await sleep(50);
    abort.abort();
    await assert.rejects(put, hasCode("ERR_CANCELLED"));
    server.stalled.clear();
    const blocked = driver.put("packs/a", Buffer.from("hello"), undefined, signal);
    await assert.rejects(blocked, hasCode("ERR_STORAGE_FAILED"));
    assert.equal(await driver.put("packs/b", Buffer.from("hello"), undefined, signal), "created");
  });
});

suite("SFTP: passwords", () => {
  for (const interactive of [false, true]) {
    const way = interactive ? "asked for by a question" : "sent as such";
    test(`a right one logs in, a wrong one is told once and nowhere repeated, ${way}`, async () => {
      await using server = await new MemorySftpServer({ interactive }).start();
      await using driver = await open(server);
      assert.equal(await driver.put("a", new Uint8Array(1), undefined, signal), "created");
      const attempts = server.attempts;
      const wrong = open(server, { credentials: () => Promise.resolve({ password: "oh-so-secret" }) });
      await assert.rejects(wrong, (error) => {
        assert(error instanceof Error);
        assert.doesNotMatch(`${error.stack ?? ""} ${JSON.stringify(error)}`, /oh-so-secret/);
        return hasCode("ERR_STORAGE_CREDENTIALS")(error);
      });
      assert(server.attempts - attempts <= 3);
    });
  }

  test("replaced credentials are used by the next connection", async () => {
    await using server = await new MemorySftpServer().start();
    let password = server.password;
    await using driver = await open(server, { credentials: () => Promise.resolve({ password }) });
    await driver.put("a", new Uint8Array(1), undefined, signal);
    server.password = "another";
    assert.equal((await driver.stat("a", signal))?.size, 1);
    server.dropConnections();
    await until(() => server.connections.size === 0);
    await sleep(50);
    await assert.rejects(driver.stat("a", signal), hasCode("ERR_STORAGE_CREDENTIALS"));
    password = "another";
    assert.equal((await driver.stat("a", signal))?.size, 1);
  });

  test("a call that waits for credentials can be cancelled", async () => {
    await using server = await new MemorySftpServer().start();
    const abort = new AbortController();
    const credentials = (): Promise<never> => {
      setImmediate(() => {
        abort.abort();
      });
      return new Promise(() => undefined);
    };
    await assert.rejects(open(server, { credentials, signal: abort.signal }), hasCode("ERR_CANCELLED"));
    assert.equal(server.attempts, 0);
  });

  test("what the credentials callback throws is told as it is", async () => {
    await using server = await new MemorySftpServer().start();
    const failing = open(server, { credentials: () => Promise.reject(new Error("no vault")) });
    await assert.rejects(failing, hasCode("ERR_STORAGE_FAILED"));
  });
});

suite("SFTP: servers that stall, turn away or lie", () => {
  for (const event of ["OPEN", "WRITE", "FSTAT", "RENAME", "LSTAT"]) {
    test(`no answer to ${event} is a timeout, and the connection is closed`, async () => {
      await using server = await new MemorySftpServer().start();
      await using driver = await open(server, { idleTimeoutMs: 2000 });
      await driver.stat("a", signal);
      server.stalled.add(event);
      const put = driver.put("packs/a", new Uint8Array(100_000), undefined, signal);
      await assert.rejects(put, hasCode("ERR_STORAGE_TIMEOUT"));
      await until(() => server.connections.size === 0);
      assert(!server.files.has("/home/user/backups/packs/a"));
      server.stalled.clear();
    });
  }

  test("a cancelled call waits for nothing and closes its connection", async () => {
    await using server = await new MemorySftpServer().start();
    await using driver = await open(server);
    server.stalled.add("WRITE");
    const abort = new AbortController();
    const put = driver.put("packs/a", new Uint8Array(100_000), undefined, abort.signal);
    await until(() => [...server.files.keys()].some((path) => path.includes("/tmp/")));
    abort.abort();
    await assert.rejects(put, hasCode("ERR_CANCELLED"));
    await until(() => server.connections.size === 0);
  });

  test("a call waits for a connection when all are in use, and can be cancelled there", async () => {
    await using server = await new MemorySftpServer().start();
    await using driver = await open(server, { connections: 1 });
    server.stalled.add("WRITE");
    const abort = new AbortController();
    const first = driver.put("packs/a", new Uint8Array(100_000), undefined, abort.signal);
    const second = new AbortController();
    const waiting = driver.stat("a", second.signal);
    const third = driver.stat("a", signal);
    await until(() => [...server.files.keys()].some((path) => path.includes("/tmp/")));
    second.abort();
    await assert.rejects(waiting, hasCode("ERR_CANCELLED"));
    assert.equal(server.connections.size, 1);
    abort.abort();
    await assert.rejects(first, hasCode("ERR_CANCELLED"));
    assert.equal(await third, null);
  });

  test("an object that ends early, is far too large, or has an impossible size is refused", async () => {
    await using server = await new MemorySftpServer().start();
    await using driver = await open(server);
    await driver.put("a", Buffer.from("hello"), undefined, signal);
    const path = "/home/user/backups/a";
    server.lies.set(path, 100_000);
    await assert.rejects(driver.get("a", undefined, signal), hasCode("ERR_DAMAGED"));
    server.lies.set(path, 2 ** 40);
    await assert.rejects(driver.get("a", undefined, signal), hasCode("ERR_DAMAGED"));
    server.lies.set(path, 2 ** 60);
    await assert.rejects(driver.get("a", undefined, signal), hasCode("ERR_STORAGE_FAILED"));
    await assert.rejects(driver.list("", undefined, signal), hasCode("ERR_STORAGE_FAILED"));
    server.lies.clear();
    assert.equal((await driver.get("a", undefined, signal)).toString(), "hello");
  });

  test("answers that make no sense end the connection, and nothing else", async () => {
    await using server = await new MemorySftpServer().start();
    const version = "000000050200000003";
    for (const nonsense of [
      "00000000",
      "ffffffff02",
      "7fffffff02",
      "0000000102",
      "00000005ff00000003",
      "0000000902000000037fffffff",
      `${version}00000005020000000300`,
      `${version}0000000966000000ff`,
      `${version}0000000d6800000000ffffffff00000000`,
      `${version}00000009690000000080000008`,
      `${version}000000056500000000`,
      `${version}0000000d6600000000ffffffff00000000`,
      `${version}000000056600000000`,
    ]) {
      server.nonsense = Buffer.from(nonsense, "hex");
      const opening = open(server, { idleTimeoutMs: 100, connectTimeoutMs: 2000 });
      await assert.rejects(opening, (error) => {
        assert(isAppError(error), nonsense);
        return ["ERR_STORAGE_UNREACHABLE", "ERR_STORAGE_TIMEOUT", "ERR_STORAGE_FAILED"].includes(error.code);
      });
      await until(() => server.connections.size === 0);
    }
    server.nonsense = undefined;
    await using driver = await open(server);
    assert.equal(await driver.stat("a", signal), null);
  });

  test("names that are no names of objects are left out", async () => {
    await using server = await new MemorySftpServer().start();
    await using driver = await open(server);
    await driver.put("packs/a", Buffer.from("hello"), undefined, signal);
    const file = { room: Buffer.alloc(1), size: 1, modified: 0 };
    for (const name of ["packs/UPPER", "packs/.hidden", "packs/a b", "tmp/x"]) {
      server.files.set(`/home/user/backups/${name}`, file);
    }
    const page = await driver.list("", undefined, signal);
    assert.deepEqual(
      page.objects.map(({ name }) => name),
      ["packs/a"],
    );
  });
});

async function serving(
  greet: (socket: Socket) => void,
  use: (url: string, options: SftpOptions) => Promise<void>,
): Promise<void> {
  await using scratch = await scratchFolder();
  const knownHosts = join(scratch.path, "known_hosts");
  await writeFile(knownHosts, "");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    greet(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  try {
    const credentials = (): Promise<{ password: string }> => Promise.resolve({ password: "x" });
    await use(`sftp://user@127.0.0.1:${String(address.port)}/srv`, { knownHosts: [knownHosts], credentials });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  }
}

suite("SFTP: no connection", () => {
  test("a server that says nothing is a timeout", async () => {
    await serving(
      () => undefined,
      async (url, options) => {
        const opening = openSftp(url, { ...options, connectTimeoutMs: 200 });
        await assert.rejects(opening, hasCode("ERR_STORAGE_TIMEOUT"));
        const abort = new AbortController();
        const cancelled = openSftp(url, { ...options, signal: abort.signal });
        setTimeout(() => {
          abort.abort();
        }, 50);
        await assert.rejects(cancelled, hasCode("ERR_CANCELLED"));
      },
    );
  });

  for (const [greeting, code] of [
    ["Exceeded MaxStartups\r\n", "ERR_STORAGE_THROTTLED"],
    ["Not allowed at this time\r\n", "ERR_STORAGE_THROTTLED"],
    ["", "ERR_STORAGE_UNREACHABLE"],
    ["HTTP/1.1 400 Bad Request\r\n\r\n", "ERR_STORAGE_UNREACHABLE"],
    ["SSH-2.0-x\r\n", "ERR_STORAGE_UNREACHABLE"],
  ] as const) {
    test(`a server that ends with ${JSON.stringify(greeting)} is ${code}`, async () => {
      await serving(
        (socket) => socket.end(greeting),
        async (url, options) => {
          await assert.rejects(openSftp(url, options), hasCode(code));
        },
      );
    });
  }

  test("nobody who listens, and no such host, are unreachable", async () => {
    let closed = "";
    await serving(
      () => undefined,
      (url) => {
        closed = url;
        return Promise.resolve();
      },
    );
    const credentials = (): Promise<{ password: string }> => Promise.resolve({ password: "x" });
    for (const url of [closed, "sftp://user@no-such-host.invalid/srv"]) {
      const opening = openSftp(url, { credentials, knownHosts: [] });
      await assert.rejects(opening, hasCode("ERR_STORAGE_UNREACHABLE"));
    }
  });
});
