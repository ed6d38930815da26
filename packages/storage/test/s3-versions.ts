/** Versions, locks and what others keep in a bucket: against a real server. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DeleteObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { openS3 } from "../src/s3/open-s3.ts";
import { always, type Fixture, freshUrl, hasCode, makeBucket, MEBIBYTE, never } from "./s3-fixture.ts";

export function testVersions({ server, gateway, owner, admin, bucket, versioned }: Fixture): void {
  const credentials = always(owner);
  suite("S3: versions and locks", () => {
    test("the driver knows what the bucket keeps", async () => {
      await using plain = await openS3(freshUrl(bucket, server.endpoint), { credentials });
      assert.equal(plain.capabilities.versioning, false);
      assert.equal(plain.capabilities.objectLock, false);
      await using keeping = await openS3(freshUrl(versioned, server.endpoint), { credentials });
      assert.equal(keeping.capabilities.versioning, true);
      assert.equal(keeping.capabilities.objectLock, false);
    });

    test("a lock that the bucket cannot keep is refused", async () => {
      const objectLock = { mode: "COMPLIANCE", days: 1 } as const;
      await assert.rejects(
        openS3(freshUrl(bucket, server.endpoint), { credentials, objectLock }),
        hasCode("ERR_UNSUPPORTED"),
      );
    });

    test("a bucket where a put would hide what is there is refused", async () => {
      await using driver = await openS3(freshUrl(versioned, server.endpoint), { credentials });
      // Ceph 16 does not keep the condition there; a version that does needs another test.
      await assert.rejects(driver.put("a", new Uint8Array(1), undefined, never), hasCode("ERR_UNSUPPORTED"));
      assert.equal(await driver.stat("a", never), null);
    });

    test("a locked object outlives its deletion, small and large", async () => {
      const Bucket = await makeBucket(admin, { lock: true });
      const objectLock = { mode: "COMPLIANCE", days: 1 } as const;
      const options = { credentials, objectLock, multipartFromBytes: 8 * MEBIBYTE, partBytes: 5 * MEBIBYTE };
      await using driver = await openS3(new URL(`s3://${Bucket}?endpoint=${gateway.endpoint}`), options);
      assert.equal(driver.capabilities.objectLock, true);
      for (const [name, length] of [
        ["small", 1000],
        ["large", 12 * MEBIBYTE],
      ] as const) {
        assert.equal(await driver.put(name, new Uint8Array(length), undefined, never), "created");
        await driver.delete(name, never);
        assert.equal(await driver.stat(name, never), null);
        const { Versions } = await admin.send(new ListObjectVersionsCommand({ Bucket, Prefix: name }));
        assert.equal(Versions?.length, 1);
        const VersionId = Versions[0]?.VersionId;
        await assert.rejects(
          admin.send(new DeleteObjectCommand({ Bucket, Key: name, VersionId })),
          (error) => error instanceof Error && error.name === "AccessDenied",
        );
      }
    });

    test("objects of others are left out of lists", async () => {
      const url = freshUrl(bucket, server.endpoint);
      await using driver = await openS3(url, { credentials });
      await driver.put("a", Buffer.from("hello"), undefined, never);
      for (const name of ["Upper", "with space", "tmp/x", "packs/", "dot.", "\u00e4", "a\tb"]) {
        const Key = `${url.pathname.slice(1)}/${name}`;
        await admin.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "x" }));
      }
      const { objects } = await driver.list("", undefined, never);
      assert.deepEqual(
        objects.map(({ name }) => name),
        ["a"],
      );
    });
  });
}
