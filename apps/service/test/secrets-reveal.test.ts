import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError, newId } from "@holdfast/kernel";
import { newSecretValue } from "@holdfast/protocol";
import { exposuresOfDevice, exposuresOfSecret } from "../src/secrets/exposures.ts";
import { checkSecret, revealSecret } from "../src/secrets/reveal.ts";
import { secretRoutes } from "../src/secrets/routes.ts";
import { changeValue } from "../src/secrets/value-change.ts";
import { forEachDatabase } from "./databases.ts";
import {
  ACTOR,
  actions,
  addPlan,
  create,
  createKey,
  type Dependencies,
  fixtureOf,
  OWN_PASSWORD,
  refusal,
  VALUE,
} from "./secrets-fixture.ts";

forEachDatabase("values of secrets", (open) => {
  test("reveal wants one's own password and a reason, and tells the log first", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    const made = await create(fixture);
    const reveal = (password: string, version?: number): Promise<{ value: string; version: number }> =>
      revealSecret(dependencies, ACTOR, made.id, {
        password,
        reason: "restore test",
        ...(version === undefined ? {} : { version }),
      });
    await assert.rejects(reveal("wrong"), refusal("ERR_PASSWORD_WRONG"));
    assert.deepEqual(await reveal(OWN_PASSWORD), { value: VALUE, version: 1 });
    const given = newSecretValue.parse({ value: "second value", confirmation: "second value" });
    await changeValue(dependencies, ACTOR, made.id, given, 1);
    assert.deepEqual(await reveal(OWN_PASSWORD), { value: "second value", version: 2 });
    assert.deepEqual(await reveal(OWN_PASSWORD, 1), { value: VALUE, version: 1 });
    await assert.rejects(reveal(OWN_PASSWORD, 3), refusal("ERR_NOT_FOUND"));
    assert.deepEqual(await actions(fixture), [
      "secret.create",
      "user.password-refused",
      "secret.reveal",
      "secret.value",
      "secret.reveal",
      "secret.reveal",
    ]);
    const { details } = await dependencies.database.db
      .selectFrom("audit_rows")
      .select("details")
      .where("action", "=", "secret.reveal")
      .orderBy("number")
      .limit(1)
      .executeTakeFirstOrThrow();
    assert.deepEqual(JSON.parse(details), { name: "NAS", reason: "restore test", version: 1 });
  });

  test("without a row in the log nothing is revealed", async () => {
    await using fixture = await fixtureOf(open);
    const made = await create(fixture);
    const broken: Dependencies = {
      ...fixture.dependencies,
      audit: { append: () => Promise.reject(new Error("no log")) },
      vault: {
        ...fixture.dependencies.vault,
        get: () => assert.fail("the value was read before the log was written"),
      },
    };
    const request = { password: OWN_PASSWORD, reason: "r" };
    await assert.rejects(revealSecret(broken, ACTOR, made.id, request), /no log/u);
  });

  test("wrong own passwords are limited, also many at once", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies, clock } = fixture;
    const made = await create(fixture);
    const reveal = (password: string): Promise<unknown> =>
      revealSecret(dependencies, ACTOR, made.id, { password, reason: "r" });
    const attempts = await Promise.allSettled(Array.from({ length: 12 }, () => reveal("wrong")));
    const codes = attempts.map((attempt) =>
      attempt.status === "rejected" && isAppError(attempt.reason) ? attempt.reason.code : "none",
    );
    assert.equal(codes.filter((code) => code === "ERR_PASSWORD_WRONG").length, 5);
    assert.equal(codes.filter((code) => code === "ERR_TOO_MANY_ATTEMPTS").length, 7);
    await assert.rejects(reveal(OWN_PASSWORD), refusal("ERR_TOO_MANY_ATTEMPTS"));
    clock.move(15 * 60_000);
    await reveal(OWN_PASSWORD);
    await assert.rejects(reveal("wrong"), refusal("ERR_PASSWORD_WRONG"));
  });

  test("asking for a value gives yes or no, ten times an hour, in the log", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies, clock } = fixture;
    const made = await createKey(fixture);
    assert.deepEqual(await checkSecret(dependencies, ACTOR, made.id, VALUE), { matches: true });
    assert.deepEqual(await checkSecret(dependencies, ACTOR, made.id, `${VALUE} `), { matches: false });
    const attempts = await Promise.allSettled(
      Array.from({ length: 12 }, () => checkSecret(dependencies, ACTOR, made.id, "guess")),
    );
    assert.equal(attempts.filter(({ status }) => status === "fulfilled").length, 8);
    await assert.rejects(checkSecret(dependencies, ACTOR, made.id, VALUE), refusal("ERR_TOO_MANY_ATTEMPTS"));
    // Somebody else is not held up.
    const other = { ...ACTOR, userId: "user_other" };
    assert.deepEqual(await checkSecret(dependencies, other, made.id, VALUE), { matches: true });
    clock.move(60 * 60_000 + 1);
    assert.deepEqual(await checkSecret(dependencies, ACTOR, made.id, VALUE), { matches: true });
  });

  test("tells which devices had which version, and whether it was changed since", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    const { db } = dependencies.database;
    const password = await create(fixture);
    const device = newId("dev");
    const expose = (object_kind: string, object_id: string, version: number, at: number): Promise<unknown> =>
      db
        .insertInto("secret_exposures")
        .values({
          id: newId("exp"),
          device_id: device,
          object_kind,
          object_id,
          version,
          run_id: "r",
          lease_id: "l",
          at,
        })
        .execute();
    await expose("password", password.id, 1, 10);
    await expose("password", password.id, 1, 20);
    const given = newSecretValue.parse({ value: "second value", confirmation: "second value" });
    await changeValue(dependencies, ACTOR, password.id, given, 1);
    await expose("password", password.id, 2, 30);
    await expose("password", "sec_gone", 1, 40);
    await addPlan(fixture, (await createKey(fixture)).id, password.id);
    await expose("repository", "0".repeat(32), 1, 50);
    const found = await exposuresOfDevice(db, device);
    assert.deepEqual(
      found.map((item) => [item.kind, item.name, item.version, item.firstAt, item.leases, item.changedSince]),
      [
        ["repository", "the NAS", 1, 50, 1, false],
        ["password", "NAS", 2, 30, 1, false],
        ["password", undefined, 1, 40, 1, false],
        ["password", "NAS", 1, 10, 2, true],
      ],
    );
    const devices = await exposuresOfSecret(db, password.id);
    assert.deepEqual(
      devices.map((item) => [item.device, item.version, item.lastAt, item.changedSince]),
      [
        [device, 1, 20, true],
        [device, 2, 30, false],
      ],
    );
  });

  test("every route has its right", async () => {
    await using fixture = await fixtureOf(open);
    const rights = secretRoutes(fixture.dependencies).map(({ method, path, right }) => [method, path, right]);
    assert.deepEqual(rights, [
      ["GET", "/secrets", "secrets.list"],
      ["GET", "/secrets/:id", "secrets.list"],
      ["GET", "/secrets/:id/uses", "secrets.list"],
      ["GET", "/secrets/:id/exposures", "secrets.list"],
      ["GET", "/devices/:id/exposures", "secrets.list"],
      ["POST", "/secrets/strength", "signed-in"],
      ["POST", "/secrets", "secrets.edit"],
      ["PATCH", "/secrets/:id", "secrets.edit"],
      ["PUT", "/secrets/:id/value", "secrets.edit"],
      ["DELETE", "/secrets/:id", "secrets.delete"],
      ["POST", "/secrets/:id/reveal", "secrets.reveal"],
      ["POST", "/secrets/:id/check", "secrets.use"],
      ["GET", "/secrets/:id/proposals", "secrets.list"],
      ["GET", "/secrets/:id/proposals/:proposal", "secrets.list"],
      ["POST", "/secrets/:id/proposals", "secrets.edit"],
      ["POST", "/secrets/:id/proposals/:proposal/test", "secrets.edit"],
      ["POST", "/secrets/:id/proposals/:proposal/accept", "secrets.edit"],
      ["DELETE", "/secrets/:id/proposals/:proposal", "secrets.edit"],
    ]);
  });
});
