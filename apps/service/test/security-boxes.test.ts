/**
 * Every box of the database in the place of every other one: nothing opens where it does not belong, and `admin verify` names
 * each. A column with boxes that this test does not know fails it.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { newKit } from "@holdfast/protocol";
import { sql } from "kysely";
import type { Database } from "../src/database/database.ts";
import { sealNewTerm } from "../src/secrets/create-vault.ts";
import { openVault } from "../src/secrets/open-vault.ts";
import { confirmRecoveryKit, makeRecoveryKit } from "../src/secrets/recovery-kit.ts";
import { addPassphraseSlot } from "../src/secrets/vault-slots.ts";
import { verifyVault } from "../src/secrets/verify-vault.ts";
import { SeededRandom } from "../../../test/seeded-random.ts";
import { forEachDatabase, type OpenTestDatabase } from "./databases.ts";
import { ACTOR, create, createKey, type Fixture, fixtureOf, OWN_PASSWORD } from "./secrets-fixture.ts";
import { dropTriggers, PORTS } from "./vault-fixture.ts";

const SEED = process.env["BOXES_SEED"] ?? String(randomInt(2 ** 31));

type Keeper =
  /** Named by the verification of the vault. */
  | "verified"
  /** Opens with what the service does not have; shows when it is used. */
  | "ways"
  /** Of the audit log: see audit-tampering.test.ts. */
  | "audit"
  | "no box";

/** Every column of bytes. */
const COLUMNS: Readonly<Record<string, Keeper>> = {
  "vault.vault_id": "no box",
  "vault.recovery_public_key": "no box",
  "vault.recovery_box": "verified",
  "unlock_slots.box": "ways",
  "keyring_terms.box": "verified",
  "vault_values.key_box": "verified",
  "vault_values.value_box": "verified",
  "secrets.head_box": "verified",
  "audit_rows.hash": "audit",
  "audit_checkpoints.hash": "audit",
  "audit_checkpoints.signature": "audit",
  // Nothing writes it yet; who fills it adds it to the cells below.
  "users.totp_head_box": "no box",
  // Of others, to check signatures of theirs.
  "passkeys.public_key": "no box",
};

async function columnsOfBytes({ kind, db }: Database): Promise<readonly string[]> {
  const query =
    kind === "sqlite"
      ? sql<{
          name: string;
        }>`select m.name || '.' || c.name as name from sqlite_schema m, pragma_table_info(m.name) c
          where m.type = 'table' and upper(c.type) = 'BLOB'`
      : sql<{ name: string }>`select table_name || '.' || column_name as name from information_schema.columns
          where table_schema = 'public' and data_type = 'bytea'`;
  return (await query.execute(db)).rows.map(({ name }) => name).toSorted();
}

/** One box: how it is read, and written past every guard. */
interface Cell {
  readonly column: string;
  /** What a finding about it has to name. */
  readonly named: RegExp;
  readonly bytes: Buffer;
  readonly write: (bytes: Buffer) => Promise<unknown>;
}

async function fill(fixture: Fixture): Promise<void> {
  const { base, dependencies } = fixture;
  const { database, vault } = base;
  const kit = newKit.parse(await makeRecoveryKit({ ...dependencies, vault }, ACTOR, OWN_PASSWORD));
  await confirmRecoveryKit({ ...dependencies, vault }, ACTOR, kit.id, { skip: true });
  const passphrase = "one two three four five";
  await addPassphraseSlot({ ...dependencies, vault }, ACTOR, {
    label: "p",
    passphrase,
    confirmation: passphrase,
    password: OWN_PASSWORD,
  });
  const { id } = await create(fixture, { name: "one" });
  await create(fixture, { name: "two" });
  await createKey(fixture);
  await database.transaction(async (transaction) => {
    for (const kind of ["totp", "repository"] as const) {
      await vault.put(transaction, { kind, id: "the same", version: 1, field: "value" }, Buffer.from(kind));
    }
    await vault.put(transaction, { kind: "password", id, version: 2, field: "value" }, Buffer.from("2"));
    await transaction
      .updateTable("secrets")
      .set({ current_version: 2, head_box: vault.sealHead("password", id, 2) })
      .where("id", "=", id)
      .execute();
  });
  for (const table of ["vault_values", "secrets"]) await dropTriggers(database, table);
}

const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/gu, "\\$&");

