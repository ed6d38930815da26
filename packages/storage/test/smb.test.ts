import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, stat, statfs, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type AppError, isAppError } from "@holdfast/kernel";
import { testStorage } from "../src/conformance.ts";
import type { RemoteDriver } from "../src/remote/driver.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { openSmb, type SmbOptions } from "../src/smb/smb-driver.ts";
import { hasCode } from "./memory-driver.ts";
import { scratchFolder } from "./scratch-folder.ts";
import {
  descendants,
  freePort,
  SMB_USER,
  smbServerAbsence,
  type SmbServer,
  startSmbServer,
} from "./servers/smb-server.ts";

const MEBIBYTE = 1024 * 1024;
const never = new AbortController().signal;

function open(server: SmbServer, path: string, options: Partial<SmbOptions> = {}): RemoteDriver {
  return openSmb(new URL(`smb://${SMB_USER}@127.0.0.1:${String(server.port)}/${path}`), {
    credentials: () => Promise.resolve({ password: server.password }),
    create: true,
    ...options,
  });
}

const absence = smbServerAbsence();
if (absence === undefined) {
  const signing = await startSmbServer(["server signing = mandatory"]);
  const encrypting = await startSmbServer(["smb encrypt = required"]);
  const lax = await startSmbServer(["server signing = default", "smb encrypt = default"]);
  after(async () => {
    for (const server of [signing, encrypting, lax]) await server[Symbol.asyncDispose]();
  });
  testStorage("SMB, signed", () =>
    Promise.resolve(openRemoteStorage(open(signing, `storage/${randomUUID()}/deeper`))),
  );
  testStorage("SMB, encrypted", () =>
    Promise.resolve(
      openRemoteStorage(open(encrypting, `storage/${randomUUID()}`, { encrypt: "required", connections: 2 })),
    ),
  );
  testConnecting(lax);
  testProtection(lax, encrypting);
  testWriting(lax);
  testAccidents(lax);
} else {
  test("SMB against Samba", { skip: absence }, () => undefined);
}

function testConnecting(server: SmbServer): void {
  suite("connecting to an SMB server", () => {
    test("with a wrong password or user is refused, without a word of them", async () => {
      const wrong = [{ password: "sesame-qx" }, { user: "nobody-qx", password: "sesame-qx" }];
      for (const credentials of wrong) {
        await using driver = open(server, "storage/a", { credentials: () => Promise.resolve(credentials) });
        const [outcome] = await Promise.allSettled([driver.stat("a", never)]);
        assert(outcome.status === "rejected");
        const error: unknown = outcome.reason;
        assert(isAppError(error, "ERR_STORAGE_CREDENTIALS"));
        assert(!everything(error).includes("-qx"));
      }
    });

    test("to a share that is not for this user is denied", async () => {
      await using driver = open(server, "private", { create: false });
      await assert.rejects(driver.stat("a", never), hasCode("ERR_STORAGE_DENIED"));
    });

    test("asks for credentials again, and takes the new ones", async () => {
      const passwords = ["old", server.password];
      const credentials = (): Promise<{ password: string }> =>
        Promise.resolve({ password: passwords.shift() ?? server.password });
      await using storage = openRemoteStorage(open(server, "storage/renewed", { credentials }));
      assert.equal(await storage.put("a", Buffer.from("hello")), "created");
      assert.deepEqual(passwords, []);
    });

    test("without a password asks the server nothing", async () => {
      await using driver = open(server, "storage", { credentials: () => Promise.resolve({}) });
      await assert.rejects(driver.free(never), hasCode("ERR_STORAGE_CREDENTIALS"));
    });

    test("to a share or folder that is not there says so", async () => {
      for (const path of ["nothing", "nothing/a", "storage/nothing", "storage/nothing/a"]) {
        await using driver = open(server, path, { create: false });
        await assert.rejects(driver.stat("a", never), hasCode("ERR_STORAGE_MISSING"));
      }
    });

    test("where nobody listens, and to a name that nobody has, is told as unreachable", async () => {
      const port = await freePort();
      for (const host of [`127.0.0.1:${String(port)}`, "nobody.invalid"]) {
        await using driver = openSmb(new URL(`smb://${SMB_USER}@${host}/storage`), {
          credentials: () => Promise.resolve({ password: "x" }),
        });
        await assert.rejects(driver.stat("a", never), hasCode("ERR_STORAGE_UNREACHABLE"));
      }
    });

    test("works with a folder whose name needs encoding", async () => {
      await using driver = open(server, "storage/a%20b%25c%C3%A9%23%3B%24/x");
      assert.equal(await driver.put("packs/a", Buffer.from("hello"), undefined, never), "created");
      assert.equal((await readFile(join(server.folder, "a b%c\u00e9#;$/x/packs/a"))).toString(), "hello");
    });

    test("knows the free space", async () => {
      await using driver = open(server, "storage");
      const free = await driver.free(never);
      const stats = await statfs(server.folder);
      assert(free !== null);
      assert(Math.abs(free - stats.bavail * stats.bsize) < 1024 * MEBIBYTE);
    });
  });
}

