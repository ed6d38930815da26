import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { newSecretValue, secretChange, secretQuery, type SecretView } from "@holdfast/protocol";
import { checkSecret } from "../src/secrets/reveal.ts";
import { findSecret, listSecrets } from "../src/secrets/secret-rows.ts";
import { findUses, USES_BY_DOMAINS } from "../src/secrets/secret-uses.ts";
import { changeSecret, deleteSecret, type SecretDependencies } from "../src/secrets/secrets.ts";
import { changeValue } from "../src/secrets/value-change.ts";
import { forEachDatabase } from "./databases.ts";
import {
  ACTOR,
  actions,
  addPlan,
  create,
  createKey,
  fixtureOf,
  refusal,
  VALUE,
  valueOf,
} from "./secrets-fixture.ts";
import { dropTriggers } from "./vault-fixture.ts";

forEachDatabase("secrets", (open) => {
  test("are made with a value typed twice, or a generated one", async () => {
    await using fixture = await fixtureOf(open);
    const made = await create(fixture, { description: "for the\nNAS" });
    assert.deepEqual(
      [made.kind, made.name, made.description, made.version, made.generated, made.revision],
      ["password", "NAS", "for the\nNAS", 1, false, 1],
    );
    assert.equal(await valueOf(fixture, made.id), VALUE);
    const generated = await create(fixture, {
      kind: "encryption-key",
      name: "Office",
      hint: "in the safe",
      value: undefined,
      confirmation: undefined,
      generate: true,
    });
    assert.equal(generated.generated, true);
    assert.match(await valueOf(fixture, generated.id), /^(?:[0-9a-z]{5}-){4}[0-9a-z]{6}$/u);
    assert.deepEqual(await actions(fixture), ["secret.create", "secret.create"]);
  });

  test("are refused when the value is not what it should be", async () => {
    await using fixture = await fixtureOf(open);
    const key = { kind: "encryption-key" };
    for (const [change, code] of [
      [{ confirmation: `${VALUE}!` }, "ERR_CONFIRMATION"],
      [{ confirmation: undefined }, "ERR_CONFIRMATION"],
      [{ value: undefined }, "ERR_USAGE"],
      [{ generate: true }, "ERR_USAGE"],
      [{ hint: "a password has none" }, "ERR_USAGE"],
      [{ ...key, value: "short 7", confirmation: "short 7" }, "ERR_USAGE"],
      [{ ...key, value: "two\nlines of it", confirmation: "two\nlines of it" }, "ERR_USAGE"],
      [{ value: "x\ud800yyyy", confirmation: "x\ud800yyyy" }, "ERR_USAGE"],
      [{ value: "ä".repeat(32 * 1024), confirmation: "ä".repeat(32 * 1024) }, "none"],
      [{ name: `it is ${VALUE}` }, "ERR_USAGE"],
      [{ description: `it is ${VALUE.normalize("NFD")}` }, "ERR_USAGE"],
      [{ ...key, hint: VALUE }, "ERR_USAGE"],
    ] as const) {
      if (code === "none") await create(fixture, { ...change, name: "long" });
      else await assert.rejects(create(fixture, change), refusal(code));
    }
    assert.equal((await actions(fixture)).length, 1);
  });

  test("one value typed on two systems is one: NFC", async () => {
    await using fixture = await fixtureOf(open);
    const made = await create(fixture, {
      value: VALUE.normalize("NFD"),
      confirmation: VALUE.normalize("NFC"),
    });
    assert.equal(await valueOf(fixture, made.id), VALUE.normalize("NFC"));
    const { dependencies } = fixture;
    assert.deepEqual(await checkSecret(dependencies, ACTOR, made.id, VALUE.normalize("NFD")), {
      matches: true,
    });
  });

  test("names are unique", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    await create(fixture);
    const other = await create(fixture, { name: "other" });
    await assert.rejects(create(fixture), refusal("ERR_NAME_TAKEN"));
    const change = secretChange.parse({ name: "NAS" });
    await assert.rejects(changeSecret(dependencies, ACTOR, other.id, change, 1), refusal("ERR_NAME_TAKEN"));
  });

  test("no answer and no row has the value", async () => {
    await using fixture = await fixtureOf(open);
    const { database } = fixture.dependencies;
    const made = await create(fixture);
    const shown = [
      made,
      await listSecrets(database.db, secretQuery.parse({})),
      await database.db.selectFrom("secrets").selectAll().execute(),
      await database.db.selectFrom("audit_rows").selectAll().execute(),
    ];
    assert(!JSON.stringify(shown).includes(VALUE));
    const values = await database.db.selectFrom("vault_values").selectAll().execute();
    for (const cell of values.flatMap((row): unknown[] => Object.values(row))) {
      assert(!(Buffer.isBuffer(cell) && cell.includes(VALUE)));
    }
  });

  test("are listed by name, page by page, by kind and by a part of the name", async () => {
    await using fixture = await fixtureOf(open);
    const { db } = fixture.dependencies.database;
    for (const name of ["b", "a", "c_x", "d"]) await create(fixture, { name });
    await createKey(fixture, "key");
    const names = async (query: Record<string, unknown>): Promise<string[]> =>
      (await listSecrets(db, secretQuery.parse(query))).items.map(({ name }) => name);
    assert.deepEqual(await names({}), ["a", "b", "c_x", "d", "key"]);
    assert.deepEqual(await names({ kind: "encryption-key" }), ["key"]);
    assert.deepEqual(await names({ name: "C_" }), ["c_x"]);
    assert.deepEqual(await names({ name: "%" }), []);
    const { next } = await listSecrets(db, secretQuery.parse({ limit: 2 }));
    assert.deepEqual(await names({ limit: 2, cursor: next }), ["c_x", "d"]);
  });

  test("name, description, hint and switch can be changed by who has seen the newest", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    const made = await createKey(fixture);
    const change = secretChange.parse({ name: "Home", description: "d", hint: "h", disabled: true });
    const changed = await changeSecret(dependencies, ACTOR, made.id, change, 1);
    assert.deepEqual(
      [changed.name, changed.description, changed.hint, changed.disabled, changed.revision, changed.version],
      ["Home", "d", "h", true, 2, 1],
    );
    const again = changeSecret(dependencies, ACTOR, made.id, change, 1);
    await assert.rejects(again, refusal("ERR_CHANGED_MEANWHILE"));
    const telling = secretChange.parse({ hint: `it is ${VALUE}` });
    await assert.rejects(changeSecret(dependencies, ACTOR, made.id, telling, 2), refusal("ERR_USAGE"));
    assert.equal(await valueOf(fixture, made.id), VALUE);
  });

  test("to disable one ends its leases in the same transaction, and tells the processes", async () => {
    const ended: string[] = [];
    let told = 0;
    const endLeases: SecretDependencies["endLeases"] = async (transaction, secretId) => {
      const row = await findSecret(transaction, secretId);
      ended.push(`${row.name} ${String(row.disabled)}`);
    };
    await using fixture = await fixtureOf(open, { endLeases });
    const { database } = fixture.dependencies;
    const dependencies = {
      ...fixture.dependencies,
      database: {
        ...database,
        notify: async (topic: Parameters<typeof database.notify>[0]) => {
          if (topic === "tasks") told += 1;
        },
      },
    };
    const { id } = await create(fixture);
    const change = (disabled: boolean, revision: number): Promise<unknown> =>
      changeSecret(dependencies, ACTOR, id, secretChange.parse({ disabled }), revision);
    await change(true, 1);
    await change(false, 2);
    assert.deepEqual([ended, told], [["NAS 1"], 1]);
  });

  test("a password gets a new version, the old one stays readable by its number", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    const made = await create(fixture);
    const given = newSecretValue.parse({ value: "second value", confirmation: "second value" });
    const changed = await changeValue(dependencies, ACTOR, made.id, given, 1);
    assert.deepEqual([changed.version, changed.revision], [2, 2]);
    assert.equal(await valueOf(fixture, made.id), "second value");
    await assert.rejects(
      changeValue(dependencies, ACTOR, made.id, given, 1),
      refusal("ERR_CHANGED_MEANWHILE"),
    );
    const wrong = newSecretValue.parse({ value: "a", confirmation: "b" });
    await assert.rejects(changeValue(dependencies, ACTOR, made.id, wrong, 2), refusal("ERR_CONFIRMATION"));
    assert.equal(await valueOf(fixture, made.id), "second value");
  });

  test("an encryption key's value never changes: not by the API, not in the database", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    const { vault, database } = dependencies;
    const made = await createKey(fixture);
    const given = newSecretValue.parse({ value: "another value", confirmation: "another value" });
    await assert.rejects(changeValue(dependencies, ACTOR, made.id, given, 1), (error) => {
      refusal("ERR_SECRET_FROZEN")(error);
      return isAppError(error) && /clone the plans/u.test(error.remedy ?? "");
    });
    const name = { kind: "encryption-key", id: made.id, version: 2, field: "value" } as const;
    await assert.rejects(database.transaction((t) => vault.put(t, name, Buffer.from("another value"))));
    const change = database.db.updateTable("secrets").set({ current_version: 2 }).where("id", "=", made.id);
    await assert.rejects(change.execute());
    await assert.rejects(database.db.updateTable("secrets").set({ kind: "password" }).execute());
    await assert.rejects(
      database.db
        .updateTable("vault_values")
        .set({ value_box: Buffer.alloc(9) })
        .execute(),
    );
    await assert.rejects(database.db.deleteFrom("vault_values").where("object_id", "=", made.id).execute());
    assert.equal(await valueOf(fixture, made.id), VALUE);
  });

  test("a value that is changed while others read it is read whole: the old one or the new one", async () => {
    await using fixture = await fixtureOf(open);
    const { id } = await create(fixture);
    const values = [VALUE, ...Array.from({ length: 12 }, (_, index) => `value number ${String(index)}`)];
    const changing = (async () => {
      for (const [index, value] of values.slice(1).entries()) {
        const given = newSecretValue.parse({ value, confirmation: value });
        await changeValue(fixture.dependencies, ACTOR, id, given, index + 1);
      }
    })();
    const read: string[] = [];
    for (let count = 0; count < 60; count += 1) read.push(await valueOf(fixture, id));
    await changing;
    assert(read.every((value) => values.includes(value)));
    assert.equal(await valueOf(fixture, id), values.at(-1));
  });

  test("an old version that somebody puts back is damage", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    const { db } = dependencies.database;
    const made = await create(fixture);
    const old = await findSecret(db, made.id);
    const given = newSecretValue.parse({ value: "second value", confirmation: "second value" });
    await changeValue(dependencies, ACTOR, made.id, given, 1);
    const set = (current_version: number, head_box: Buffer): Promise<unknown> =>
      db.updateTable("secrets").set({ current_version, head_box }).where("id", "=", made.id).execute();
    const newest = await findSecret(db, made.id);
    // The version alone, the head alone, both together as they were once.
    for (const [version, head] of [
      [1, newest.head_box],
      [2, old.head_box],
      [1, old.head_box],
    ] as const) {
      await set(version, head);
      await assert.rejects(valueOf(fixture, made.id), refusal("ERR_VAULT_DAMAGED"));
    }
    await set(2, newest.head_box);
    assert.equal(await valueOf(fixture, made.id), "second value");
  });

  test("two secrets whose rows trade places are damage", async () => {
    await using fixture = await fixtureOf(open);
    const { db } = fixture.dependencies.database;
    await dropTriggers(fixture.dependencies.database, "vault_values");
    const a = await create(fixture, { name: "a" });
    const b = await create(fixture, { name: "b", value: "value of b", confirmation: "value of b" });
    for (const [from, to] of [
      [a.id, "x"],
      [b.id, a.id],
      ["x", b.id],
    ] as const) {
      await db.updateTable("vault_values").set({ object_id: to }).where("object_id", "=", from).execute();
    }
    for (const { id } of [a, b]) await assert.rejects(valueOf(fixture, id), refusal("ERR_VAULT_DAMAGED"));
  });

  test("one in use takes a new value at once only when that is said, and the log tells", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    const password = await create(fixture);
    await addPlan(fixture, (await createKey(fixture)).id, password.id);
    const change = (more = {}): Promise<SecretView> => {
      const given = newSecretValue.parse({ value: "another value", confirmation: "another value", ...more });
      return changeValue(dependencies, ACTOR, password.id, given, 1);
    };
    await assert.rejects(change(), refusal("ERR_SECRET_TEST", /is used by the storage the NAS/u));
    assert.equal(await valueOf(fixture, password.id), VALUE);
    assert.equal((await change({ despiteTests: true })).version, 2);
    assert.equal(await valueOf(fixture, password.id), "another value");
    const row = await dependencies.database.db
      .selectFrom("audit_rows")
      .select("details")
      .where("action", "=", "secret.value")
      .executeTakeFirstOrThrow();
    assert.match(row.details, /"untested":\["storage sto_/u);
  });

  test("one in use is not deleted, and the answer says where", async () => {
    await using fixture = await fixtureOf(open);
    const { dependencies } = fixture;
    const { db } = dependencies.database;
    const password = await create(fixture);
    const key = await createKey(fixture);
    await addPlan(fixture, key.id, password.id);
    const uses = await findUses(db, USES_BY_DOMAINS, key.id);
    assert.deepEqual(
      uses.map(({ kind, name, copies }) => [kind, name, copies]),
      [
        ["plan", "nightly", undefined],
        ["repository", "the NAS", 2],
      ],
    );
    await assert.rejects(
      deleteSecret(dependencies, ACTOR, password.id),
      refusal("ERR_SECRET_IN_USE", /the storage the NAS/u),
    );
    await assert.rejects(
      deleteSecret(dependencies, ACTOR, key.id),
      refusal("ERR_SECRET_IN_USE", /the plan nightly, the repository in the NAS with 2 copies/u),
    );
    // Without the plan the copies still need it.
    await db.deleteFrom("plans").execute();
    await assert.rejects(
      deleteSecret(dependencies, ACTOR, key.id),
      refusal("ERR_SECRET_IN_USE", /2 copies/u),
    );
    assert.equal(await valueOf(fixture, key.id), VALUE);
    await db.deleteFrom("copies").execute();
    await db.deleteFrom("repositories").execute();
    await db.deleteFrom("storages").execute();
    await deleteSecret(dependencies, ACTOR, key.id);
    await deleteSecret(dependencies, ACTOR, password.id);
    const left = await db.selectFrom("vault_values").select("object_kind").execute();
    assert.deepEqual(left, [{ object_kind: "audit" }]);
    await assert.rejects(deleteSecret(dependencies, ACTOR, key.id), refusal("ERR_NOT_FOUND"));
  });

  test("an id inside of another text is no use", async () => {
    await using fixture = await fixtureOf(open);
    const password = await create(fixture);
    await addPlan(fixture, (await createKey(fixture)).id, "sec_other");
    const { database } = fixture.dependencies;
    await database.db
      .updateTable("storages")
      .set({ secrets: JSON.stringify({ [password.id]: "sec_other" }) })
      .execute();
    assert.deepEqual(await findUses(database.db, USES_BY_DOMAINS, password.id), []);
  });
});
