/** The S3 driver against a real object gateway. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testStorage } from "../src/conformance.ts";
import { openRemoteStorage } from "../src/remote/remote-storage.ts";
import { openS3 } from "../src/s3/open-s3.ts";
import { testAccidents, testWriters } from "./s3-accidents.ts";
import {
  adminClient,
  always,
  type Fixture,
  freshUrl,
  inTurns,
  makeBucket,
  MEBIBYTE,
  never,
} from "./s3-fixture.ts";
import { testCredentials, testRights, testTrust } from "./s3-rights.ts";
import { testVersions } from "./s3-versions.ts";
import { startConditionalGateway } from "./servers/conditional-gateway.ts";
import { missingS3Programs, type S3Server, startS3Server } from "./servers/s3-server.ts";

const missing = missingS3Programs();

if (missing.length > 0) {
  test("the S3 driver against a real server", { skip: `no ${missing.join(", ")}` }, () => undefined);
} else {
  const server = await startS3Server();
  after(() => server[Symbol.asyncDispose]());
  await testAll(server);
}

async function testAll(server: S3Server): Promise<void> {
  const owner = await server.addUser("owner");
  const admin = adminClient(server, owner);
  const gateway = await startConditionalGateway(server.endpoint, admin);
  after(async () => {
    await gateway[Symbol.asyncDispose]();
    admin.destroy();
  });
  const bucket = await makeBucket(admin);
  const versioned = await makeBucket(admin, { versions: true });
  const fixture: Fixture = { server, gateway, owner, admin, bucket, versioned };
  testContract(fixture);
  testCredentials(fixture);
  testRights(fixture);
  testTrust(fixture);
  testWriters(fixture);
  testVersions(fixture);
  // Last: for half a minute, the cluster waits for a killed gateway at some requests.
  testAccidents(fixture);
}

function testContract({ server, gateway, owner, admin, bucket, versioned }: Fixture): void {
  const credentials = always(owner);
  testStorage("S3", async () =>
    openRemoteStorage(await openS3(freshUrl(bucket, server.endpoint), { credentials })),
  );
  testStorage("S3 over TLS", async () => {
    const options = { credentials, caFile: server.caFile };
    return openRemoteStorage(await openS3(freshUrl(bucket, server.secureEndpoint), options));
  });
  testStorage("S3 with versions and uploads in parts", async () => {
    const options = { credentials, multipartFromBytes: 8 * MEBIBYTE, partBytes: 5 * MEBIBYTE };
    return openRemoteStorage(await openS3(freshUrl(versioned, gateway.endpoint), options));
  });

  test("S3: a storage may be a whole bucket", async () => {
    const own = await makeBucket(admin);
    const url = new URL(`s3://${own}?endpoint=${server.endpoint}`);
    await using storage = openRemoteStorage(await openS3(url, { credentials }));
    await storage.put("a", Buffer.from("hello"));
    assert.deepEqual(
      (await Array.fromAsync(storage.list(""))).map(({ name }) => name),
      ["a"],
    );
  });

  test("S3: a list goes on over pages", async () => {
    await using driver = await openS3(freshUrl(bucket, server.endpoint), { credentials });
    const names = Array.from({ length: 1005 }, (_, index) => `index/${String(index)}`);
    await inTurns(names, (name) => driver.put(name, Buffer.from(name), undefined, never));
    const first = await driver.list("index/", undefined, never);
    assert(first.next !== undefined);
    const second = await driver.list("index/", first.next, never);
    assert.equal(second.next, undefined);
    const listed = [...first.objects, ...second.objects].map(({ name }) => name);
    assert.deepEqual(listed.toSorted(), names.toSorted());
  });
}