function testProtection(lax: SmbServer, encrypting: SmbServer): void {
  suite("an SMB connection", () => {
    test("is signed where the server does not ask for it, whatever the user's smb.conf says", async () => {
      await using home = await scratchFolder();
      await mkdir(join(home.path, ".smb"));
      const weak =
        "[global]\nclient signing = disabled\nclient min protocol = NT1\nclient max protocol = NT1\n";
      await writeFile(join(home.path, ".smb", "smb.conf"), weak);
      const before = process.env["HOME"];
      process.env["HOME"] = home.path;
      try {
        await using driver = open(lax, "storage");
        await driver.put(randomUUID(), Buffer.from("x"), undefined, never);
        const session = sessionLine(lax);
        assert.match(session, /SMB3_11\s+-\s+(?:partial\()?AES-128-GMAC/u);
      } finally {
        process.env["HOME"] = before;
      }
    });

    test("is encrypted when asked", async () => {
      for (const [server, encrypt] of [
        [lax, "required"],
        [lax, "desired"],
        [encrypting, undefined],
      ] as const) {
        await using driver = open(server, "storage", encrypt === undefined ? {} : { encrypt });
        await driver.put(randomUUID(), Buffer.from("x"), undefined, never);
        assert.match(sessionLine(server), /SMB3_11\s+(?:partial\()?AES-128-GCM/u);
      }
    });

    test("is not made where it cannot be encrypted as required", async () => {
      // The second one can encrypt, but libsmbclient does not notice.
      for (const settings of [["smb encrypt = off"], ["host msdfs = no"]]) {
        await using plain = await startSmbServer(settings);
        await using driver = open(plain, "storage", { encrypt: "required" });
        await assert.rejects(driver.stat("a", never), hasCode("ERR_UNSUPPORTED"));
        await using desired = open(plain, "storage", { encrypt: "desired" });
        assert.equal(await desired.stat("a", never), null);
      }
    });

    test("is not made with SMB 1", async () => {
      await using old = await startSmbServer(["server min protocol = NT1", "server max protocol = NT1"]);
      await using driver = open(old, "storage");
      await assert.rejects(driver.stat("a", never), (error) => isAppError(error));
    });

    test("leaves the password neither on a command line nor in an environment", async () => {
      await using driver = open(lax, "storage");
      await driver.stat("a", never);
      const helpers = helperProcesses();
      assert.equal(helpers.length, 1);
      for (const pid of helpers) {
        for (const file of ["cmdline", "environ"]) {
          assert(!readFileSync(`/proc/${String(pid)}/${file}`).includes(lax.password));
        }
      }
    });

    test("ends with the storage", async () => {
      const driver = open(lax, "storage");
      await Promise.all(["a", "b", "c"].map((name) => driver.stat(name, never)));
      assert.equal(helperProcesses().length, 3);
      await driver[Symbol.asyncDispose]();
      assert.deepEqual(helperProcesses(), []);
    });
  });
}

function testWriting(server: SmbServer): void {
  suite("writing to an SMB share", () => {
    test("of two storages gives each name to exactly one", async () => {
      const path = `storage/${randomUUID()}`;
      await using first = open(server, path);
      await using second = open(server, path);
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
      await mkdir(join(folder, "tmp"), { recursive: true });
      await chmod(folder, 0o777);
      await chmod(join(folder, "tmp"), 0o777);
      const lock = join(folder, "tmp", `lock-${createHash("sha256").update("a").digest("hex")}`);
      const old = join(folder, "tmp", "0".repeat(32));
      const young = join(folder, "tmp", "1".repeat(32));
      const foreign = join(folder, "tmp", "notes");
      for (const path of [lock, old, young, foreign]) await writeFile(path, "");
      await chmod(lock, 0o666);
      const longAgo = Date.now() / 1000 - 2 * 24 * 60 * 60;
      for (const path of [old, foreign]) await utimes(path, longAgo, longAgo);
      await using driver = open(server, "storage/dead");
      assert.equal(await driver.put("a", Buffer.from("x"), undefined, never), "created");
      assert.deepEqual((await readdir(join(folder, "tmp"))).toSorted(), ["1".repeat(32), "notes"]);
    });

    test("where it is not allowed is denied", async () => {
      await using driver = open(server, "frozen", { create: false });
      assert.deepEqual((await driver.list("packs/", undefined, never)).objects, []);
      await assert.rejects(
        driver.put("a", Buffer.from("x"), undefined, never),
        hasCode("ERR_STORAGE_DENIED"),
      );
      const folder = join(server.folder, "locked");
      await mkdir(folder, { mode: 0o755 });
      await using other = open(server, "storage/locked");
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
        await using driver = open(server, "storage/full");
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
      await using driver = open(server, path);
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
      await using storage = openRemoteStorage(open(server, path));
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
      await using driver = open(server, "storage");
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

    test("is never connected to again behind our back", async () => {
      await using driver = open(server, "storage", { connections: 1 });
      await driver.put(randomUUID(), Buffer.from("x"), undefined, never);
      const [helper] = helperProcesses();
      const session = Number(/^(\d+)\s+daemon/mu.exec(server.sessions())?.[1]);
      process.kill(session, "SIGKILL");
      await sleep(200);
      await assert.rejects(driver.put("never", Buffer.from("x"), undefined, never), (error) =>
        isAppError(error),
      );
      await assert.rejects(stat(join(server.folder, "never")));
      assert(!helperProcesses().includes(helper ?? 0));
      assert.equal(await driver.put("again", Buffer.from("x"), undefined, never), "created");
    });

    test("or falls silent is given up after the idle timeout", async () => {
      await using driver = open(server, "storage", { idleTimeoutMs: 700 });
      await driver.stat("a", never);
      const stopped = server.children();
      for (const pid of stopped) process.kill(pid, "SIGSTOP");
      try {
        const start = performance.now();
        await assert.rejects(driver.stat("a", never), hasCode("ERR_STORAGE_TIMEOUT"));
        assert(performance.now() - start < 3000);
        await disconnected(server);
      } finally {
        for (const pid of stopped) process.kill(pid, "SIGCONT");
      }
    });

    test("is let go of at once when the call is cancelled", async () => {
      const path = `storage/${randomUUID()}`;
      await using driver = open(server, path);
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

function everything(error: AppError): string {
  const texts: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) texts.push(at.message, at.stack ?? "");
  return [...texts, error.subject, error.remedy].join("\n");
}

function sessionLine(server: SmbServer): string {
  return /^\d+\s+daemon.*$/mu.exec(server.sessions())?.[0] ?? "";
}

function helperProcesses(): readonly number[] {
  return descendants(process.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${String(pid)}/cmdline`).includes("smb/helper.ts");
    } catch {
      return false;
    }
  });
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
  for (let attempt = 0; connections(server.port) > 0; attempt += 1) {
    assert(attempt < 50);
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
