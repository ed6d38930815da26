import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { SERVICE_ACTOR } from "../src/audit/audit.ts";
import { createAuditLog } from "../src/audit/audit-log.ts";
import { verifyAudit } from "../src/audit/verify-audit.ts";
import type { Database } from "../src/database/database.ts";
import { finishRotation, type KeyringDependencies, rotateKeyring } from "../src/secrets/keyring.ts";
import { openVault } from "../src/secrets/open-vault.ts";
import type { ValueName } from "../src/secrets/vault.ts";
import type { OpenedVault } from "../src/secrets/vault-of-keys.ts";
import { verifyVault } from "../src/secrets/verify-vault.ts";
import { forEachDatabase } from "./databases.ts";
import { dropTriggers, dyingAfter, Killed, PORTS, type VaultFixture, vaultFixture } from "./vault-fixture.ts";

const NAMES: readonly ValueName[] = [
  { kind: "repository", id: "a", version: 1, field: "value" },
  { kind: "repository", id: "b", version: 1, field: "value" },
  { kind: "authority", id: "c", version: 1, field: "key" },
];

function dependenciesOf(database: Database, vault: OpenedVault): KeyringDependencies {
  return { ...PORTS, database, vault, audit: createAuditLog({ ...PORTS, database, vault }) };
}

async function fill({ database, vault }: VaultFixture): Promise<void> {
  for (const name of NAMES) {
    await database.transaction((transaction) => vault.put(transaction, name, Buffer.from(`of ${name.id}`)));
  }
}

async function assertWhole(database: Database, vault: OpenedVault): Promise<void> {
  assert.deepEqual(await verifyVault(database.db, vault), { values: NAMES.length + 1, problems: [] });
  for (const name of NAMES) {
    using value = await vault.get(database.db, name);
    assert.equal(Buffer.from(value.bytes).toString(), `of ${name.id}`);
  }
}

async function termsInUse({ db }: Database): Promise<{ current: number; stored: number[]; used: number[] }> {
  const { current_term: current } = await db
    .selectFrom("vault")
    .select("current_term")
    .executeTakeFirstOrThrow();
  const stored = await db.selectFrom("keyring_terms").select("number").orderBy("number").execute();
  const used = await db.selectFrom("vault_values").select("term").distinct().orderBy("term").execute();
  return { current, stored: stored.map(({ number }) => number), used: used.map(({ term }) => term) };
}

