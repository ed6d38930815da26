/** Storages: no credentials in locations, and no stored secret for a new recipient. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type ErrorCode, isAppError } from "@holdfast/kernel";
import type { StorageChange, StorageView } from "@holdfast/protocol";
import { checkLocation, joinLocation, recipientOf } from "../src/storages/location.ts";
import { credentialsOf } from "../src/storages/storage-credentials.ts";
import { listStorages } from "../src/storages/storage-list.ts";
import { findStorage } from "../src/storages/storage-rows.ts";
import { testStorage } from "../src/storages/storage-test.ts";
import { changeStorage, createStorage, deleteStorage } from "../src/storages/storages.ts";
import { type Catalogue, catalogue } from "./catalogue-fixture.ts";
import { forEachDatabase } from "./databases.ts";

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

async function addSftp(fixture: Catalogue, name = "nas"): Promise<StorageView> {
  const password = await fixture.addSecret("password", "first secret");
  const given = {
    name,
    description: "",
    location: "sftp://backup@nas/srv",
    identity: {},
    secrets: { password },
  };
  return createStorage(fixture, fixture.actor, given);
}

suite("a location", () => {
  test("is an absolute path or a URL of a known kind without a password", () => {
    for (const good of [
      "/srv/backups",
      "sftp://me@host:22/x",
      "s3://bucket/prefix?region=eu",
      "azure://c/p",
    ]) {
      checkLocation(good);
    }
    for (const bad of [
      "srv",
      "",
      "ftp://host/x",
      "sftp://me:secret@host/x",
      "/a\0b",
      "http://x/",
      "azure://c?sig=secret",
      "s3://b?endpoint=https://a:secret@x",
    ]) {
      assert.throws(
        () => checkLocation(bad),
        (error) => isAppError(error, "ERR_USAGE") && !error.message.includes("secret"),
        bad,
      );
    }
  });

  test("takes a folder below it, and keeps its settings", () => {
    const cases = [
      ["/srv/backups", "/srv/backups/f"],
      ["/srv/backups/", "/srv/backups/f"],
      ["sftp://me@host:2222/path", "sftp://me@host:2222/path/f"],
      ["sftp://host", "sftp://host/f"],
      ["s3://bucket?region=eu&endpoint=https%3A%2F%2Fx", "s3://bucket/f?region=eu&endpoint=https%3A%2F%2Fx"],
      ["s3://bucket/p/?region=eu", "s3://bucket/p/f?region=eu"],
      ["file:///srv/x", "file:///srv/x/f"],
    ] as const;
    for (const [location, joined] of cases) assert.equal(joinLocation(location, "f"), joined);
  });

  test("tells recipients of credentials apart", () => {
    const recipient = recipientOf("sftp://me@host/x");
    assert.equal(recipientOf("sftp://me@host/y"), recipient);
    for (const other of [
      "sftp://me@host2/x",
      "sftp://you@host/x",
      "sftp://me@host:23/x",
      "sftp://me@host/x?fingerprint=y",
    ]) {
      assert.notEqual(recipientOf(other), recipient);
    }
  });
});

forEachDatabase("a storage", (open) => {
  test("gives a lease what is secret and what is not of its credentials", async () => {
    await using fixture = await catalogue(await open());
    const { database, vault } = fixture;
    const secretAccessKey = await fixture.addSecret("password", "s3cret");
    const given = {
      name: "bucket",
      description: "",
      location: "s3://bucket",
      identity: { accessKeyId: "AK" },
      secrets: { secretAccessKey },
    };
    const { id } = await createStorage(fixture, fixture.actor, given);
    const leased = await credentialsOf(database.db, vault, await findStorage(database.db, id));
    assert.deepEqual(leased.credentials, { accessKeyId: "AK", secretAccessKey: "s3cret" });
    assert.deepEqual(leased.exposures, [{ kind: "password", id: secretAccessKey, version: 1 }]);
    await database.db.updateTable("secrets").set({ disabled: 1 }).execute();
    await assert.rejects(
      credentialsOf(database.db, vault, await findStorage(database.db, id)),
      hasCode("ERR_SECRET_DISABLED"),
    );
  });

  test("moves to another host only with its secrets typed again, or with others", async () => {
    await using fixture = await catalogue(await open());
    const { id } = await addSftp(fixture);
    const change = async (fields: StorageChange): Promise<StorageView> => {
      const { revision } = await findStorage(fixture.database.db, id);
      return changeStorage(fixture, fixture.actor, id, fields, revision);
    };
    const location = "sftp://backup@evil/srv";
    await assert.rejects(change({ location }), hasCode("ERR_CONFIRMATION"));
    await assert.rejects(
      change({ location, confirmation: { password: "wrong" } }),
      hasCode("ERR_CONFIRMATION"),
    );
    assert.equal(
      (await change({ location: "sftp://backup@nas/elsewhere" })).location,
      "sftp://backup@nas/elsewhere",
    );
    const moved = await change({ location, confirmation: { password: "first secret" } });
    assert.equal(moved.location, location);
    const password = await fixture.addSecret("password", "second secret");
    await change({ location: "sftp://backup@third/srv", secrets: { password } });
    const stored = JSON.stringify(fixture.audited);
    assert(!stored.includes("first secret") && !stored.includes("wrong"));
  });

  test("does not hand a kept secret over under another name either", async () => {
    await using fixture = await catalogue(await open());
    const { id, secrets, revision } = await addSftp(fixture);
    const passphrase = secrets["password"] ?? "";
    const change = { location: "sftp://backup@evil/srv", secrets: { passphrase } };
    await assert.rejects(
      changeStorage(fixture, fixture.actor, id, change, revision),
      hasCode("ERR_CONFIRMATION"),
    );
  });

  test("keeps nothing secret in clear", async () => {
    await using fixture = await catalogue(await open());
    for (const name of ["password", "privateKey", "sas", "sessionToken", "anything"]) {
      const given = {
        name: "x",
        description: "",
        location: "/x",
        identity: { [name]: "value" },
        secrets: {},
      };
      await assert.rejects(createStorage(fixture, fixture.actor, given), (error) => {
        assert(isAppError(error, "ERR_USAGE"));
        return error.subject === name && !error.message.includes("value");
      });
    }
  });

  test("has a name of its own and only passwords as secrets", async () => {
    await using fixture = await catalogue(await open());
    await addSftp(fixture);
    await assert.rejects(addSftp(fixture), hasCode("ERR_NAME_TAKEN"));
    const key = await fixture.addSecret("encryption-key", "a key");
    const given = { name: "x", description: "", location: "/x", identity: {}, secrets: { password: key } };
    await assert.rejects(createStorage(fixture, fixture.actor, given), hasCode("ERR_NOT_FOUND"));
  });

  test("is tried by a worker, or by the device that is named", async () => {
    await using fixture = await catalogue(await open());
    const { id } = await addSftp(fixture);
    await assert.rejects(testStorage(fixture, fixture.actor, id, undefined), hasCode("ERR_NO_DEVICE"));
    const device = await fixture.addDevice();
    const worker = await fixture.addDevice(["gcm"], true);
    await testStorage(fixture, fixture.actor, id, undefined);
    await testStorage(fixture, fixture.actor, id, device);
    assert.deepEqual(
      fixture.queued.map(({ kind, deviceId }) => [kind, deviceId]),
      [
        ["storage.test", worker],
        ["storage.test", device],
      ],
    );
  });

  test("is listed by name, page by page, and deleted when nothing uses it", async () => {
    await using fixture = await catalogue(await open());
    const { db } = fixture.database;
    for (const name of ["c", "a", "b"]) await addSftp(fixture, name);
    const first = await listStorages(db, { limit: 2 });
    assert.deepEqual(
      first.items.map(({ name }) => name),
      ["a", "b"],
    );
    const second = await listStorages(db, { limit: 2, cursor: first.next });
    assert.deepEqual(
      second.items.map(({ name }) => name),
      ["c"],
    );
    assert.equal(second.next, undefined);
    await deleteStorage(fixture, fixture.actor, second.items[0]?.id ?? "");
    assert.equal((await listStorages(db, { limit: 9 })).items.length, 2);
  });
});
