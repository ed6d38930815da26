/** Cut connections, killed servers and two writers at once: against a real server. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { openS3 } from "../src/s3/open-s3.ts";
import type { S3Options } from "../src/s3/options.ts";
import { always, type Fixture, freshUrl, hasCode, MEBIBYTE, never } from "./s3-fixture.ts";
import { CountingProxy } from "./servers/counting-proxy.ts";

export function testAccidents({ server, gateway, owner, admin, bucket }: Fixture): void {
  const credentials = always(owner);
  const proxied = async () => CountingProxy.start(Number(new URL(server.endpoint).port));
  const through = (proxy: CountingProxy, options: S3Options = {}) =>
    openS3(freshUrl(bucket, `http://127.0.0.1:${String(proxy.port)}`), { credentials, ...options });

  suite("S3: accidents", () => {
    test("a cancelled put closes its socket and leaves nothing", async () => {
      await using proxy = await proxied();
      await using driver = await through(proxy);
      await driver.put("a", Buffer.from("hello"), undefined, never);
      const before = proxy.sent;
      const abort = new AbortController();
      const put = driver.put("b", new Uint8Array(48 * MEBIBYTE), undefined, abort.signal);
      const rejected = assert.rejects(put, hasCode("ERR_CANCELLED"));
      await proxy.until(() => proxy.sent > before + 4 * MEBIBYTE);
      const open = proxy.open;
      abort.abort();
      await rejected;
      await proxy.until(() => proxy.open < open);
      assert.equal(await driver.stat("b", never), null);
      assert.equal(await driver.put("b", Buffer.from("hello"), undefined, never), "created");
    });

    test("a cancelled get closes its socket", async () => {
      await using proxy = await proxied();
      await using driver = await through(proxy);
      await driver.put("a", new Uint8Array(48 * MEBIBYTE), undefined, never);
      const before = proxy.received;
      const abort = new AbortController();
      const rejected = assert.rejects(driver.get("a", undefined, abort.signal), hasCode("ERR_CANCELLED"));
      await proxy.until(() => proxy.received > before + 2 * MEBIBYTE);
      const open = proxy.open;
      abort.abort();
      await rejected;
      await proxy.until(() => proxy.open < open);
      assert(proxy.received < before + 48 * MEBIBYTE);
    });

    test("connections are used again", async () => {
      await using proxy = await proxied();
      await using driver = await through(proxy);
      await driver.put("a", new Uint8Array(2 * MEBIBYTE), undefined, never);
      const before = proxy.connections;
      for (let round = 0; round < 10; round += 1) {
        assert.equal((await driver.get("a", { offset: round, length: 1000 }, never)).length, 1000);
        assert.equal(
          await driver.put(`b/${String(round)}`, new Uint8Array(2 * MEBIBYTE), undefined, never),
          "created",
        );
      }
      assert.equal(proxy.connections, before);
    });

    test("an upload in parts that is cancelled is given up", async () => {
      await using proxy = await CountingProxy.start(Number(new URL(gateway.endpoint).port));
      await using driver = await through(proxy, {
        multipartFromBytes: 8 * MEBIBYTE,
        partBytes: 5 * MEBIBYTE,
      });
      assert.equal(await driver.put("a", new Uint8Array(9 * MEBIBYTE), undefined, never), "created");
      const before = proxy.sent;
      const abort = new AbortController();
      const put = driver.put("b", new Uint8Array(48 * MEBIBYTE), undefined, abort.signal);
      const rejected = assert.rejects(put, hasCode("ERR_CANCELLED"));
      await proxy.until(() => proxy.sent > before + 12 * MEBIBYTE);
      const Bucket = bucket;
      assert.equal((await admin.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.length, 1);
      abort.abort();
      await rejected;
      assert.equal(await driver.stat("b", never), null);
      assert.deepEqual((await admin.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? [], []);
    });

    test("large objects go whole where uploads in parts would overwrite", async () => {
      const options = { credentials, multipartFromBytes: 8 * MEBIBYTE, partBytes: 5 * MEBIBYTE };
      await using driver = await openS3(freshUrl(bucket, server.endpoint), options);
      assert.equal(await driver.put("a", new Uint8Array(12 * MEBIBYTE).fill(1), undefined, never), "created");
      assert.equal(await driver.put("a", new Uint8Array(12 * MEBIBYTE).fill(2), undefined, never), "exists");
      assert.equal((await driver.get("a", { offset: 0, length: 1 }, never))[0], 1);
    });

    test("a server killed in mid-transfer and started again loses no finished object", async () => {
      await using proxy = await proxied();
      await using driver = await through(proxy);
      await driver.put("a", Buffer.from("hello"), undefined, never);
      const before = proxy.sent;
      const bytes = new Uint8Array(48 * MEBIBYTE).fill(7);
      const rejected = assert.rejects(
        driver.put("b", bytes, undefined, never),
        hasCode("ERR_STORAGE_UNREACHABLE"),
      );
      await proxy.until(() => proxy.sent > before + 4 * MEBIBYTE);
      await server.kill();
      try {
        await rejected;
        await assert.rejects(driver.get("a", undefined, never), hasCode("ERR_STORAGE_UNREACHABLE"));
      } finally {
        await server.restart();
      }
      assert.equal(await driver.stat("b", never), null);
      assert.equal((await driver.get("a", undefined, never)).toString(), "hello");
      assert.equal(await driver.put("b", bytes, undefined, never), "created");
      assert((await driver.get("b", undefined, never)).equals(bytes));
    });

    test("a storage goes on by itself after its server was away", async () => {
      await using storage = openRemoteStorage(
        await openS3(freshUrl(bucket, server.endpoint), { credentials }),
      );
      await storage.put("a", Buffer.from("hello"));
      await server.kill();
      const put = storage.put("b", Buffer.from("later"));
      await server.restart();
      assert.equal(await put, "created");
      assert.equal((await storage.get("b")).toString(), "later");
    });
  });
}

export function testWriters({ server, owner, bucket }: Fixture): void {
  test("S3: of two writers of one name exactly one creates it, and its object stays", async () => {
    const url = freshUrl(bucket, server.endpoint);
    const options = { credentials: always(owner) };
    await using one = await openS3(url, options);
    await using two = await openS3(url, options);
    for (let round = 0; round < 100; round += 1) {
      const name = `packs/${String(round)}`;
      const contents = [Buffer.alloc(100 + round, 1), Buffer.alloc(100 + round, 2)] as const;
      const outcomes = await Promise.all([
        one.put(name, contents[0], undefined, never),
        two.put(name, contents[1], undefined, never),
      ]);
      assert.deepEqual(outcomes.toSorted(), ["created", "exists"], name);
      const winner = outcomes[0] === "created" ? contents[0] : contents[1];
      assert((await one.get(name, undefined, never)).equals(winner), name);
    }
  });
}
