/** Who may do what, in whose trust: against a real server. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { inspect } from "node:util";
import { DeleteBucketCommand } from "@aws-sdk/client-s3";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { openS3 } from "../src/s3/open-s3.ts";
import type { S3Credentials, S3Options } from "../src/s3/options.ts";
import { scratchFolder } from "./scratch-folder.ts";
import {
  adminClient,
  always,
  type Fixture,
  freshUrl,
  hasCode,
  makeBucket,
  MEBIBYTE,
  never,
  setEnvironment,
} from "./s3-fixture.ts";

export function testCredentials({ server, owner, bucket }: Fixture): void {
  suite("S3: credentials", () => {
    test("wrong ones are refused, and no error repeats them", async () => {
      const secret = "a-secret-that-is-wrong";
      for (const wrong of [
        { accessKeyId: owner.accessKeyId, secretAccessKey: secret },
        { accessKeyId: "NOBODYSKEY", secretAccessKey: secret },
      ]) {
        await assert.rejects(
          openS3(freshUrl(bucket, server.endpoint), { credentials: always(wrong) }),
          (error) => {
            assert(!inspect(error, { depth: 20, showHidden: true }).includes(secret));
            return hasCode("ERR_STORAGE_CREDENTIALS")(error);
          },
        );
      }
    });

    test("replaced ones are asked for, and the call succeeds", async () => {
      let current = await server.addUser("rotating");
      const admin = adminClient(server, current);
      const own = await makeBucket(admin);
      admin.destroy();
      let asked = 0;
      const credentials = () => {
        asked += 1;
        return Promise.resolve(current);
      };
      await using storage = openRemoteStorage(await openS3(freshUrl(own, server.endpoint), { credentials }));
      await storage.put("a", Buffer.from("hello"));
      assert.equal(asked, 1);
      current = await server.replaceKey("rotating", current);
      assert.equal((await storage.get("a")).toString(), "hello");
      assert.equal(asked, 2);
    });

    test("the SDK's own chain is the default, and its files are read again", async () => {
      await using scratch = await scratchFolder();
      const file = join(scratch.path, "credentials");
      const write = ({ accessKeyId, secretAccessKey }: S3Credentials) =>
        writeFile(
          file,
          `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
        );
      using environment = setEnvironment({
        AWS_SHARED_CREDENTIALS_FILE: file,
        AWS_CONFIG_FILE: join(scratch.path, "none"),
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        AWS_PROFILE: undefined,
      });
      assert(environment);
      const url = freshUrl(bucket, server.endpoint);
      await assert.rejects(openS3(url), hasCode("ERR_STORAGE_CREDENTIALS"));
      await write({ ...owner, secretAccessKey: "wrong" });
      await assert.rejects(openS3(url), hasCode("ERR_STORAGE_CREDENTIALS"));
      await write(owner);
      await using driver = await openS3(url);
      assert.equal(await driver.put("a", Buffer.from("hello"), undefined, never), "created");
    });
  });
}

export function testRights({ server, owner, bucket }: Fixture): void {
  const credentials = always(owner);
  suite("S3: rights and space", () => {
    test("a missing bucket is named as such, at the opening and later", async () => {
      await assert.rejects(
        openS3(freshUrl("there-is-no-such-bucket", server.endpoint), { credentials }),
        hasCode("ERR_STORAGE_MISSING"),
      );
      const admin = adminClient(server, owner);
      const own = await makeBucket(admin);
      await using driver = await openS3(freshUrl(own, server.endpoint), { credentials });
      await admin.send(new DeleteBucketCommand({ Bucket: own }));
      admin.destroy();
      const lost = hasCode("ERR_STORAGE_MISSING");
      await assert.rejects(driver.put("a", new Uint8Array(1), undefined, never), lost);
      await assert.rejects(driver.get("a", undefined, never), lost);
      await assert.rejects(driver.stat("a", never), lost);
      await assert.rejects(driver.list("", undefined, never), lost);
    });

    test("what is not allowed is told as such", async () => {
      const stranger = await server.addUser("stranger");
      const url = freshUrl(bucket, server.endpoint);
      await using own = await openS3(url, { credentials });
      await own.put("a", new Uint8Array(1), undefined, never);
      await using driver = await openS3(url, { credentials: always(stranger) });
      const denied = hasCode("ERR_STORAGE_DENIED");
      await assert.rejects(driver.put("b", new Uint8Array(1), undefined, never), denied);
      await assert.rejects(driver.put("c", new Uint8Array(2 * MEBIBYTE), undefined, never), denied);
      await assert.rejects(driver.get("a", undefined, never), denied);
      await assert.rejects(driver.stat("a", never), denied);
      await assert.rejects(driver.list("", undefined, never), denied);
      await assert.rejects(driver.delete("a", never), denied);
      assert.equal((await own.stat("a", never))?.size, 1);
    });

    test("a used-up quota is a full storage", async () => {
      const limited = await server.addUser("limited", MEBIBYTE);
      const admin = adminClient(server, limited);
      const own = await makeBucket(admin);
      admin.destroy();
      await using driver = await openS3(freshUrl(own, server.endpoint), { credentials: always(limited) });
      assert.equal(await driver.put("a", new Uint8Array(1000), undefined, never), "created");
      await assert.rejects(
        driver.put("b", new Uint8Array(4 * MEBIBYTE), undefined, never),
        hasCode("ERR_STORAGE_FULL"),
      );
      assert.equal(await driver.stat("b", never), null);
    });

    test("bytes that are not those of the digest are refused", async () => {
      await using driver = await openS3(freshUrl(bucket, server.endpoint), { credentials });
      assert(driver.capabilities.serverChecksum);
      const other = createHash("sha256").update("other").digest();
      for (const length of [5, 3 * MEBIBYTE]) {
        await assert.rejects(
          driver.put("a", Buffer.alloc(length, 1), other, never),
          hasCode("ERR_STORAGE_FAILED"),
        );
        assert.equal(await driver.stat("a", never), null);
      }
    });
  });
}

export function testTrust({ server, owner, bucket }: Fixture): void {
  const credentials = always(owner);
  const open = (options: S3Options) =>
    openS3(freshUrl(bucket, server.secureEndpoint), { credentials, ...options });
  suite("S3: trust in the server", () => {
    test("an unknown certificate is refused", async () => {
      using environment = setEnvironment({ NODE_TLS_REJECT_UNAUTHORIZED: "0" });
      assert(environment);
      await assert.rejects(open({}), hasCode("ERR_STORAGE_UNTRUSTED"));
    });

    test("its authority or its fingerprint makes it known", async () => {
      for (const options of [
        { caFile: server.caFile },
        { fingerprint: server.fingerprint },
        { fingerprint: server.fingerprint.replaceAll(":", "").toLowerCase(), caFile: server.caFile },
      ]) {
        await using driver = await open(options);
        assert.equal(await driver.put("a", Buffer.from("hello"), undefined, never), "created");
      }
    });

    test("another fingerprint is refused, also of a known authority", async () => {
      const fingerprint = createHash("sha256").update("another certificate").digest("hex");
      await assert.rejects(open({ fingerprint }), hasCode("ERR_STORAGE_UNTRUSTED"));
      await assert.rejects(open({ fingerprint, caFile: server.caFile }), hasCode("ERR_STORAGE_UNTRUSTED"));
    });
  });
}
