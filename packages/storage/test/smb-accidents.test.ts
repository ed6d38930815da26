import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, mkdir, readdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isAppError } from "@holdfast/kernel";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { SmbLibrary } from "../src/smb/library.ts";
import { CallError } from "../src/smb/native-values.ts";
import { hasCode } from "./memory-driver.ts";
import { helperProcesses, never, openOn, sessionLine } from "./servers/smb-clients.ts";
import { SMB_USER, smbServerAbsence, type SmbServer, startSmbServer } from "./servers/smb-server.ts";

const MEBIBYTE = 1024 * 1024;
/** Longer than a busy machine keeps a server from answering. */
const SILENT_MS = 3000;
/** Shorter than the timeout that holds when none is given. */
const UNASKED_MS = 25_000;

const absence = smbServerAbsence();
if (absence === undefined) {
  const server = await startSmbServer([]);
  after(() => server[Symbol.asyncDispose]());
  testWriting(server);
  testAccidents(server);
} else {
  test("writing to Samba, and its accidents", { skip: absence }, () => undefined);
}

function testWriting(server: SmbServer): void {
  suite("writing to an SMB share", () => {
    test("of two storages gives each name to exactly one", async () => {
      const path = `storage/${randomUUID()}`;
      await using first = openOn(server, path);
      await using second = openOn(server, path);
      for (let round = 0; round < 15; round += 1) {
        const name = `packs/${String(round)}`;
        const contents = Array.from({ length: 4 }, () => randomBytes(round * 10_000));
        const outcomes = await Promise.all(
          contents.map((bytes, index) =>
            (index % 2 === 0 ? first : second).put(name, bytes, undefined, never),
          ),
        );
        assert.deepEqual(outcomes.toSorted(), ["created", "exists", "exists", "exists"]);
        const winner = contents[outcomes.indexOf("created")];
        assert((await second.get(name, undefined, never)).equals(winner ?? Buffer.alloc(0)));
      }
      assert.deepEqual(await readdir(join(server.folder, path.slice("storage/".length), "tmp")), []);
    });

    test("is not held up by the lock and the temporary file of a writer that died", async () => {
      const folder = join(server.folder, "dead");
      for (const name of [".", "tmp", "_locks"]) {
        await mkdir(join(folder, name), { recursive: true });
        await chmod(join(folder, name), 0o777);
      }
      const lock = join(folder, "_locks", createHash("sha256").update("a").digest("hex").slice(0, 2));
      const old = join(folder, "tmp", "0".repeat(32));
      const young = join(folder, "tmp", "1".repeat(32));
      const foreign = join(folder, "tmp", "notes");
      for (const path of [lock, old, young, foreign]) await writeFile(path, "");
      await chmod(lock, 0o666);
      const longAgo = Date.now() / 1000 - 2 * 24 * 60 * 60;
      for (const path of [old, foreign]) await utimes(path, longAgo, longAgo);
      await using driver = openOn(server, "storage/dead");
      assert.equal(await driver.put("a", Buffer.from("x"), undefined, never), "created");
      assert.deepEqual((await readdir(join(folder, "tmp"))).toSorted(), ["1".repeat(32), "notes"]);
    });

    test("where it is not allowed is denied", async () => {
      await using driver = openOn(server, "frozen", { create: false });
      assert.deepEqual((await driver.list("packs/", undefined, never)).objects, []);
      await assert.rejects(
        driver.put("a", Buffer.from("x"), undefined, never),
        hasCode("ERR_STORAGE_DENIED"),
      );
      const folder = join(server.folder, "locked");
      await mkdir(folder, { mode: 0o755 });
      await using other = openOn(server, "storage/locked");
      await assert.rejects(other.put("a", Buffer.from("x"), undefined, never), hasCode("ERR_STORAGE_DENIED"));
    });

    test("where the disk is full says so, and leaves nothing", async (context) => {
      const folder = join(server.folder, "full");
      await mkdir(folder);
      try {
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m,mode=777", "tmpfs", folder], {
          stdio: "ignore",
        });
      } catch {
        context.skip("no file system can be mounted here");
        return;
      }
      try {
        await using driver = openOn(server, "storage/full");
        await driver.put("small", randomBytes(MEBIBYTE), undefined, never);
        const large = randomBytes(12 * MEBIBYTE);
        await assert.rejects(driver.put("large", large, undefined, never), hasCode("ERR_STORAGE_FULL"));
        assert.equal(await driver.stat("large", never), null);
        assert.deepEqual(await readdir(join(folder, "tmp")), []);
        assert.equal(await driver.put("other", randomBytes(MEBIBYTE), undefined, never), "created");
      } finally {
        execFileSync("umount", ["--lazy", folder]);
      }
    });

    test("passes over what bears no object's name", async () => {
      const path = `storage/${randomUUID()}`;
      await using driver = openOn(server, path);
      await driver.put("packs/a", Buffer.from("x"), undefined, never);
      const folder = join(server.folder, path.slice("storage/".length));
      for (const name of ["Desktop.ini", ".hidden", "packs/A B", "tmp/x"])
        await writeFile(join(folder, name), "");
      const page = await driver.list("", undefined, never);
      assert.deepEqual(
        page.objects.map(({ name }) => name),
        ["packs/a"],
      );
    });
  });
}