async function cellsOf({ db }: Database): Promise<Cell[]> {
  const cells: Cell[] = [];
  const head = await db.selectFrom("vault").selectAll().executeTakeFirstOrThrow();
  assert(head.recovery_box !== null);
  cells.push({
    column: "vault.recovery_box",
    named: /recovery kit/u,
    bytes: head.recovery_box,
    write: (recovery_box) => db.updateTable("vault").set({ recovery_box }).execute(),
  });
  for (const { number, box } of await db.selectFrom("keyring_terms").selectAll().execute()) {
    cells.push({
      column: "keyring_terms.box",
      named: new RegExp(`Term ${String(number)}\\b`, "u"),
      bytes: box,
      write: (bytes) =>
        db.updateTable("keyring_terms").set({ box: bytes }).where("number", "=", number).execute(),
    });
  }
  for (const { id, head_box } of await db.selectFrom("secrets").selectAll().execute()) {
    cells.push({
      column: "secrets.head_box",
      named: new RegExp(escaped(id), "u"),
      bytes: head_box,
      write: (bytes) => db.updateTable("secrets").set({ head_box: bytes }).where("id", "=", id).execute(),
    });
  }
  for (const row of await db.selectFrom("vault_values").selectAll().execute()) {
    for (const column of ["key_box", "value_box"] as const) {
      cells.push({
        column: `vault_values.${column}`,
        named: new RegExp(escaped(`${row.object_id}, version ${String(row.version)}`), "u"),
        bytes: row[column],
        write: (bytes) =>
          db
            .updateTable("vault_values")
            .set({ [column]: bytes })
            .where("object_kind", "=", row.object_kind)
            .where("object_id", "=", row.object_id)
            .where("version", "=", row.version)
            .where("field", "=", row.field)
            .execute(),
      });
    }
  }
  return cells;
}

/** A second term, so that there are two to exchange: with a value of each. */
async function addTerm({ base: { database, vault } }: Fixture): Promise<void> {
  const box = sealNewTerm(vault.keys, 2, PORTS);
  await database.db.insertInto("keyring_terms").values({ number: 2, created_at: 1, box }).execute();
  await database.db.updateTable("vault").set({ current_term: 2 }).execute();
}

async function world(open: OpenTestDatabase): Promise<{ fixture: Fixture; cells: Cell[] }> {
  const fixture = await fixtureOf(open);
  await addTerm(fixture);
  await fill(fixture);
  const { database, vault } = fixture.base;
  assert.deepEqual((await verifyVault(database.db, vault)).problems, []);
  return { fixture, cells: await cellsOf(database) };
}

