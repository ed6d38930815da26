/** SFTP against OpenSSH's own server. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join, relative } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testStorage } from "../src/conformance.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import type { SftpCredentials } from "../src/sftp/authentication.ts";
import { openSftp, type SftpDriver, type SftpOptions } from "../src/sftp/sftp-driver.ts";
import { hasCode } from "./memory-driver.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { startFaultProxy } from "./servers/fault-proxy.ts";
import { makeKey, type SftpServer, sshdMissing, startSftpServer } from "./servers/sftp-server.ts";

const MEBIBYTE = 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1000;
const signal = new AbortController().signal;

let server: SftpServer;
before(async () => {
  if (sshdMissing === false) server = await startSftpServer();
});
after(async () => {
  if (sshdMissing === false) await server[Symbol.asyncDispose]();
});

function optionsFor(of: SftpServer): SftpOptions {
  const credentials = (): Promise<SftpCredentials> => Promise.resolve({ keyFiles: [of.keyFile] });
  return { knownHosts: [of.knownHosts], credentials };
}

/** In a new folder each time. */
async function openNew(
  options: Partial<SftpOptions> = {},
): Promise<SftpDriver & { readonly folder: string }> {
  const folder = await mkdtemp(join(server.folder, "s"));
  const driver = await openSftp(server.url(folder), { ...optionsFor(server), ...options });
  return Object.assign(driver, { folder });
}

if (sshdMissing === false) {
  testStorage("SFTP of OpenSSH", async () => openRemoteStorage(await openNew(), {}));
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (!(await condition())) {
    assert(performance.now() < endMs, "it never came");
    await sleep(10);
  }
}

async function filesBelow(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => relative(path, join(entry.parentPath, entry.name))).toSorted();
}

