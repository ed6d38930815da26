/** Where workers are not sent: the service's own machine, and what gives out credentials of a cloud. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError, newId } from "@holdfast/kernel";
import { createTaskKinds } from "../src/operations/index.ts";
import { PUBLIC_ONLY, setOutboundPolicy } from "../src/outbound/outbound-policy.ts";
import { checkStorageTarget, checkStorageTargetByName, hostsOf } from "../src/outbound/storage-targets.ts";
import type { Db } from "../src/database/database.ts";
import { testStorage } from "../src/storages/storage-test.ts";
import { createStorage } from "../src/storages/storages.ts";
import type { TaskRow } from "../src/tasks/task-kinds.ts";
import { catalogue } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

async function insertTest(db: Db, deviceId: string, storageId: string): Promise<TaskRow> {
  const task = {
    id: newId("task"),
    kind: "storage.test",
    state: "running",
    device_id: deviceId,
    storage_id: storageId,
    input: "{}",
    created_at: 1,
    created_by: "",
    not_before: 1,
    attempt: 1,
    attempt_max: 1,
  } as const;
  return db
    .insertInto("tasks")
    .values({
      ...task,
      plan_id: null,
      repository_id: null,
      result: null,
      error: null,
      run_id: null,
      started_at: null,
      ended_at: null,
      cancel_requested_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

suite("the target of a storage", () => {
  test("is the host of its location, or of its endpoint", () => {
    const cases: readonly (readonly [string, readonly string[]])[] = [
      ["/srv/backups", []],
      ["file:///srv/backups", []],
      ["sftp://me@nas:22/srv", ["nas"]],
      ["smb://[::1]/share", ["::1"]],
      ["sftp://127.1/x", ["127.0.0.1"]],
      ["sftp://127.0.0.%31/x", ["127.0.0.1"]],
      ["sftp://2130706433/x", ["127.0.0.1"]],
      ["s3://bucket/prefix?region=eu", []],
      ["s3://bucket/p?endpoint=http%3A%2F%2F169.254.169.254%3A80", ["169.254.169.254"]],
      ["s3://bucket/p?endpoint=minio.local:9000", ["minio.local"]],
      ["azure://container/p?endpoint=https%3A%2F%2F127.0.0.1%3A10000%2Fx", ["127.0.0.1"]],
      ["webdavs://dav.example/x", ["dav.example"]],
    ];
    for (const [location, hosts] of cases) assert.deepEqual(hostsOf(location), hosts, location);
  });

  test("may be public and private, and the machine itself only when it is listed", () => {
    for (const location of [
      "/srv",
      "sftp://10.0.0.1/x",
      "smb://192.168.1.2/x",
      "webdav://1.1.1.1/x",
      "sftp://nas/x",
    ]) {
      checkStorageTarget(PUBLIC_ONLY, location);
    }
    for (const host of [
      "127.0.0.1",
      "localhost",
      "a.localhost.",
      "0.0.0.0",
      "[::1]",
      "169.254.169.254",
      "[fe80::1]",
    ]) {
      assert.throws(
        () => checkStorageTarget(PUBLIC_ONLY, `sftp://${host}/x`),
        hasCode("ERR_OUTBOUND_REFUSED"),
        host,
      );
    }
    checkStorageTarget({ ...PUBLIC_ONLY, networks: ["127.0.0.1"] }, "sftp://localhost/x");
  });
});

forEachDatabase("a worker", (open) => {
  const given = (location: string): Parameters<typeof createStorage>[2] => ({
    name: "here",
    description: "",
    location,
    identity: {},
    secrets: {},
  });

  test("is not sent to the service's own machine, until that is listed; another device is", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const kinds = createTaskKinds(fixture);
    const worker = await fixture.addDevice(["gcm"], true);
    const device = await fixture.addDevice();
    const { id: storageId } = await createStorage(fixture, fixture.actor, given("sftp://me@localhost/srv"));
    const task = (deviceId: string): Promise<TaskRow> => insertTest(db, deviceId, storageId);
    await assert.rejects(
      testStorage(fixture, fixture.actor, storageId, worker),
      hasCode("ERR_OUTBOUND_REFUSED"),
    );
    await assert.rejects(
      testStorage(fixture, fixture.actor, storageId, undefined),
      hasCode("ERR_OUTBOUND_REFUSED"),
    );
    await assert.rejects(kinds.describe(db, await task(worker)), hasCode("ERR_OUTBOUND_REFUSED"));
    assert.equal(fixture.queued.length, 0);
    await testStorage(fixture, fixture.actor, storageId, device);
    assert.equal((await kinds.describe(db, await task(device))).kind, "storage.test");
    await setOutboundPolicy(fixture, fixture.actor, { ...PUBLIC_ONLY, networks: ["127.0.0.0/8", "::1"] }, 0);
    await testStorage(fixture, fixture.actor, storageId, worker);
    assert.equal((await kinds.describe(db, await task(worker))).kind, "storage.test");
  });

  test("is not sent to a name that means such an address", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    const innocent = "sftp://innocent.example/x";
    await checkStorageTargetByName(db, innocent, async () => ["10.0.0.1", "1.1.1.1"]);
    await checkStorageTargetByName(db, innocent, () => Promise.reject(new Error("ENOTFOUND")));
    for (const address of ["127.0.0.1", "169.254.169.254", "fe80::1"]) {
      await assert.rejects(
        checkStorageTargetByName(db, innocent, async () => ["1.1.1.1", address]),
        hasCode("ERR_OUTBOUND_REFUSED"),
      );
    }
  });
});