function testAccidents(server: SmbServer): void {
  suite("an SMB server that fails", () => {
    test("in the midst of transfers costs only time, and no object", async () => {
      const path = `storage/${randomUUID()}`;
      await using storage = openRemoteStorage(openOn(server, path));
      const before = randomBytes(5 * MEBIBYTE);
      await storage.put("packs/before", before);
      const bytes = randomBytes(48 * MEBIBYTE);
      const puts = [storage.put("packs/a", bytes), storage.put("packs/b", bytes)];
      await untilTemporary(join(server.folder, path.slice("storage/".length), "tmp"), MEBIBYTE);
      server.kill();
      await sleep(300);
      await server.start();
      assert.deepEqual(await Promise.all(puts), ["created", "created"]);
      assert((await storage.get("packs/a")).equals(bytes));
      assert((await storage.get("packs/before")).equals(before));
    });

    test("is told as unreachable while it is away", async () => {
      await using driver = openOn(server, "storage");
      await driver.stat("a", never);
      server.kill();
      try {
        const codes = ["ERR_STORAGE_UNREACHABLE", "ERR_STORAGE_FAILED"];
        await assert.rejects(
          driver.stat("a", never),
          (error) => isAppError(error) && codes.includes(error.code),
        );
        await assert.rejects(driver.stat("a", never), hasCode("ERR_STORAGE_UNREACHABLE"));
      } finally {
        await server.start();
      }
      assert.equal(await driver.stat("a", never), null);
    });

    test("costs the connection, and the next call makes a new one", async () => {
      await using driver = openOn(server, "storage", { connections: 1 });
      await driver.put(randomUUID(), Buffer.from("x"), undefined, never);
      const [helper] = helperProcesses();
      killSession(server);
      await disconnected(server);
      await assert.rejects(driver.put("never", Buffer.from("x"), undefined, never), (error) =>
        isAppError(error),
      );
      await assert.rejects(stat(join(server.folder, "never")));
      // The kernel takes its time to end what was killed.
      while (helperProcesses().includes(helper ?? 0)) await sleep(50);
      assert.equal(await driver.put("again", Buffer.from("x"), undefined, never), "created");
    });

    test("is never connected to again behind our back", async () => {
      const url = `smb://127.0.0.1:${String(server.port)}/storage`;
      const settings = new URL("../src/smb/home/.smb/smb.conf", import.meta.url);
      const library = new SmbLibrary(
        {
          op: "connect",
          url,
          port: server.port,
          user: SMB_USER,
          domain: undefined,
          password: server.password,
          encrypt: undefined,
          kerberos: false,
          create: false,
          timeoutMs: 5000,
        },
        fileURLToPath(settings),
      );
      assert(library.stat(url).isFolder);
      library.forbidReconnecting();
      assert(library.stat(url).isFolder);
      killSession(server);
      await disconnected(server);
      for (let attempt = 0; attempt < 5; attempt += 1) assert.throws(() => library.stat(url), CallError);
      assert.equal(sessionLine(server), "");
    });

    test("or whose helper process dies, too, costs only time", async () => {
      const path = `storage/${randomUUID()}`;
      await using storage = openRemoteStorage(openOn(server, path));
      const bytes = randomBytes(48 * MEBIBYTE);
      const put = storage.put("packs/a", bytes);
      await untilTemporary(join(server.folder, path.slice("storage/".length), "tmp"), MEBIBYTE);
      for (const pid of helperProcesses()) process.kill(pid, "SIGKILL");
      assert.equal(await put, "created");
      assert((await storage.get("packs/a")).equals(bytes));
    });

    test("or falls silent is given up after the idle timeout", async () => {
      await using driver = openOn(server, "storage", { idleTimeoutMs: SILENT_MS });
      await driver.stat("a", never);
      const stopped = server.children();
      for (const pid of stopped) process.kill(pid, "SIGSTOP");
      try {
        const start = performance.now();
        await assert.rejects(driver.stat("a", never), hasCode("ERR_STORAGE_TIMEOUT"));
        assert(performance.now() - start < UNASKED_MS, "the timeout was another one");
        await disconnected(server);
      } finally {
        for (const pid of stopped) process.kill(pid, "SIGCONT");
      }
    });

    test("is let go of at once when the call is cancelled", async () => {
      const path = `storage/${randomUUID()}`;
      await using driver = openOn(server, path);
      const bytes = randomBytes(48 * MEBIBYTE);
      const controller = new AbortController();
      const put = driver.put("packs/a", bytes, undefined, controller.signal);
      await untilTemporary(join(server.folder, path.slice("storage/".length), "tmp"), MEBIBYTE);
      controller.abort();
      await assert.rejects(put, hasCode("ERR_CANCELLED"));
      await disconnected(server);
      assert.equal(await driver.stat("packs/a", never), null);
      assert.equal(await driver.put("packs/a", bytes, undefined, never), "created");
      const reading = new AbortController();
      const get = driver.get("packs/a", undefined, reading.signal);
      setTimeout(() => {
        reading.abort();
      }, 20);
      await assert.rejects(get, hasCode("ERR_CANCELLED"));
    });
  });
}

function killSession(server: SmbServer): void {
  process.kill(Number(/^\d+/u.exec(sessionLine(server))?.[0]), "SIGKILL");
}

/** Established TCP connections of this machine to the port (proc(5), /proc/net/tcp: address, port, state 01). */
function connections(port: number): number {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
  return lines.filter((line) => {
    const words = line.trim().split(/\s+/u);
    return words[2]?.endsWith(remote) === true && words[3] === "01";
  }).length;
}

async function disconnected(server: SmbServer): Promise<void> {
  const endMs = performance.now() + UNASKED_MS;
  while (connections(server.port) > 0) {
    assert(performance.now() < endMs, "a connection stayed open");
    await sleep(20);
  }
}

async function untilTemporary(folder: string, size: number): Promise<void> {
  for (;;) {
    for (const name of await readdir(folder).catch(() => [])) {
      const stats = await stat(join(folder, name)).catch(() => undefined);
      if ((stats?.size ?? 0) >= size) return;
    }
    await sleep(2);
  }
}
