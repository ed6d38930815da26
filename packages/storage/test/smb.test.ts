import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readFile, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { type AppError, isAppError } from "@holdfast/kernel";
import { testStorage } from "../src/conformance.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { openSmb } from "../src/smb/smb-driver.ts";
import { hasCode } from "./memory-driver.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { helperProcesses, never, openOn, sessionLine } from "./servers/smb-clients.ts";
import {
  freePort,
  SMB_USER,
  smbServerAbsence,
  type SmbServer,
  startSmbServer,
} from "./servers/smb-server.ts";

const MEBIBYTE = 1024 * 1024;

const absence = smbServerAbsence();
if (absence === undefined) {
  const signing = await startSmbServer(["server signing = mandatory"]);
  const encrypting = await startSmbServer(["smb encrypt = required"]);
  const lax = await startSmbServer(["server signing = default", "smb encrypt = default"]);
  after(async () => {
    for (const server of [signing, encrypting, lax]) await server[Symbol.asyncDispose]();
  });
  testStorage("SMB, signed", () =>
    Promise.resolve(openRemoteStorage(openOn(signing, `storage/${randomUUID()}/deeper`))),
  );
  testStorage("SMB, encrypted", () =>
    Promise.resolve(
      openRemoteStorage(
        openOn(encrypting, `storage/${randomUUID()}`, { encrypt: "required", connections: 2 }),
      ),
    ),
  );
  testConnecting(lax);
  testProtection(lax, encrypting);
} else {
  test("SMB against Samba", { skip: absence }, () => undefined);
}

function testConnecting(server: SmbServer): void {
  suite("connecting to an SMB server", () => {
    test("with a wrong password or user is refused, without a word of them", async () => {
      const wrong = [{ password: "sesame-qx" }, { user: "nobody-qx", password: "sesame-qx" }];
      for (const credentials of wrong) {
        await using driver = openOn(server, "storage/a", { credentials: () => Promise.resolve(credentials) });
        const [outcome] = await Promise.allSettled([driver.stat("a", never)]);
        assert(outcome.status === "rejected");
        const error: unknown = outcome.reason;
        assert(isAppError(error, "ERR_STORAGE_CREDENTIALS"));
        assert(!everything(error).includes("-qx"));
      }
    });

    test("to a share that is not for this user is denied", async () => {
      await using driver = openOn(server, "private", { create: false });
      await assert.rejects(driver.stat("a", never), hasCode("ERR_STORAGE_DENIED"));
    });

    test("asks for credentials again, and takes the new ones", async () => {
      const passwords = ["old", server.password];
      const credentials = (): Promise<{ password: string }> =>
        Promise.resolve({ password: passwords.shift() ?? server.password });
      await using storage = openRemoteStorage(openOn(server, "storage/renewed", { credentials }));
      assert.equal(await storage.put("a", Buffer.from("hello")), "created");
      assert.deepEqual(passwords, []);
    });

    test("without a password asks the server nothing", async () => {
      await using driver = openOn(server, "storage", { credentials: () => Promise.resolve({}) });
      await assert.rejects(driver.free(never), hasCode("ERR_STORAGE_CREDENTIALS"));
    });

    test("to a share or folder that is not there says so", async () => {
      for (const path of ["nothing", "nothing/a", "storage/nothing", "storage/nothing/a"]) {
        await using driver = openOn(server, path, { create: false });
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
      await using driver = openOn(server, "storage/a%20b%25c%C3%A9%23%3B%24/x");
      assert.equal(await driver.put("packs/a", Buffer.from("hello"), undefined, never), "created");
      assert.equal((await readFile(join(server.folder, "a b%c\u00e9#;$/x/packs/a"))).toString(), "hello");
    });

    test("knows the free space", async () => {
      await using driver = openOn(server, "storage");
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
        await using driver = openOn(lax, "storage");
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
        await using driver = openOn(server, "storage", encrypt === undefined ? {} : { encrypt });
        await driver.put(randomUUID(), Buffer.from("x"), undefined, never);
        assert.match(sessionLine(server), /SMB3_11\s+(?:partial\()?AES-128-GCM/u);
      }
    });

    test("is not made where it cannot be encrypted as required", async () => {
      // The second one can encrypt, but libsmbclient does not notice.
      for (const settings of [["smb encrypt = off"], ["host msdfs = no"]]) {
        await using plain = await startSmbServer(settings);
        await using driver = openOn(plain, "storage", { encrypt: "required" });
        await assert.rejects(driver.stat("a", never), hasCode("ERR_UNSUPPORTED"));
        await using desired = openOn(plain, "storage", { encrypt: "desired" });
        assert.equal(await desired.stat("a", never), null);
      }
    });

    test("is not made with SMB 1", async () => {
      await using old = await startSmbServer(["server min protocol = NT1", "server max protocol = NT1"]);
      await using driver = openOn(old, "storage");
      await assert.rejects(driver.stat("a", never), (error) => isAppError(error));
    });

    test("leaves the password neither on a command line nor in an environment", async () => {
      await using driver = openOn(lax, "storage");
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
      const driver = openOn(lax, "storage");
      await Promise.all(["a", "b", "c"].map((name) => driver.stat(name, never)));
      assert.equal(helperProcesses().length, 3);
      await driver[Symbol.asyncDispose]();
      assert.deepEqual(helperProcesses(), []);
    });
  });
}

function everything(error: AppError): string {
  const texts: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) texts.push(at.message, at.stack ?? "");
  return [...texts, error.subject, error.remedy].join("\n");
}