forEachDatabase("rotation of the keyring", (open) => {
  test("moves every value under a new term and deletes the old one", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault, place } = fixture;
    await fill(fixture);
    const before = await database.db.selectFrom("vault_values").selectAll().execute();
    const rotation = await rotateKeyring(dependenciesOf(database, vault), SERVICE_ACTOR);
    assert.deepEqual(rotation, { term: 2, moved: NAMES.length + 1 });
    assert.deepEqual(await termsInUse(database), { current: 2, stored: [2], used: [2] });
    await assertWhole(database, vault);
    // Values themselves stay as they are.
    const after = await database.db.selectFrom("vault_values").selectAll().execute();
    const boxes = (rows: typeof before): Set<string> =>
      new Set(rows.map(({ value_box }) => value_box.toString("hex")));
    assert.deepEqual(boxes(after), boxes(before));
    using again = await openVault(database.db, { kind: "file", ...place }, PORTS);
    await assertWhole(database, again);
    assert.deepEqual(await rotateKeyring(dependenciesOf(database, again), SERVICE_ACTOR), {
      term: 3,
      moved: NAMES.length + 1,
    });
    assert.equal((await verifyAudit(database.db, vault.auditPublicKey)).problem, undefined);
  });

  test("a kill before any statement leaves a vault that opens, and the next one finishes", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault, place } = fixture;
    await fill(fixture);
    let kills = 0;
    for (let statements = 0; ; statements += 1) {
      const dying = dependenciesOf(dyingAfter(database, statements), vault);
      try {
        await rotateKeyring(dying, SERVICE_ACTOR);
        break;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        kills += 1;
      }
      using next = await openVault(database.db, { kind: "file", ...place }, PORTS);
      await assertWhole(database, next);
      // Every second time the next start goes on; else the next rotation meets what is left.
      if (statements % 2 === 0) {
        await finishRotation(dependenciesOf(database, next));
        const { current, stored, used } = await termsInUse(database);
        assert.deepEqual([stored, used], [[current], [current]]);
      }
    }
    // Each step with several statements: fewer would mean that the loop did not reach inside.
    assert(kills > 20, `${String(kills)} kills`);
    using last = await openVault(database.db, { kind: "file", ...place }, PORTS);
    await assertWhole(database, last);
    const { current, stored, used } = await termsInUse(database);
    assert.deepEqual([stored, used], [[current], [current]]);
  });

  test("a process that has not heard of it reads and writes on", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault, place } = fixture;
    await fill(fixture);
    using other = await openVault(database.db, { kind: "file", ...place }, PORTS);
    await assertWhole(database, other);
    await rotateKeyring(dependenciesOf(database, vault), SERVICE_ACTOR);
    await assertWhole(database, other);
    const name: ValueName = { kind: "repository", id: "d", version: 1, field: "value" };
    await database.transaction((transaction) => other.put(transaction, name, Buffer.from("of d")));
    using value = await vault.get(database.db, name);
    assert.equal(Buffer.from(value.bytes).toString(), "of d");
    assert.deepEqual((await termsInUse(database)).used, [2]);
  });

  test("another term of the same number is another term", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault, place } = fixture;
    await fill(fixture);
    using other = await openVault(database.db, { kind: "file", ...place }, PORTS);
    // This process knows its term 2, and dies before it is made current; the other one takes it for a leftover.
    for (let statements = 3; vault.keys.terms.get(2) === undefined; statements += 1) {
      const dying = dependenciesOf(dyingAfter(database, statements), vault);
      await assert.rejects(rotateKeyring(dying, SERVICE_ACTOR), Killed);
      if (vault.keys.terms.get(2) === undefined) await finishRotation(dependenciesOf(database, other));
    }
    await finishRotation(dependenciesOf(database, other));
    await rotateKeyring(dependenciesOf(database, other), SERVICE_ACTOR);
    assert.deepEqual(await termsInUse(database), { current: 2, stored: [2], used: [2] });
    const name: ValueName = { kind: "repository", id: "d", version: 1, field: "value" };
    await database.transaction((transaction) => vault.put(transaction, name, Buffer.from("of d")));
    using value = await other.get(database.db, name);
    assert.equal(Buffer.from(value.bytes).toString(), "of d");
  });

  test("values stored and read meanwhile are neither lost nor missed", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault } = fixture;
    await fill(fixture);
    const writes = Array.from({ length: 12 }, async (_, index) => {
      const name: ValueName = { kind: "repository", id: `m${String(index)}`, version: 1, field: "value" };
      await database.transaction((transaction) => vault.put(transaction, name, Buffer.from("meanwhile")));
      using value = await vault.get(database.db, name);
      assert.equal(Buffer.from(value.bytes).toString(), "meanwhile");
    });
    await Promise.all([rotateKeyring(dependenciesOf(database, vault), SERVICE_ACTOR), ...writes]);
    await finishRotation(dependenciesOf(database, vault));
    assert.deepEqual(await termsInUse(database), { current: 2, stored: [2], used: [2] });
    assert.deepEqual((await verifyVault(database.db, vault)).problems, []);
  });

  test("a damaged value stops it, and stays where it can be found", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault } = fixture;
    await fill(fixture);
    await database.db
      .updateTable("vault_values")
      .set({ key_box: Buffer.alloc(112) })
      .where("object_id", "=", "b")
      .execute();
    await assert.rejects(
      rotateKeyring(dependenciesOf(database, vault), SERVICE_ACTOR),
      (error) => isAppError(error, "ERR_VAULT_DAMAGED") && /repository b/u.test(error.message),
    );
    const { problems } = await verifyVault(database.db, vault);
    assert.deepEqual(
      problems.map(({ subject }) => subject),
      ["The repository b, version 1,"],
    );
    for (const id of ["a", "c"]) {
      const name = NAMES.find((other) => other.id === id);
      assert(name !== undefined);
      (await vault.get(database.db, name)).wipe();
    }
  });
});

forEachDatabase("verification of the vault", (open) => {
  test("names everything that is wrong", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault } = fixture;
    await fill(fixture);
    await dropTriggers(database, "vault_values");
    const { db } = database;
    const subjects = async (): Promise<string[]> =>
      (await verifyVault(db, vault)).problems.map(({ subject }) => subject);
    await db.updateTable("vault_values").set({ object_id: "z" }).where("object_id", "=", "a").execute();
    assert.deepEqual(await subjects(), ["The repository z, version 1,"]);
    const orphan: ValueName = { kind: "password", id: "sec_x", version: 1, field: "value" };
    await database.transaction((transaction) => vault.put(transaction, orphan, Buffer.from("x")));
    assert.deepEqual(await subjects(), ["The repository z, version 1,", "The password sec_x, version 1,"]);
    const term = await db.selectFrom("keyring_terms").selectAll().executeTakeFirstOrThrow();
    await db
      .insertInto("keyring_terms")
      .values({ ...term, number: 7 })
      .execute();
    assert.equal((await subjects())[0], "Term 7 of the keyring");
    await db
      .updateTable("vault")
      .set({ recovery_public_key: Buffer.alloc(3), recovery_box: Buffer.alloc(3) })
      .execute();
    await db.deleteFrom("unlock_slots").execute();
    assert.deepEqual((await subjects()).slice(-2), [
      "The public key of the recovery kit",
      "The unlock slots",
    ]);
  });

  test("looks at every page of values", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault } = fixture;
    await database.transaction(async (transaction) => {
      for (let index = 0; index < 1100; index += 1) {
        const name: ValueName = { kind: "repository", id: `v${String(index)}`, version: 1, field: "value" };
        await vault.put(transaction, name, Buffer.from("v"));
      }
    });
    assert.deepEqual(await verifyVault(database.db, vault), { values: 1101, problems: [] });
  });
});
