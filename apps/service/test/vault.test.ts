import assert from "node:assert/strict";
import { readdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { suite, test } from "node:test";
import { inspect } from "node:util";
import { keyPairFromSeed } from "@holdfast/crypto";
import { AppError, isAppError } from "@holdfast/kernel";
import type { Database } from "../src/database/database.ts";
import { createVault, openOrCreateVault } from "../src/secrets/create-vault.ts";
import { verifyAudit } from "../src/audit/verify-audit.ts";
import { openVault } from "../src/secrets/open-vault.ts";
import { replaceUnlockFile } from "../src/secrets/replace-unlock-file.ts";
import { sealSlot } from "../src/secrets/unlock-slots.ts";
import type { ValueName } from "../src/secrets/vault.ts";
import { vaultContext } from "../src/secrets/vault-context.ts";
import { type OpenedVault, sealRecoveryHash } from "../src/secrets/vault-of-keys.ts";
import { forEachDatabase } from "./databases.ts";
import { dropTriggers, dyingAfter, Killed, newPlace, PORTS, vaultFixture } from "./vault-fixture.ts";

const SECRET = "correct horse battery staple";

const nameOf = (id: string, version = 1, field = "value"): ValueName => ({
  kind: "password",
  id,
  version,
  field,
});

async function put(vault: OpenedVault, database: Database, name: ValueName, text: string): Promise<void> {
  await database.transaction((transaction) => vault.put(transaction, name, Buffer.from(text)));
}

async function get(vault: OpenedVault, database: Database, name: ValueName): Promise<string> {
  using value = await vault.get(database.db, name);
  return Buffer.from(value.bytes).toString();
}

/** The code, after a look at everything that the error would show: no secret stands in it. */
function refusal(code: string): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof AppError, inspect(error));
    const shown = inspect(error, { depth: 10, showHidden: true });
    assert(!shown.includes(SECRET) && !shown.includes(Buffer.from(SECRET).toString("hex")), "a secret shows");
    assert.equal(error.code, code, error.message);
    return true;
  };
}

suite("contexts of the vault", () => {
  test("are the bytes of docs/security.md", () => {
    const context = vaultContext("head", Buffer.alloc(16, 0xab), "password", "sec_1", 258);
    const expected = [
      Buffer.from("holdfast/vault/1/head"),
      Buffer.from([16, 0, 0, 0]),
      Buffer.alloc(16, 0xab),
      Buffer.from([8, 0, 0, 0]),
      Buffer.from("password"),
      Buffer.from([5, 0, 0, 0]),
      Buffer.from("sec_1"),
      Buffer.from([8, 0, 0, 0]),
      Buffer.from([2, 1, 0, 0, 0, 0, 0, 0]),
    ];
    assert.equal(context.toString("hex"), Buffer.concat(expected).toString("hex"));
  });
});

