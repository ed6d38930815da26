/** The Azure driver against Azurite: contract, rights, trust, writers and large objects. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { inspect } from "node:util";
import { openAzure } from "../src/azure/open-azure.ts";
import type { AzureOptions } from "../src/azure/options.ts";
import { testStorage } from "../src/conformance.ts";
import { openStorage } from "../src/open-storage.ts";
import type { RemoteDriver } from "../src/remote/driver.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { always, freshUrl, hasCode, keyOf, MEBIBYTE, never } from "./azure-fixture.ts";
import { setEnvironment } from "./s3-fixture.ts";
import { scratchFolder } from "./scratch-folder.ts";
import { startAzureServer } from "./servers/azure-server.ts";

const server = await startAzureServer();
after(() => server[Symbol.asyncDispose]());
const secure = await startAzureServer({ tls: true });
after(() => secure[Symbol.asyncDispose]());
const container = await server.makeContainer();
const secureContainer = await secure.makeContainer();
const scratch = await scratchFolder();
after(() => scratch[Symbol.asyncDispose]());
const caFile = join(scratch.path, "authority.pem");
writeFileSync(caFile, secure.authority.pem);
const credentials = always(keyOf(server));
const BLOCKS = { blocksFromBytes: MEBIBYTE, blockBytes: 300_000 };

const put = (driver: RemoteDriver, name: string, bytes: Uint8Array | string) =>
  driver.put(name, Buffer.from(bytes), undefined, never);

testStorage("Azure", async () =>
  openRemoteStorage(await openAzure(freshUrl(server, container), { credentials })),
);
testStorage("Azure over TLS", async () => {
  const options = { credentials: always(keyOf(secure)), caFile };
  return openRemoteStorage(await openAzure(freshUrl(secure, secureContainer), options));
});
testStorage("Azure with a SAS and in blocks", async () => {
  const sas = always({ sas: server.sas(container, "rwdlc") });
  return openRemoteStorage(await openAzure(freshUrl(server, container), { credentials: sas, ...BLOCKS }));
});

suite("Azure: the container", () => {
  test("may be used as a whole, and a folder may have any name", async () => {
    const own = await server.makeContainer();
    for (const folder of ["", "/a%20b/%C3%A4+%23/deep"]) {
      const location = `azure://${own}${folder}?endpoint=${server.endpoint()}&parallel=2`;
      await using storage = await openStorage(location, { credentials });
      assert.equal(await storage.put("packs/a", Buffer.from("hello")), "created");
      const names = (await Array.fromAsync(storage.list("packs/"))).map(({ name }) => name);
      assert.deepEqual(names, ["packs/a"]);
      assert.equal((await storage.get("packs/a")).toString(), "hello");
    }
    const blobs = await Array.fromAsync(server.container(own).listBlobsFlat());
    assert.deepEqual(
      blobs.map(({ name }) => name),
      ["a b/ä+#/deep/packs/a", "packs/a"],
    );
  });

  test("that is missing is named as such, at the opening and later, to a key and to a SAS", async () => {
    const own = await server.makeContainer();
    const lost = hasCode("ERR_STORAGE_MISSING");
    for (const given of [keyOf(server), { sas: server.sas(own, "rwdlc") }]) {
      await server.container(own).createIfNotExists();
      await using driver = await openAzure(freshUrl(server, own), { credentials: always(given) });
      await server.container(own).delete();
      await assert.rejects(put(driver, "a", "x"), lost);
      await assert.rejects(driver.get("a", undefined, never), lost);
      await assert.rejects(driver.stat("a", never), lost);
      await assert.rejects(driver.list("", undefined, never), lost);
      await assert.rejects(openAzure(freshUrl(server, own), { credentials: always(given) }), lost);
    }
  });

  test("is known for what it can, and refuses a lock that it cannot keep", async () => {
    const url = freshUrl(server, container);
    await using driver = await openAzure(url, { credentials });
    assert.deepEqual(driver.capabilities, {
      listConsistent: true,
      freeSpace: false,
      conditionalPut: true,
      serverChecksum: false,
      objectLock: false,
      versioning: false,
    });
    const lock = { mode: "COMPLIANCE", days: 1 } as const;
    await assert.rejects(openAzure(url, { credentials, lock }), hasCode("ERR_UNSUPPORTED"));
  });

  test("may hold blobs of others, which lists leave out", async () => {
    const url = freshUrl(server, container);
    await using driver = await openAzure(url, { credentials });
    await put(driver, "a", "hello");
    for (const name of ["Upper", "with space", "tmp/x", "packs/", "ä", "a<&b"]) {
      const blob = server.container(container).getBlockBlobClient(`${url.pathname.slice(1)}/${name}`);
      await blob.upload("x", 1);
    }
    const { objects, next } = await driver.list("", undefined, never);
    assert.deepEqual(
      objects.map(({ name }) => name),
      ["a"],
    );
    assert.equal(next, undefined);
  });

  test("is listed over pages", async () => {
    await using driver = await openAzure(freshUrl(server, container), { credentials });
    const names = Array.from({ length: 2005 }, (_, index) => `index/${String(index)}`);
    const rest = names.values();
    const work = async (): Promise<void> => {
      for (const name of rest) await put(driver, name, name);
    };
    await Promise.all(Array.from({ length: 8 }, work));
    const first = await driver.list("index/", undefined, never);
    assert(first.next !== undefined);
    const second = await driver.list("index/", first.next, never);
    assert.equal(second.next, undefined);
    const listed = [...first.objects, ...second.objects].map(({ name }) => name);
    assert.deepEqual(listed.toSorted(), names.toSorted());
  });
});

suite("Azure: credentials", () => {
  const url = freshUrl(server, container);
  const wrongKey = randomBytes(64).toString("base64");

  test("wrong ones are refused, and no error repeats them", async () => {
    const sas = server.sas(container, "rwdlc");
    const wrongSas = sas.replace(/sig=.{4}/, "sig=AAAA");
    const expired = server.sas(container, "rwdlc", Date.now() - 60_000);
    for (const [wrong, secret] of [
      [{ account: server.account, accountKey: wrongKey }, wrongKey],
      [{ account: "nobody", accountKey: server.accountKey }, server.accountKey],
      [{ sas: wrongSas }, wrongSas],
      [{ sas: expired }, expired],
    ] as const) {
      const refused = hasCode("ERR_STORAGE_CREDENTIALS", secret, "SharedKey");
      await assert.rejects(openAzure(url, { credentials: always(wrong) }), refused, inspect(wrong));
    }
  });

  test("no storage shows them where it says what it is", async () => {
    const sas = server.sas(container, "rwdlc");
    await using driver = await openAzure(url, { credentials: always({ sas }) });
    const shown = inspect([driver.location, driver.capabilities], { depth: 20 });
    assert(!shown.includes("sig="));
  });

  test("replaced ones are asked for, and the call succeeds", async () => {
    await using rotating = await startAzureServer();
    const own = await rotating.makeContainer();
    let asked = 0;
    const current = () => {
      asked += 1;
      return Promise.resolve(keyOf(rotating));
    };
    const driver = await openAzure(freshUrl(rotating, own), { credentials: current });
    await using storage = openRemoteStorage(driver);
    await storage.put("a", Buffer.from("hello"));
    assert.equal(asked, 1);
    await rotating.replaceKey();
    assert.equal((await storage.get("a")).toString(), "hello");
    assert.equal(asked, 2);
  });

  test("come from the variables of Azure's own tools where none are given", async () => {
    const { account, accountKey } = server;
    const none = {
      AZURE_STORAGE_ACCOUNT: undefined,
      AZURE_STORAGE_KEY: undefined,
      AZURE_STORAGE_SAS_TOKEN: undefined,
      AZURE_STORAGE_CONNECTION_STRING: undefined,
    };
    const bare = new URL(`azure://${container}/environment`);
    const connection = `AccountName=${account};AccountKey=${accountKey};BlobEndpoint=${server.endpoint()}`;
    for (const [where, variables] of [
      [url, { AZURE_STORAGE_ACCOUNT: account, AZURE_STORAGE_KEY: accountKey }],
      [url, { AZURE_STORAGE_SAS_TOKEN: `?${server.sas(container, "rwdlc")}` }],
      [bare, { AZURE_STORAGE_CONNECTION_STRING: connection }],
    ] as const) {
      using environment = setEnvironment({ ...none, ...variables });
      assert(environment);
      await using driver = await openAzure(where);
      assert.equal(await driver.stat("nothing", never), null);
    }
    using environment = setEnvironment(none);
    assert(environment);
    await assert.rejects(openAzure(url), hasCode("ERR_STORAGE_CREDENTIALS"));
  });
});

suite("Azure: rights", () => {
  const denied = hasCode("ERR_STORAGE_DENIED");
  const withRights = async (rights: string): Promise<readonly [RemoteDriver, RemoteDriver]> => {
    const url = freshUrl(server, container);
    const owner = await openAzure(url, { credentials });
    await put(owner, "a", "hello");
    const sas = always({ sas: server.sas(container, rights) });
    return [owner, await openAzure(url, { credentials: sas, ...BLOCKS })];
  };

  test("that are missing are told as such, and nothing happens", async () => {
    const [ownerDriver, driverOfReader] = await withRights("rl");
    await using owner = ownerDriver;
    await using reader = driverOfReader;
    assert.equal((await reader.get("a", undefined, never)).toString(), "hello");
    await assert.rejects(put(reader, "b", "x"), denied);
    await assert.rejects(put(reader, "c", new Uint8Array(2 * MEBIBYTE)), denied);
    await assert.rejects(reader.delete("a", never), denied);
    assert.deepEqual((await owner.list("", undefined, never)).objects.length, 1);
  });

  test("to read are needed to read", async () => {
    const [ownerDriver, driverOfLister] = await withRights("l");
    await using owner = ownerDriver;
    await using lister = driverOfLister;
    assert.equal((await lister.list("", undefined, never)).objects.length, 1);
    await assert.rejects(lister.get("a", undefined, never), denied);
    await assert.rejects(lister.stat("a", never), denied);
    assert((await owner.stat("a", never)) !== null);
  });

  test("to list are needed to open", async () => {
    await assert.rejects(withRights("rwdc"), denied);
  });

  test("to create are enough to store what is not too large, and nothing is overwritten by them", async () => {
    const [ownerDriver, driverOfMaker] = await withRights("rlc");
    await using owner = ownerDriver;
    await using maker = driverOfMaker;
    assert.equal(await put(maker, "b", "x"), "created");
    assert.equal(await put(maker, "a", "other"), "exists");
    await assert.rejects(put(maker, "large", new Uint8Array(2 * MEBIBYTE)), denied);
    await assert.rejects(maker.delete("a", never), denied);
    assert.equal((await owner.get("a", undefined, never)).toString(), "hello");
  });

  test("to delete are not needed by who only makes backups", async () => {
    const [ownerDriver, driverOfMaker] = await withRights("rwlc");
    await using owner = ownerDriver;
    await using maker = driverOfMaker;
    assert.equal(await put(maker, "b", "x"), "created");
    assert.equal(await put(maker, "large", new Uint8Array(2 * MEBIBYTE)), "created");
    assert.equal(await put(maker, "a", "other"), "exists");
    await assert.rejects(maker.delete("a", never), denied);
    assert.equal((await owner.get("a", undefined, never)).toString(), "hello");
  });
});

suite("Azure: trust in the server", () => {
  const open = (options: AzureOptions) =>
    openAzure(freshUrl(secure, secureContainer), { credentials: always(keyOf(secure)), ...options });
  const untrusted = hasCode("ERR_STORAGE_UNTRUSTED");

  test("an unknown certificate is refused", async () => {
    using environment = setEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: "0" });
    assert(environment);
    await assert.rejects(open({}), untrusted);
  });

  test("its authority or its fingerprint makes it known", async () => {
    const { fingerprint } = secure.certificate;
    for (const options of [
      { caFile },
      { fingerprint },
      { fingerprint: fingerprint.replaceAll(":", "").toLowerCase(), caFile },
    ]) {
      await using driver = await open(options);
      assert.equal(await put(driver, "a", "hello"), "created");
    }
  });

  test("another fingerprint is refused, also of a known authority", async () => {
    const fingerprint = createHash("sha256").update("another certificate").digest("hex");
    await assert.rejects(open({ fingerprint }), untrusted);
    await assert.rejects(open({ fingerprint, caFile }), untrusted);
  });
});

suite("Azure: writers", () => {
  for (const [kind, options, lengths] of [
    ["small objects", {}, [100, 100]],
    ["objects in blocks", BLOCKS, [2 * MEBIBYTE, 2 * MEBIBYTE]],
    ["a small object and one in blocks", BLOCKS, [100, 2 * MEBIBYTE]],
  ] as const) {
    test(`of two with one name exactly one creates it, and its object stays: ${kind}`, async () => {
      const url = freshUrl(server, container);
      await using one = await openAzure(url, { credentials, ...options });
      await using two = await openAzure(url, { credentials, ...options });
      for (let round = 0; round < 25; round += 1) {
        const name = `packs/${String(round)}`;
        const contents = [randomBytes(lengths[0]), randomBytes(lengths[1])] as const;
        const outcomes = await Promise.all([put(one, name, contents[0]), put(two, name, contents[1])]);
        assert.deepEqual(outcomes.toSorted(), ["created", "exists"], name);
        const winner = outcomes[0] === "created" ? contents[0] : contents[1];
        assert((await one.get(name, undefined, never)).equals(winner), name);
      }
    });
  }
});

suite("Azure: what is stored", () => {
  const metadataOf = async (url: URL, name: string) => {
    const blob = server.container(container).getBlockBlobClient(`${url.pathname.slice(1)}/${name}`);
    return (await blob.getProperties()).metadata;
  };

  test("has its SHA-256 with it where that is known, whole and in blocks", async () => {
    const url = freshUrl(server, container);
    await using driver = await openAzure(url, { credentials, ...BLOCKS });
    for (const length of [5, 2 * MEBIBYTE + 1]) {
      const name = `a/${String(length)}`;
      const bytes = randomBytes(length);
      const sha256 = createHash("sha256").update(bytes).digest();
      assert.equal(await driver.put(name, bytes, sha256, never), "created");
      assert.deepEqual(await metadataOf(url, name), { sha256: sha256.toString("hex") });
      assert((await driver.get(name, undefined, never)).equals(bytes));
      assert.equal(await put(driver, `${name}/without`, "x"), "created");
      assert.deepEqual(await metadataOf(url, `${name}/without`), {});
    }
  });

  test("in blocks is read back in any range", async () => {
    await using driver = await openAzure(freshUrl(server, container), { credentials, ...BLOCKS });
    const bytes = randomBytes(2 * MEBIBYTE + 77);
    await put(driver, "a", bytes);
    for (const [offset, length] of [
      [299_990, 20],
      [0, 600_001],
      [2 * MEBIBYTE, 77],
    ] as const) {
      const got = await driver.get("a", { offset, length }, never);
      assert(got.equals(bytes.subarray(offset, offset + length)));
    }
  });

  test("an unfinished upload is no object, and does not keep its name", async () => {
    const url = freshUrl(server, container);
    await using driver = await openAzure(url, { credentials, ...BLOCKS });
    for (const [name, bytes] of [
      ["small", Buffer.from("hello")],
      ["empty", Buffer.alloc(0)],
      ["large", randomBytes(2 * MEBIBYTE)],
    ] as const) {
      const blob = server.container(container).getBlockBlobClient(`${url.pathname.slice(1)}/${name}`);
      await blob.stageBlock(Buffer.alloc(18, 1).toString("base64"), "left", 4);
      assert.equal(await driver.stat(name, never), null);
      await assert.rejects(driver.get(name, undefined, never), hasCode("ERR_STORAGE_NOT_FOUND"));
      assert.deepEqual((await driver.list("", undefined, never)).objects, []);
      assert.equal(await put(driver, name, bytes), "created");
      assert.equal(await put(driver, name, "other"), "exists");
      assert((await driver.get(name, undefined, never)).equals(bytes));
      await driver.delete(name, never);
    }
  });
});

test("Azure: the account may stand in the URL or in the credentials, and is one", async () => {
  const { account, accountKey } = server;
  const url = new URL(`azure://${container}/x?account=${account}&endpoint=${server.endpoint()}`);
  for (const given of [{ accountKey }, { account, accountKey }]) {
    await using driver = await openAzure(url, { credentials: always(given) });
    assert.equal(await driver.stat("nothing", never), null);
  }
  const other = always({ account: "another", accountKey });
  await assert.rejects(
    openAzure(url, { credentials: other }),
    hasCode("ERR_STORAGE_CREDENTIALS", accountKey),
  );
});
