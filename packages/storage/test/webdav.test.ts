/** The WebDAV driver against Apache's mod_dav: the contract, and what goes wrong with real servers and networks. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { testStorage } from "@holdfast/storage/conformance";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { assertFails, never, nextFolder, noise, open } from "./servers/webdav-storage.ts";
import { startWebdavServer, type WebdavServer, webdavServerMissing } from "./servers/webdav-server.ts";

const MEBIBYTE = 1024 * 1024;
const skip = webdavServerMissing;
if (skip !== false) process.stderr.write(`Skipping the tests of WebDAV: ${skip}.\n`);

for (const [name, tls, authentication] of [
  ["Digest over plain HTTP", false, "digest"],
  ["Basic over TLS", true, "basic"],
] as const) {
  suite(`webdav on Apache, ${name}`, { skip }, () => {
    let server: WebdavServer;
    before(async () => {
      server = await startWebdavServer({ tls, authentication });
    });
    after(async () => {
      await server[Symbol.asyncDispose]();
    });
    testStorage(`webdav, ${name}`, async () => openRemoteStorage(await open(server), {}));
    testCredentials(() => server);
    testFolders(() => server);
    testWriters(() => server);
  });
}

function testCredentials(server: () => WebdavServer): void {
  test("wrong credentials are refused as such", async () => {
    for (const wrong of [
      { user: "alice", password: "wrong" },
      { user: "bob", password: "first secret" },
    ]) {
      await assertFails(
        "ERR_STORAGE_CREDENTIALS",
        open(server(), { credentials: () => Promise.resolve(wrong) }),
      );
    }
  });

  test("replaced credentials are used once the old ones are refused", async () => {
    let password = "first secret";
    let asked = 0;
    const source = () => {
      asked += 1;
      return Promise.resolve({ user: "alice", password });
    };
    await using driver = await open(server(), { credentials: source });
    await using storage = openRemoteStorage(driver);
    await storage.put("x", Buffer.from("hello"));
    assert.equal(asked, 1);
    await server().setUser("alice", "second secret");
    try {
      await assertFails("ERR_STORAGE_CREDENTIALS", driver.get("x", undefined, never));
      password = "second secret";
      assert.equal((await storage.get("x")).toString(), "hello");
      const askedBefore = asked;
      await Promise.all(Array.from({ length: 5 }, () => storage.get("x")));
      assert.equal(asked, askedBefore);
    } finally {
      await server().setUser("alice", "first secret");
    }
  });

  test("credentials that cannot be had or sent are told as such, and can be called off", async () => {
    for (const source of [
      () => Promise.reject(new Error("the vault is closed")),
      () => Promise.resolve({ bearer: "first secret\n" }),
      () => Promise.resolve({ user: "alice\nX-Forged: 1", password: "first secret" }),
    ]) {
      await assertFails("ERR_STORAGE_CREDENTIALS", open(server(), { credentials: source }));
    }
    const signal = AbortSignal.timeout(20);
    const waiting = () => new Promise<never>(() => undefined);
    await assertFails("ERR_CANCELLED", open(server(), { credentials: waiting, signal }));
  });

  test("without permission it is denied, not missing", async () => {
    await assertFails("ERR_STORAGE_DENIED", open(server(), { folder: "denied" }));
    await using driver = await open(server(), { folder: "readonly" });
    await assertFails("ERR_STORAGE_DENIED", driver.put("packs/x", Buffer.alloc(9), undefined, never));
    assert.deepEqual(await readdir(join(server().files, "readonly")), []);
  });
}

function testFolders(server: () => WebdavServer): void {
  test("a missing folder is told, and made only when asked for, with those above it", async () => {
    const folder = `${nextFolder()}/a b/c&d`;
    await assertFails("ERR_STORAGE_MISSING", open(server(), { folder, create: false }));
    await using driver = await open(server(), { folder: folder.replace(" ", "%20") });
    assert.equal(await driver.put("packs/x", Buffer.alloc(9), undefined, never), "created");
    assert(existsSync(join(server().files, folder, "packs/x")));
    assert.equal((await driver.list("", undefined, never)).next, '["packs"]');
    await using again = await open(server(), { folder: folder.replace(" ", "%20"), create: false });
    assert.equal((await again.stat("packs/x", never))?.size, 9);
  });

  test("when it vanishes, every call says so and none makes it anew", async () => {
    const folder = nextFolder();
    await using driver = await open(server(), { folder });
    await driver.put("packs/x", Buffer.alloc(9), undefined, never);
    await rm(join(server().files, folder), { recursive: true });
    for (const call of [
      () => driver.put("packs/y", Buffer.alloc(9), undefined, never),
      () => driver.put("packs/y", Buffer.alloc(MEBIBYTE), undefined, never),
      () => driver.get("packs/x", undefined, never),
      () => driver.get("packs/x", { offset: 0, length: 1 }, never),
      () => driver.list("", undefined, never),
      () => driver.list("packs/", undefined, never),
      () => driver.stat("packs/x", never),
      () => driver.delete("packs/x", never),
    ]) {
      await assertFails("ERR_STORAGE_MISSING", call());
    }
    assert(!existsSync(join(server().files, folder)));
  });

  test("a folder that somebody removed is made again", async () => {
    const folder = nextFolder();
    await using driver = await open(server(), { folder });
    await driver.put("packs/aa/x", Buffer.alloc(9), undefined, never);
    for (const gone of ["packs", "tmp"]) {
      await rm(join(server().files, folder, gone), { recursive: true });
      assert.equal(await driver.put(`packs/aa/${gone}-x`, Buffer.alloc(9), undefined, never), "created");
    }
  });

  test("a folder in the place of an object is neither replaced nor deleted", async () => {
    const folder = nextFolder();
    await using driver = await open(server(), { folder });
    await driver.put("packs/aa/x", Buffer.from("hello"), undefined, never);
    await assertFails("ERR_STORAGE_FAILED", driver.put("packs/aa", Buffer.alloc(9), undefined, never));
    await driver.delete("packs/aa", never);
    await driver.delete("packs", never);
    assert.equal((await driver.get("packs/aa/x", undefined, never)).toString(), "hello");
  });

  test("nothing but the object is left of a put, and old rubbish goes", async () => {
    const folder = nextFolder();
    {
      await using first = await open(server(), { folder });
      assert.equal(await first.put("x", Buffer.alloc(MEBIBYTE), undefined, never), "created");
      assert.equal(await first.put("x", Buffer.alloc(MEBIBYTE), undefined, never), "exists");
      assert.equal(await first.put("x", Buffer.alloc(9), undefined, never), "exists");
    }
    const temporary = join(server().files, folder, "tmp");
    assert.deepEqual(await readdir(temporary), []);
    const longAgo = new Date(Date.now() - 25 * 60 * 60 * 1000);
    const [old, young, foreign] = ["a".repeat(32), "b".repeat(32), "c"];
    for (const name of [old, young, foreign]) await writeFile(join(temporary, name), "x");
    for (const name of [old, foreign]) await utimes(join(temporary, name), longAgo, longAgo);
    const claim = `claim-${"d".repeat(64)}`;
    await server().makeFolder(`${folder}/tmp/${claim}`);
    await utimes(join(temporary, claim), longAgo, longAgo);
    await using second = await open(server(), { folder });
    await second.put("y", Buffer.alloc(9), undefined, never);
    assert.deepEqual((await readdir(temporary)).toSorted(), [young, foreign].toSorted());
  });

  test("a storage that is full says so, and keeps what it has", async (context) => {
    if (process.getuid?.() !== 0) return context.skip("needs root to mount a small file system");
    const folder = nextFolder();
    const path = await server().makeFolder(folder);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m,mode=777", "tmpfs", path]);
    try {
      await using driver = await open(server(), { folder });
      assert.equal(await driver.put("x", noise(2 * MEBIBYTE), undefined, never), "created");
      await assertFails("ERR_STORAGE_FULL", driver.put("y", noise(2 * MEBIBYTE), undefined, never));
      assert.equal(await driver.stat("y", never), null);
      assert((await driver.get("x", undefined, never)).equals(noise(2 * MEBIBYTE)));
      await driver.delete("x", never);
      assert.equal(await driver.put("y", noise(2 * MEBIBYTE), undefined, never), "created");
    } finally {
      execFileSync("umount", [path]);
    }
    return undefined;
  });
}

function testWriters(server: () => WebdavServer): void {
  test("of two writers of one name exactly one creates it, time and again", async () => {
    const folder = nextFolder();
    await using first = await open(server(), { folder });
    await using second = await open(server(), { folder });
    for (let round = 0; round < 40; round += 1) {
      const name = `packs/${String(round)}`;
      const outcomes = await Promise.all(
        [first, second, first, second].map((driver, index) =>
          driver.put(name, Buffer.alloc(100 + index, index), undefined, never),
        ),
      );
      assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1, outcomes.join());
      const winner = outcomes.indexOf("created");
      assert((await second.get(name, undefined, never)).equals(Buffer.alloc(100 + winner, winner)));
    }
    assert.deepEqual(await readdir(join(server().files, folder, "tmp")), []);
  });

  test("a claim that a dead writer left holds a name up for a while, not for ever", async () => {
    const folder = nextFolder();
    await using driver = await open(server(), { folder });
    await driver.put("other", Buffer.alloc(9), undefined, never);
    const claim = `tmp/claim-${createHash("sha256").update("x").digest("hex")}`;
    const path = await server().makeFolder(`${folder}/${claim}`);
    const lately = new Date(Date.now() - 17_000);
    await utimes(path, lately, lately);
    assert.equal(await driver.put("x", Buffer.alloc(9), undefined, never), "created");
    // The server tells times in whole seconds.
    assert(Date.now() - lately.getTime() > 19_000, "the claim was not waited for");
    assert(!existsSync(path));
  });

  test("who waits for a claim learns that the object exists, and can be called off", async () => {
    const folder = nextFolder();
    await using driver = await open(server(), { folder });
    await driver.put("other", Buffer.alloc(9), undefined, never);
    const claim = `tmp/claim-${createHash("sha256").update("x").digest("hex")}`;
    await server().makeFolder(`${folder}/${claim}`);
    const abort = new AbortController();
    const first = driver.put("x", Buffer.alloc(9), undefined, abort.signal);
    const second = driver.put("x", Buffer.alloc(9), undefined, never);
    await sleep(200);
    abort.abort();
    await assertFails("ERR_CANCELLED", first);
    await writeFile(join(server().files, folder, "x"), "hello");
    assert.equal(await second, "exists");
    assert.deepEqual(await readdir(join(server().files, folder, "tmp")), [claim.slice(4)]);
  });
}

test("webdav: the server that was started for a test leaves nothing behind", { skip }, async () => {
  const server = await startWebdavServer({ tls: false, authentication: "basic" });
  const configuration = join(server.files, "../apache.conf");
  assert((await readFile(configuration, "utf8")).includes("Listen 127.0.0.1:"));
  await server[Symbol.asyncDispose]();
  assert(!existsSync(configuration));
});