suite("SFTP of OpenSSH: what lies in the folder", { skip: sshdMissing }, () => {
  test("objects are plain files for this user alone, and nothing temporary stays", async () => {
    await using driver = await openNew();
    assert.equal(await driver.put("packs/aa/x", Buffer.from("hello"), undefined, signal), "created");
    assert.equal(await driver.put("packs/aa/x", Buffer.from("other"), undefined, signal), "exists");
    assert.deepEqual(await filesBelow(driver.folder), ["packs/aa/x"]);
    assert.equal(await readFile(join(driver.folder, "packs/aa/x"), "utf8"), "hello");
    assert.equal((await stat(join(driver.folder, "packs/aa/x"))).mode & 0o777, 0o600);
    assert.equal((await stat(join(driver.folder, "packs"))).mode & 0o777, 0o700);
  });

  test("links, pipes and foreign files are neither listed nor read, nor waited for", async () => {
    await using driver = await openNew({ idleTimeoutMs: 5000 });
    await driver.put("packs/a", Buffer.from("hello"), undefined, signal);
    await symlink(join(driver.folder, "packs/a"), join(driver.folder, "packs/link"));
    await symlink("/", join(driver.folder, "packs/root"));
    await writeFile(join(driver.folder, "packs/Thumbs.db"), "x");
    execFileSync("mkfifo", [join(driver.folder, "packs/pipe")]);
    const page = await driver.list("", undefined, signal);
    assert.deepEqual(
      page.objects.map(({ name }) => name),
      ["packs/a"],
    );
    assert.equal(await driver.stat("packs/link", signal), null);
    await assert.rejects(driver.get("packs/link", undefined, signal), hasCode("ERR_STORAGE_FAILED"));
    await assert.rejects(driver.get("packs/pipe", undefined, signal), hasCode("ERR_STORAGE_FAILED"));
    // The server's process waits for a writer.
    const writer = await open(join(driver.folder, "packs/pipe"), constants.O_RDWR | constants.O_NONBLOCK);
    await writer.close();
    assert.equal((await driver.get("packs/a", undefined, signal)).toString(), "hello");
  });

  test("a long list comes in pages, each object once", async () => {
    await using driver = await openNew();
    const names = Array.from({ length: 5000 }, (_, index) => `packs/${String(index % 40)}/${String(index)}`);
    for (let folder = 0; folder < 40; folder += 1) {
      await mkdir(join(driver.folder, "packs", String(folder)), { recursive: true });
    }
    await Promise.all(names.map((name) => writeFile(join(driver.folder, name), name)));
    const listed: string[] = [];
    let pages = 0;
    for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
      const page = await driver.list("packs/", next, signal);
      listed.push(...page.objects.map(({ name }) => name));
      next = page.next;
      pages += 1;
    }
    assert.deepEqual(listed.toSorted(), names.toSorted());
    assert(pages > 1);
  });

  test("the first put removes temporary files older than a day, by the server's clock", async () => {
    await using driver = await openNew();
    const temporary = join(driver.folder, "tmp");
    await mkdir(temporary);
    for (const [name, ageMs] of [
      ["old", DAY_MS + 60_000],
      ["young", DAY_MS - 60_000],
    ] as const) {
      const time = new Date(Date.now() - ageMs);
      await writeFile(join(temporary, name), "half");
      await utimes(join(temporary, name), time, time);
    }
    await driver.put("a", new Uint8Array(1), undefined, signal);
    assert.deepEqual(await readdir(temporary), ["young"]);
  });

  test("of two writers of a name, exactly one creates it", async () => {
    await using one = await openNew();
    await using two = await openSftp(server.url(one.folder), optionsFor(server));
    for (let round = 0; round < 20; round += 1) {
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

  test("what stands in the place of an object is not taken for it", async () => {
    await using driver = await openNew();
    await mkdir(join(driver.folder, "packs/a"), { recursive: true });
    const put = driver.put("packs/a", new Uint8Array(1), undefined, signal);
    await assert.rejects(put, hasCode("ERR_STORAGE_FAILED"));
    assert.deepEqual(await filesBelow(driver.folder), []);
  });
});

suite("SFTP of OpenSSH: the folder itself", { skip: sshdMissing }, () => {
  test("a missing one is told, and made only on request", async () => {
    const path = join(server.folder, "new/a/b");
    await assert.rejects(openSftp(server.url(path), optionsFor(server)), hasCode("ERR_STORAGE_MISSING"));
    await using driver = await openSftp(server.url(path), { ...optionsFor(server), create: true });
    assert.equal(await driver.put("a", new Uint8Array(1), undefined, signal), "created");
    assert.deepEqual(await filesBelow(path), ["a"]);
  });

  test("a file is no storage", async () => {
    const path = join(server.folder, "file");
    await writeFile(path, "x");
    for (const create of [false, true]) {
      const opening = openSftp(server.url(path), { ...optionsFor(server), create });
      await assert.rejects(opening, hasCode("ERR_STORAGE_MISSING"));
    }
  });

  test("when it vanishes, every call but free says so and none makes it anew", async () => {
    await using driver = await openNew();
    await driver.put("packs/a", Buffer.from("hello"), undefined, signal);
    await rm(driver.folder, { recursive: true });
    for (const call of [
      () => driver.put("packs/b", new Uint8Array(1), undefined, signal),
      () => driver.get("packs/a", undefined, signal),
      () => driver.list("packs/", undefined, signal),
      () => driver.stat("packs/a", signal),
      () => driver.delete("packs/a", signal),
    ]) {
      await assert.rejects(call, hasCode("ERR_STORAGE_MISSING"));
    }
    await assert.rejects(stat(driver.folder));
  });

  test("when a folder in it vanishes, a put makes it again", async () => {
    await using driver = await openNew();
    await driver.put("packs/a", Buffer.from("1"), undefined, signal);
    await rm(join(driver.folder, "packs"), { recursive: true });
    await rm(join(driver.folder, "tmp"), { recursive: true });
    assert.equal(await driver.put("packs/b", Buffer.from("2"), undefined, signal), "created");
  });

  test("a server that only reads denies a put, and gives what is there", async () => {
    await using readOnly = await startSftpServer({ arguments: ["-R"] });
    await writeFile(join(readOnly.folder, "a"), "hello");
    await using driver = await openSftp(readOnly.url(readOnly.folder), optionsFor(readOnly));
    assert.equal((await driver.get("a", undefined, signal)).toString(), "hello");
    const put = driver.put("b", new Uint8Array(1), undefined, signal);
    await assert.rejects(put, hasCode("ERR_STORAGE_DENIED"));
    await assert.rejects(driver.delete("a", signal), hasCode("ERR_STORAGE_DENIED"));
  });

  test("a full disk is told, and no half object stays", async (context) => {
    const path = await mkdtemp(join(server.folder, "full"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", path], { stdio: "ignore" });
    } catch {
      context.skip("needs the right to mount a file system in memory");
      return;
    }
    try {
      await using driver = await openSftp(server.url(path), optionsFor(server));
      const put = driver.put("packs/a", Buffer.alloc(16 * MEBIBYTE, 1), undefined, signal);
      await assert.rejects(put, hasCode("ERR_STORAGE_FULL"));
      assert.deepEqual(await filesBelow(path), []);
      const names = ["packs/1", "packs/2", "packs/3", "packs/4"];
      const puts = names.map((name) => driver.put(name, Buffer.alloc(5 * MEBIBYTE, 1), undefined, signal));
      for (const outcome of await Promise.allSettled(puts)) {
        if (outcome.status === "rejected")
          assert(hasCode("ERR_STORAGE_FULL")(outcome.reason), outcome.reason);
      }
      for (const name of names) await driver.delete(name, signal);
      assert.equal(await driver.put("packs/a", Buffer.alloc(MEBIBYTE), undefined, signal), "created");
      const free = await driver.free(signal);
      assert(free !== null && free > 0 && free <= 7 * MEBIBYTE);
    } finally {
      execFileSync("umount", [path]);
    }
  });
});

suite("SFTP of OpenSSH: a connection that ends", { skip: sshdMissing }, () => {
  test("a server killed in the middle of a put leaves nothing half, and another put does it", async () => {
    await using own = await startSftpServer();
    await using driver = await openSftp(own.url(own.folder), optionsFor(own));
    const bytes = Buffer.alloc(48 * MEBIBYTE, 7);
    const put = driver.put("packs/a", bytes, undefined, signal);
    const failed = assert.rejects(put, hasCode("ERR_STORAGE_UNREACHABLE"));
    await until(async () => (await readdir(own.folder)).includes("tmp"));
    await own.kill();
    await failed;
    assert.deepEqual(
      (await filesBelow(own.folder)).filter((name) => !name.startsWith("tmp/")),
      [],
    );
    await assert.rejects(driver.stat("packs/a", signal), hasCode("ERR_STORAGE_UNREACHABLE"));
    await own.start();
    assert.equal(await driver.put("packs/a", bytes, undefined, signal), "created");
    assert((await driver.get("packs/a", undefined, signal)).equals(bytes));
  });

  test("a connection cut in a transfer is unreachable, one that falls silent times out", async () => {
    await using proxy = await startFaultProxy(server.port);
    await using own = await openNew();
    await own.put("packs/a", Buffer.alloc(8 * MEBIBYTE, 3), undefined, signal);
    const options = { ...optionsFor(server), idleTimeoutMs: 2000, connectTimeoutMs: 5000 };
    const known = join(own.folder, "known_hosts");
    await writeFile(known, `[127.0.0.1]:${String(proxy.port)} ${server.hostKey.join(" ")}\n`);
    const url = server.url(own.folder).replace(`:${String(server.port)}`, `:${String(proxy.port)}`);
    await using driver = await openSftp(url, { ...options, knownHosts: [known] });
    await proxy.set({ cut: { direction: "toClient", afterBytes: MEBIBYTE, times: 1 } });
    await assert.rejects(driver.get("packs/a", undefined, signal), hasCode("ERR_STORAGE_UNREACHABLE"));
    await proxy.set({ cut: { direction: "toServer", afterBytes: MEBIBYTE, times: 1 } });
    const cutPut = driver.put("packs/b", Buffer.alloc(8 * MEBIBYTE), undefined, signal);
    await assert.rejects(cutPut, hasCode("ERR_STORAGE_UNREACHABLE"));
    await proxy.set({ corrupt: { direction: "toClient", atByte: MEBIBYTE, times: 1 } });
    await assert.rejects(driver.get("packs/a", undefined, signal), hasCode("ERR_STORAGE_UNREACHABLE"));
    await proxy.set();
    await driver.stat("packs/a", signal);
    await proxy.set({ blackHole: true });
    await assert.rejects(driver.get("packs/a", undefined, signal), hasCode("ERR_STORAGE_TIMEOUT"));
    await proxy.set();
    assert.equal((await driver.get("packs/a", undefined, signal)).length, 8 * MEBIBYTE);
  });

  test("a cancelled call ends at once and closes its connection, and others go on", async () => {
    await using proxy = await startFaultProxy(server.port);
    await using own = await openNew();
    const known = join(own.folder, "known_hosts");
    await writeFile(known, `[127.0.0.1]:${String(proxy.port)} ${server.hostKey.join(" ")}\n`);
    const url = server.url(own.folder).replace(`:${String(server.port)}`, `:${String(proxy.port)}`);
    await using driver = await openSftp(url, { ...optionsFor(server), knownHosts: [known] });
    await proxy.set({ bytesPerSecond: 4 * MEBIBYTE });
    const abort = new AbortController();
    const cancelled = driver.put("packs/a", Buffer.alloc(16 * MEBIBYTE), undefined, abort.signal);
    const other = driver.put("packs/b", Buffer.alloc(MEBIBYTE), undefined, signal);
    await until(() => Promise.resolve(proxy.passed.toServer > 2 * MEBIBYTE));
    abort.abort();
    await assert.rejects(cancelled, hasCode("ERR_CANCELLED"));
    assert.equal(await other, "created");
    await until(() => Promise.resolve(proxy.open === 1));
    assert.equal(await driver.stat("packs/a", signal), null);
  });
});

suite("SFTP of OpenSSH: what the server does not offer", { skip: sshdMissing }, () => {
  for (const [what, options, code] of [
    ["no SFTP", { subsystem: false }, "ERR_STORAGE_DENIED"],
    ["ciphers of long ago only", { config: ["Ciphers aes128-cbc"] }, "ERR_UNSUPPORTED"],
    [
      "a key exchange of long ago only",
      { config: ["KexAlgorithms diffie-hellman-group1-sha1"] },
      "ERR_UNSUPPORTED",
    ],
  ] as const) {
    test(`${what} is ${code}`, async () => {
      await using own = await startSftpServer(options);
      await assert.rejects(openSftp(own.url(own.folder), optionsFor(own)), hasCode(code));
    });
  }

  test("a server with AES-CTR and HMAC only is spoken to", async () => {
    await using own = await startSftpServer({ config: ["Ciphers aes256-ctr", "MACs hmac-sha2-256"] });
    await using driver = await openSftp(own.url(own.folder), optionsFor(own));
    const bytes = Buffer.alloc(3 * MEBIBYTE, 5);
    assert.equal(await driver.put("packs/a", bytes, undefined, signal), "created");
    assert((await driver.get("packs/a", undefined, signal)).equals(bytes));
  });
});

test("of a host with several keys, one that is known is asked for", { skip: sshdMissing }, async () => {
  await using scratch = await scratchFolder();
  for (const type of ["rsa", "ecdsa"]) {
    const path = makeKey(join(scratch.path, type), type);
    await using own = await startSftpServer({ config: [`HostKey ${path}`] });
    const known = join(scratch.path, "known_hosts");
    await writeFile(known, `[127.0.0.1]:${String(own.port)} ${await readFile(`${path}.pub`, "utf8")}`);
    await using driver = await openSftp(own.url(own.folder), { ...optionsFor(own), knownHosts: [known] });
    assert.equal(await driver.stat("a", signal), null);
  }
});

suite("SFTP of OpenSSH: logging in", { skip: sshdMissing }, () => {
  async function logIn(credentials: SftpCredentials): Promise<void> {
    await using driver = await openSftp(server.url(server.folder), {
      knownHosts: [server.knownHosts],
      credentials: () => Promise.resolve(credentials),
    });
    assert.equal(await driver.stat("nothing", signal), null);
  }

  test("with a key file, with a key as text, and with neither when they are wrong", async () => {
    await using scratch = await scratchFolder();
    await logIn({ keyFiles: [server.keyFile] });
    await logIn({ keys: [await readFile(server.keyFile)] });
    const other = makeKey(join(scratch.path, "other"));
    await assert.rejects(logIn({ keyFiles: [other] }), hasCode("ERR_STORAGE_CREDENTIALS"));
    await assert.rejects(logIn({ keyFiles: ["/missing"] }), hasCode("ERR_STORAGE_CREDENTIALS"));
    await assert.rejects(logIn({ keys: ["no key"] }), hasCode("ERR_STORAGE_CREDENTIALS"));
    await assert.rejects(logIn({ password: "wrong" }), hasCode("ERR_STORAGE_CREDENTIALS"));
  });

  for (const type of ["ed25519", "ecdsa", "rsa"]) {
    test(`with an encrypted ${type} key and its passphrase`, async () => {
      await using own = await startSftpServer();
      await using scratch = await scratchFolder();
      const keyFile = makeKey(join(scratch.path, "key"), type, "pass phrase");
      await writeFile(`${own.keyFile}.pub`, await readFile(`${keyFile}.pub`));
      const tryWith = async (passphrase?: string): Promise<void> => {
        const credentials = { keyFiles: [keyFile], ...(passphrase === undefined ? {} : { passphrase }) };
        const options = { ...optionsFor(own), credentials: () => Promise.resolve(credentials) };
        await using driver = await openSftp(own.url(own.folder), options);
        await driver.stat("a", signal);
      };
      await tryWith("pass phrase");
      await assert.rejects(tryWith("another phrase"), (error) => {
        assert.doesNotMatch(JSON.stringify(error), /another phrase/);
        return hasCode("ERR_STORAGE_CREDENTIALS")(error);
      });
      await assert.rejects(tryWith(), hasCode("ERR_STORAGE_CREDENTIALS"));
    });
  }

  test("with an agent", async () => {
    await using scratch = await scratchFolder();
    const agentSocket = join(scratch.path, "agent");
    const agent = spawn("ssh-agent", ["-D", "-a", agentSocket], { stdio: "ignore" });
    try {
      await until(() => stat(agentSocket).then(Boolean, () => false));
      await assert.rejects(logIn({ agentSocket }), hasCode("ERR_STORAGE_CREDENTIALS"));
      const env = { ...process.env, SSH_AUTH_SOCK: agentSocket };
      execFileSync("ssh-add", ["-q", server.keyFile], { env, stdio: "ignore" });
      await logIn({ agentSocket });
    } finally {
      agent.kill();
      await once(agent, "exit");
    }
    await assert.rejects(logIn({ agentSocket }), hasCode("ERR_STORAGE_CREDENTIALS"));
  });
});