forEachDatabase("vault", (open) => {
  test("gives values back, also after it was opened again", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database, place } = fixture;
    await put(vault, database, nameOf("a"), SECRET);
    await put(vault, database, nameOf("a", 2), "second");
    await put(vault, database, nameOf("a", 2, "other"), "");
    assert.equal(await get(vault, database, nameOf("a")), SECRET);
    using again = await openVault(database.db, { kind: "file", ...place }, PORTS);
    assert.equal(await get(again, database, nameOf("a")), SECRET);
    assert.equal(await get(again, database, nameOf("a", 2)), "second");
    assert.equal(await get(again, database, nameOf("a", 2, "other")), "");
    assert.deepEqual(again.vaultId, vault.vaultId);
    assert.deepEqual(again.auditPublicKey, vault.auditPublicKey);
    assert.deepEqual(again.signAudit(Buffer.from("x")), vault.signAudit(Buffer.from("x")));
  });

  test("is made once, and a second start opens it", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, place, vault } = fixture;
    await assert.rejects(createVault(database, { ...PORTS, unlockFile: place }), refusal("ERR_VAULT_EXISTS"));
    using again = await openOrCreateVault(database, { ...PORTS, unlockFile: place });
    assert.deepEqual(again.vaultId, vault.vaultId);
  });

  test("a kill before any statement of the first start leaves what the next one begins anew with", async () => {
    await using database = await open();
    const { folder, place } = await newPlace();
    let kills = 0;
    for (let statements = 0; ; statements += 1) {
      try {
        using made = await createVault(dyingAfter(database, statements), { ...PORTS, unlockFile: place });
        assert.equal(made.vaultId.length, 16);
        break;
      } catch (error) {
        // Killed after the transaction, while it is opened again: then it is there.
        if (isAppError(error, "ERR_VAULT_EXISTS")) break;
        if (!(error instanceof Killed)) throw error;
        kills += 1;
      }
    }
    assert(kills > 5, `${String(kills)} kills`);
    using vault = await openOrCreateVault(database, { ...PORTS, unlockFile: place });
    await put(vault, database, nameOf("a"), SECRET);
    assert.equal(await get(vault, database, nameOf("a")), SECRET);
    assert.deepEqual(await readdir(dirname(place.path)), ["unlock"]);
    await rm(folder, { recursive: true });
  });

  test("several first starts at once make one vault", async () => {
    await using database = await open();
    const { folder, place } = await newPlace();
    const starts = Array.from({ length: 4 }, () =>
      openOrCreateVault(database, { ...PORTS, unlockFile: place }),
    );
    const vaults = await Promise.all(starts);
    assert.equal(new Set(vaults.map(({ vaultId }) => vaultId.toString("hex"))).size, 1);
    const [first, second] = vaults;
    assert(first !== undefined && second !== undefined);
    await put(first, database, nameOf("a"), SECRET);
    assert.equal(await get(second, database, nameOf("a")), SECRET);
    for (const vault of vaults) vault[Symbol.dispose]();
    await rm(folder, { recursive: true });
  });

  test("a lost unlock file is replaced with a passphrase or the kit; the old one opens no more", async () => {
    await using fixture = await vaultFixture(await open());
    const { database, vault, place } = fixture;
    const seed = Buffer.alloc(32, 9);
    const { publicKey } = keyPairFromSeed(seed);
    const root = vault.keys.root.bytes;
    const slot = await sealSlot(vault.vaultId, root, { kind: "recovery", publicKey }, "r", PORTS);
    await database.db.insertInto("unlock_slots").values(slot).execute();
    await put(vault, database, nameOf("a"), SECRET);
    const found = { ...place, path: `${place.path}.old` };
    await rename(place.path, found.path);
    await assert.rejects(
      openVault(database.db, { kind: "file", ...place }, PORTS),
      refusal("ERR_UNLOCK_FILE"),
    );
    const wrong = { kind: "recovery", seed: Buffer.alloc(32, 8) } as const;
    await assert.rejects(replaceUnlockFile(database, wrong, place, PORTS), refusal("ERR_KEY_WRONG"));
    await replaceUnlockFile(database, { kind: "recovery", seed }, place, PORTS);
    using again = await openVault(database.db, { kind: "file", ...place }, PORTS);
    assert.equal(await get(again, database, nameOf("a")), SECRET);
    await assert.rejects(openVault(database.db, { kind: "file", ...found }, PORTS), refusal("ERR_KEY_WRONG"));
    assert.equal((await verifyAudit(database.db, again.auditPublicKey)).signedTo, 1);
  });

  test("says when there is none", async () => {
    await using database = await open();
    const unlock = { kind: "passphrase", passphrase: Buffer.from("whatever") } as const;
    await assert.rejects(openVault(database.db, unlock, PORTS), refusal("ERR_VAULT_MISSING"));
  });

  test("a missing value is damage", async () => {
    await using fixture = await vaultFixture(await open());
    await assert.rejects(fixture.vault.get(fixture.database.db, nameOf("a")), refusal("ERR_VAULT_DAMAGED"));
  });

  test("nothing of a value stands in the database", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database } = fixture;
    await put(vault, database, nameOf("a"), SECRET);
    const rows = [
      ...(await database.db.selectFrom("vault").selectAll().execute()),
      ...(await database.db.selectFrom("unlock_slots").selectAll().execute()),
      ...(await database.db.selectFrom("keyring_terms").selectAll().execute()),
      ...(await database.db.selectFrom("vault_values").selectAll().execute()),
    ];
    const root = Buffer.from(vault.keys.root.bytes);
    for (const cell of rows.flatMap((row): unknown[] => Object.values(row))) {
      if (!Buffer.isBuffer(cell)) continue;
      assert(!cell.includes(SECRET) && !cell.includes(root));
    }
  });

  test("a changed value never changes: the database refuses", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database } = fixture;
    await put(vault, database, nameOf("a"), SECRET);
    const change = database.db.updateTable("vault_values").set({ value_box: Buffer.alloc(100) });
    await assert.rejects(change.execute());
    await assert.rejects(put(vault, database, nameOf("a"), "again"));
    assert.equal(await get(vault, database, nameOf("a")), SECRET);
  });

  test("swapped rows, moved fields and old versions do not open", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database } = fixture;
    await dropTriggers(database, "vault_values");
    const names = [nameOf("a"), nameOf("a", 2), nameOf("a", 1, "other"), nameOf("b")];
    for (const name of names) await put(vault, database, name, SECRET);
    const rows = await database.db.selectFrom("vault_values").selectAll().execute();
    for (const target of names) {
      for (const row of rows) {
        const same =
          row.object_id === target.id && row.version === target.version && row.field === target.field;
        // Whole boxes, and each half alone.
        for (const part of [["key_box", "value_box"], ["key_box"], ["value_box"]] as const) {
          const original = rows.find(
            (other) =>
              other.object_id === target.id &&
              other.version === target.version &&
              other.field === target.field,
          );
          assert(original !== undefined);
          const boxes = { key_box: original.key_box, value_box: original.value_box };
          for (const column of part) boxes[column] = row[column];
          await setBoxes(database, target, boxes);
          if (same) assert.equal(await get(vault, database, target), SECRET);
          else await assert.rejects(vault.get(database.db, target), refusal("ERR_VAULT_DAMAGED"));
          await setBoxes(database, target, original);
        }
      }
    }
  });

  test("a flipped bit anywhere in a value's row is damage", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database } = fixture;
    await dropTriggers(database, "vault_values");
    const name = nameOf("a");
    await put(vault, database, name, SECRET);
    const row = await database.db
      .selectFrom("vault_values")
      .selectAll()
      .where("object_id", "=", "a")
      .executeTakeFirstOrThrow();
    for (const column of ["key_box", "value_box"] as const) {
      for (let at = 0; at < row[column].length; at += 7) {
        const changed = Buffer.from(row[column]);
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        await setBoxes(database, name, { ...row, [column]: changed });
        await assert.rejects(vault.get(database.db, name), refusal("ERR_VAULT_DAMAGED"));
      }
      await setBoxes(database, name, { ...row, [column]: row[column].subarray(0, 60) });
      await assert.rejects(vault.get(database.db, name), refusal("ERR_VAULT_DAMAGED"));
    }
  });

  test("another kind of object with the same id does not open", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database } = fixture;
    await dropTriggers(database, "vault_values");
    await put(vault, database, nameOf("a"), SECRET);
    await database.db
      .updateTable("vault_values")
      .set({ object_kind: "encryption-key" })
      .where("object_id", "=", "a")
      .execute();
    const moved: ValueName = { kind: "encryption-key", id: "a", version: 1, field: "value" };
    await assert.rejects(vault.get(database.db, moved), refusal("ERR_VAULT_DAMAGED"));
  });

  test("heads prove object, kind and version", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault } = fixture;
    const box = vault.sealHead("password", "a", 2);
    vault.checkHead("password", "a", 2, box);
    const flipped = Buffer.from(box);
    flipped[70] = (flipped[70] ?? 0) ^ 1;
    for (const attempt of [
      () => vault.checkHead("password", "a", 1, box),
      () => vault.checkHead("password", "b", 2, box),
      () => vault.checkHead("encryption-key", "a", 2, box),
      () => vault.checkHead("password", "a", 2, flipped),
      () => vault.checkHead("password", "a", 2, Buffer.alloc(0)),
    ]) {
      assert.throws(attempt, refusal("ERR_VAULT_DAMAGED"));
    }
  });

  test("a term that was exchanged or changed does not open", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database, place } = fixture;
    await put(vault, database, nameOf("a"), SECRET);
    const term = await database.db.selectFrom("keyring_terms").selectAll().executeTakeFirstOrThrow();
    await database.db
      .insertInto("keyring_terms")
      .values({ ...term, number: 2 })
      .execute();
    await database.db.updateTable("vault").set({ current_term: 2 }).execute();
    const unlock = { kind: "file", ...place } as const;
    await assert.rejects(openVault(database.db, unlock, PORTS), refusal("ERR_VAULT_DAMAGED"));
    await database.db.updateTable("vault").set({ current_term: 3 }).execute();
    await assert.rejects(openVault(database.db, unlock, PORTS), refusal("ERR_VAULT_DAMAGED"));
    await database.db.updateTable("vault").set({ current_term: 1 }).execute();
    using again = await openVault(database.db, unlock, PORTS);
    assert.equal(await get(again, database, nameOf("a")), SECRET);
  });

  test("opens by passphrase and by recovery kit, and by nothing else", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database } = fixture;
    const seed = Buffer.alloc(32, 9);
    const passphrase = Buffer.from(SECRET);
    const root = vault.keys.root.bytes;
    const slots = [
      await sealSlot(vault.vaultId, root, { kind: "passphrase", passphrase }, "p", PORTS),
      await sealSlot(
        vault.vaultId,
        root,
        { kind: "recovery", publicKey: keyPairFromSeed(seed).publicKey },
        "r",
        PORTS,
      ),
    ];
    await database.db.insertInto("unlock_slots").values(slots).execute();
    for (const unlock of [
      { kind: "passphrase", passphrase },
      { kind: "recovery", seed },
    ] as const) {
      using opened = await openVault(database.db, unlock, PORTS);
      assert.deepEqual(opened.auditPublicKey, vault.auditPublicKey);
    }
    for (const unlock of [
      { kind: "passphrase", passphrase: Buffer.from(`${SECRET}!`) },
      { kind: "recovery", seed: Buffer.alloc(32, 8) },
    ] as const) {
      await assert.rejects(openVault(database.db, unlock, PORTS), refusal("ERR_KEY_WRONG"));
    }
    // Under another id, or with another cost, a slot is another slot.
    const [slot] = slots;
    assert(slot !== undefined);
    await database.db.updateTable("unlock_slots").set({ id: "slot_x" }).where("id", "=", slot.id).execute();
    await assert.rejects(
      openVault(database.db, { kind: "passphrase", passphrase }, PORTS),
      refusal("ERR_KEY_WRONG"),
    );
    await database.db
      .updateTable("unlock_slots")
      .set({ id: slot.id, parameters: (slot.parameters ?? "").replace('"passes":1', '"passes":2') })
      .where("id", "=", "slot_x")
      .execute();
    await assert.rejects(
      openVault(database.db, { kind: "passphrase", passphrase }, PORTS),
      refusal("ERR_KEY_WRONG"),
    );
  });

  test("a slot of another vault, or changed behind its commitment, is named", async () => {
    await using fixture = await vaultFixture(await open());
    await using other = await vaultFixture(await open());
    const { database, place } = fixture;
    const unlock = { kind: "file", ...place } as const;
    await assert.rejects(
      openVault(database.db, { kind: "file", ...other.place }, PORTS),
      refusal("ERR_KEY_WRONG"),
    );
    const slot = await database.db.selectFrom("unlock_slots").selectAll().executeTakeFirstOrThrow();
    const foreign = await other.database.db.selectFrom("unlock_slots").selectAll().executeTakeFirstOrThrow();
    await database.db.updateTable("unlock_slots").set({ box: foreign.box }).execute();
    await assert.rejects(openVault(database.db, unlock, PORTS), refusal("ERR_KEY_WRONG"));
    await database.db.updateTable("unlock_slots").set({ box: slot.box, id: "slot_x" }).execute();
    await assert.rejects(openVault(database.db, unlock, PORTS), refusal("ERR_KEY_WRONG"));
    await database.db.updateTable("unlock_slots").set({ id: slot.id }).execute();
    (await openVault(database.db, unlock, PORTS))[Symbol.dispose]();
    const flipped = Buffer.from(slot.box);
    flipped[90] = (flipped[90] ?? 0) ^ 1;
    await database.db.updateTable("unlock_slots").set({ box: flipped }).execute();
    await assert.rejects(openVault(database.db, unlock, PORTS), refusal("ERR_VAULT_DAMAGED"));
  });

  test("an exchanged recovery public key is refused", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database } = fixture;
    assert.equal(await vault.recoveryPublicKey(database.db), undefined);
    const { publicKey } = keyPairFromSeed(Buffer.alloc(32, 1));
    const box = sealRecoveryHash(vault.keys, publicKey, PORTS);
    const set = (recovery_public_key: Buffer, recovery_box: Buffer): Promise<unknown> =>
      database.db.updateTable("vault").set({ recovery_public_key, recovery_box }).execute();
    await set(publicKey, box);
    assert.deepEqual(await vault.recoveryPublicKey(database.db), publicKey);
    await set(keyPairFromSeed(Buffer.alloc(32, 2)).publicKey, box);
    await assert.rejects(vault.recoveryPublicKey(database.db), refusal("ERR_VAULT_DAMAGED"));
    // A box of V that says something else.
    await set(publicKey, vault.sealHead("password", "a", 1));
    await assert.rejects(vault.recoveryPublicKey(database.db), refusal("ERR_VAULT_DAMAGED"));
  });

  test("shows no key when it is printed", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault } = fixture;
    const shown = inspect(vault, { depth: 10 }) + JSON.stringify(vault);
    const root = Buffer.from(vault.keys.root.bytes);
    assert(!shown.includes(root.toString("hex")) && !shown.includes(root.toString("base64")));
    assert(!shown.includes(root.toString("hex").match(/../g)?.slice(0, 8).join(" ") ?? "never"));
  });

  test("its keys are gone when it is closed", async () => {
    await using fixture = await vaultFixture(await open());
    const { vault, database } = fixture;
    const root = vault.keys.root.bytes;
    vault[Symbol.dispose]();
    assert(root.every((byte) => byte === 0));
    await assert.rejects(vault.get(database.db, nameOf("a")), (error) => !isAppError(error, "ERR_KEY_WRONG"));
  });
});

async function setBoxes(
  database: Database,
  name: ValueName,
  { key_box, value_box }: { readonly key_box: Buffer; readonly value_box: Buffer },
): Promise<void> {
  await database.db
    .updateTable("vault_values")
    .set({ key_box, value_box })
    .where("object_id", "=", name.id)
    .where("version", "=", name.version)
    .where("field", "=", name.field)
    .execute();
}