forEachDatabase("boxes in a wrong place", (open) => {
  test("every column that holds bytes is known here", async () => {
    await using database = await open();
    assert.deepEqual(
      await columnsOfBytes(database),
      Object.keys(COLUMNS).toSorted(),
      "a new column of bytes: if it holds a box, add it to cellsOf and to the verification",
    );
  });

  test("are named, whatever stands for what", async (context) => {
    const { fixture, cells } = await world(open);
    await using _ = fixture;
    const { database, vault } = fixture.base;
    const verified = Object.keys(COLUMNS).filter((name) => COLUMNS[name] === "verified");
    assert.deepEqual([...new Set(cells.map(({ column }) => column))].toSorted(), verified.toSorted());
    const random = new SeededRandom(`boxes/${SEED}`);
    context.diagnostic(`seed ${SEED}`);
    for (const cell of cells) {
      const others = cells.filter((other) => other !== cell);
      const ofColumn = others.filter(({ column }) => column === cell.column);
      const ofOthers = Array.from({ length: 3 }, () => random.pick(others));
      const flipped = Buffer.from(cell.bytes);
      const at = random.below(flipped.length);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      for (const bytes of [
        ...[...ofColumn, ...ofOthers].map((other) => other.bytes),
        flipped,
        Buffer.alloc(0),
      ]) {
        await cell.write(bytes);
        const { problems } = await verifyVault(database.db, vault);
        const found = problems.map(({ subject, reason }) => `${subject} ${reason}`).join("\n");
        assert.match(found, cell.named, `${cell.column} with seed ${SEED}: ${found}`);
      }
      await cell.write(cell.bytes);
    }
    assert.deepEqual((await verifyVault(database.db, vault)).problems, []);
  });

  test("do not open when they are used", async () => {
    const { fixture, cells } = await world(open);
    await using _ = fixture;
    const { database, vault, place } = fixture.base;
    const values = cells.filter(({ column }) => column.startsWith("vault_values."));
    for (const cell of values) {
      const other = values.find((one) => one !== cell && one.column === cell.column);
      assert(other !== undefined);
      await cell.write(other.bytes);
      let refused = 0;
      for (const { object_kind, object_id: id, version, field } of await database.db
        .selectFrom("vault_values")
        .selectAll()
        .execute()) {
        try {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the vault wrote it
          const kind = object_kind as "password";
          (await vault.get(database.db, { kind, id, version, field })).wipe();
        } catch (error) {
          assert(isAppError(error, "ERR_VAULT_DAMAGED"), String(error));
          refused += 1;
        }
      }
      assert.equal(refused, 1, "the one that was exchanged, and no other");
      await cell.write(cell.bytes);
    }
    const slots = await database.db.selectFrom("unlock_slots").selectAll().execute();
    assert.deepEqual(slots.map(({ kind }) => kind).toSorted(), ["file", "passphrase", "recovery"]);
    const file = slots.find(({ kind }) => kind === "file");
    for (const slot of slots) {
      if (slot === file || file === undefined) continue;
      await database.db
        .updateTable("unlock_slots")
        .set({ box: slot.box })
        .where("id", "=", file.id)
        .execute();
      await assert.rejects(
        openVault(database.db, { kind: "file", ...place }, PORTS),
        (error) => isAppError(error, "ERR_KEY_WRONG") || isAppError(error, "ERR_VAULT_DAMAGED"),
      );
    }
  });

  test("do not open as whole rows either: of another version, another object, another kind", async () => {
    const { fixture } = await world(open);
    await using _ = fixture;
    const { database, vault } = fixture.base;
    const rows = await database.db.selectFrom("vault_values").selectAll().execute();
    const boxesOf = (row: (typeof rows)[number], from: (typeof rows)[number]) =>
      database.db
        .updateTable("vault_values")
        .set({ term: from.term, key_box: from.key_box, value_box: from.value_box })
        .where("object_kind", "=", row.object_kind)
        .where("object_id", "=", row.object_id)
        .where("version", "=", row.version)
        .where("field", "=", row.field)
        .execute();
    let versions = 0;
    for (const row of rows) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the vault wrote it
      const kind = row.object_kind as "password";
      const name = { kind, id: row.object_id, version: row.version, field: row.field };
      for (const from of rows) {
        if (from === row) continue;
        await boxesOf(row, from);
        const what = `${JSON.stringify(name)} from ${from.object_id}, version ${String(from.version)}`;
        await assert.rejects(
          vault.get(database.db, name),
          (error) => isAppError(error, "ERR_VAULT_DAMAGED"),
          what,
        );
        if (from.object_id === row.object_id) versions += 1;
      }
      await boxesOf(row, row);
      (await vault.get(database.db, name)).wipe();
    }
    assert(versions >= 2, "an object has versions");
  });

  test("of a recovery kit that waits to be confirmed are named, and not put in use", async () => {
    const { fixture } = await world(open);
    await using _ = fixture;
    const { database, vault } = fixture.base;
    const kit = newKit.parse(await makeRecoveryKit({ ...fixture.dependencies, vault }, ACTOR, OWN_PASSWORD));
    const slot = () =>
      database.db.selectFrom("unlock_slots").selectAll().where("id", "=", kit.id).executeTakeFirstOrThrow();
    const original = (await slot()).parameters ?? "";
    const fields: Record<string, unknown> = JSON.parse(original);
    for (const change of [
      { recoveryBox: fields["checkBox"] },
      { checkBox: fields["recoveryBox"] },
      { publicKey: Buffer.alloc(1216, 7).toString("base64") },
    ]) {
      const parameters = JSON.stringify({ ...fields, ...change });
      await database.db.updateTable("unlock_slots").set({ parameters }).where("id", "=", kit.id).execute();
      const { problems } = await verifyVault(database.db, vault);
      assert.match(JSON.stringify(problems), /recovery kit/u, Object.keys(change).join());
      await assert.rejects(
        confirmRecoveryKit({ ...fixture.dependencies, vault }, ACTOR, kit.id, { groups: ["AAAAA", "BBBBB"] }),
        (error) => isAppError(error, "ERR_VAULT_DAMAGED"),
        Object.keys(change).join(),
      );
      await database.db
        .updateTable("unlock_slots")
        .set({ parameters: original })
        .where("id", "=", kit.id)
        .execute();
    }
    assert.deepEqual((await verifyVault(database.db, vault)).problems, []);
  });

  test("an older version that is put back is refused and named, with its own head too", async () => {
    const fixture = await fixtureOf(open);
    await using _ = fixture;
    const { database, vault } = fixture.base;
    const { id } = await create(fixture);
    const { head_box } = await database.db.selectFrom("secrets").selectAll().executeTakeFirstOrThrow();
    await database.transaction(async (transaction) => {
      await vault.put(transaction, { kind: "password", id, version: 2, field: "value" }, Buffer.from("2"));
      const head = { current_version: 2, head_box: vault.sealHead("password", id, 2) };
      await transaction.updateTable("secrets").set(head).execute();
    });
    assert.deepEqual((await verifyVault(database.db, vault)).problems, []);
    await dropTriggers(database, "secrets");
    await database.db.updateTable("secrets").set({ current_version: 1, head_box }).execute();
    const [problem] = (await verifyVault(database.db, vault)).problems;
    assert.match(problem?.subject ?? "", new RegExp(id, "u"));
  });
});
