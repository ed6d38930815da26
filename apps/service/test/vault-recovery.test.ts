import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { ARGON2_DEFAULT, parseRecoveryKey, suiteFor } from "@holdfast/crypto";
import { AppError, newId } from "@holdfast/kernel";
import { newKit, type NewKit, newVaultSlot, type VaultSlot } from "@holdfast/protocol";
import {
  lateSlots,
  openRepository,
  prepareRepository,
  type PreparedObject,
  storePreparedObjects,
} from "@holdfast/repository";
import { MemoryStorage } from "@holdfast/storage";
import { z } from "zod";
import { userActor } from "../src/audit/audit.ts";
import { openVault } from "../src/secrets/open-vault.ts";
import { confirmRecoveryKit, makeRecoveryKit } from "../src/secrets/recovery-kit.ts";
import { addRecoverySlots } from "../src/secrets/repository-slots.ts";
import type { OpenedVault } from "../src/secrets/vault-of-keys.ts";
import { vaultRoutes } from "../src/secrets/vault-routes.ts";
import { addPassphraseSlot, removeSlot, type VaultDependencies } from "../src/secrets/vault-slots.ts";
import { vaultStatus } from "../src/secrets/vault-status.ts";
import { verifyVault } from "../src/secrets/verify-vault.ts";
import { forEachDatabase, type OpenTestDatabase } from "./databases.ts";
import { ACTOR, actions, create, createKey, fixtureOf, OWN_PASSWORD, VALUE } from "./secrets-fixture.ts";
import { PORTS } from "./vault-fixture.ts";

const preparedObjects = z.array(z.object({ name: z.string(), bytes: z.string() }));

type Fixture = Awaited<ReturnType<typeof fixtureOf>> & { readonly vaultDependencies: VaultDependencies };

async function kitFixture(open: OpenTestDatabase): Promise<Fixture> {
  const fixture = await fixtureOf(open);
  const vaultDependencies = { ...fixture.dependencies, vault: fixture.base.vault };
  return { ...fixture, vaultDependencies, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() };
}

const make = ({ vaultDependencies }: Fixture): Promise<NewKit> =>
  makeRecoveryKit(vaultDependencies, ACTOR, OWN_PASSWORD);

/** As a person reads them from the page, with small letters and look-alikes. */
function typedBack(kit: NewKit): [string, string] {
  const [first = "", second = ""] = kit.groups.map(({ line, group }) => {
    const read = kit.text.split("\n")[line]?.split(" ")[group - 1] ?? "";
    return read.toLowerCase().replaceAll("0", "o").replaceAll("1", "l");
  });
  return [first, second];
}

const confirm = (fixture: Fixture, kit: NewKit): Promise<void> =>
  confirmRecoveryKit(fixture.vaultDependencies, ACTOR, kit.id, { groups: typedBack(kit) });

function refusal(code: string, secret = "never"): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof AppError, inspect(error));
    assert(!inspect(error, { depth: 10 }).includes(secret), "a secret shows");
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** An encrypted repository as a plan without a kit makes it. */
async function addRepository({ dependencies }: Fixture, keyId: string): Promise<string> {
  const { database, vault } = dependencies;
  const target = { kind: "passphrase", passphrase: Buffer.from(VALUE), parameters: ARGON2_DEFAULT } as const;
  const prepared = prepareRepository(PORTS, suiteFor("gcm", "high"), [{ target, label: "key" }]);
  const id = prepared.config.repository.toString("hex");
  const storage = newId("sto");
  await database.transaction(async (transaction) => {
    await transaction
      .insertInto("storages")
      .values({
        id: storage,
        name: storage,
        description: "",
        location: "/srv",
        identity: "{}",
        secrets: "{}",
        created_at: 1,
        created_by: "",
        revision: 1,
      })
      .execute();
    await transaction
      .insertInto("repositories")
      .values({
        id,
        storage_id: storage,
        folder: "f",
        suite: 3,
        secret_id: keyId,
        prepared: JSON.stringify(
          prepared.objects.map(({ name, bytes }) => ({ name, bytes: bytes.toString("base64") })),
        ),
        created_at: 1,
      })
      .execute();
    await vault.put(transaction, { kind: "repository", id, version: 1, field: "value" }, prepared.rootSecret);
  });
  return id;
}

async function preparedOf({ dependencies }: Fixture, id: string): Promise<PreparedObject[]> {
  const { prepared } = await dependencies.database.db
    .selectFrom("repositories")
    .select("prepared")
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  return preparedObjects
    .parse(JSON.parse(prepared))
    .map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes, "base64") }));
}

forEachDatabase("recovery kit", (open) => {
  test("is in use when two groups were typed back, and opens the vault", async () => {
    await using fixture = await kitFixture(open);
    const { database, vault } = fixture.base;
    const secret = await create(fixture);
    const kit = await make(fixture);
    assert.deepEqual(newKit.parse(kit), kit);
    assert.equal(await vault.recoveryPublicKey(database.db), undefined, "before it is confirmed");
    await confirm(fixture, kit);
    assert.equal((await vault.recoveryPublicKey(database.db))?.length, 1216);
    const seed = parseRecoveryKey(kit.text);
    using opened = await openVault(database.db, { kind: "recovery", seed }, PORTS);
    using value = await opened.get(database.db, {
      kind: "password",
      id: secret.id,
      version: 1,
      field: "value",
    });
    assert.equal(Buffer.from(value.bytes).toString(), VALUE);
    assert.deepEqual(await actions(fixture), ["secret.create", "recovery-kit.make", "recovery-kit.use"]);
    await assert.rejects(confirm(fixture, kit), refusal("ERR_NOT_FOUND"));
    assert.deepEqual((await verifyVault(database.db, vault)).problems, []);
  });

  test("its text is kept nowhere", async () => {
    await using fixture = await kitFixture(open);
    const { db } = fixture.base.database;
    const kit = await make(fixture);
    await confirm(fixture, kit);
    const seed = parseRecoveryKey(kit.text);
    const rows = [
      ...(await db.selectFrom("unlock_slots").selectAll().execute()),
      ...(await db.selectFrom("vault").selectAll().execute()),
      ...(await db.selectFrom("vault_values").selectAll().execute()),
      ...(await db.selectFrom("audit_rows").selectAll().execute()),
    ];
    const groups = kit.text.split(/\s+/u).filter((group) => group.length === 5);
    assert.equal(groups.length, 12);
    for (const cell of rows.flatMap((row): unknown[] => Object.values(row))) {
      if (Buffer.isBuffer(cell)) assert(!cell.includes(seed));
      else assert(!groups.some((group) => String(cell).includes(group) && /[A-Z]/u.test(group)));
    }
  });

  test("wrong groups, the wrong order and groups of another kit are refused", async () => {
    await using fixture = await kitFixture(open);
    const { vaultDependencies } = fixture;
    const kit = await make(fixture);
    const [first, second] = typedBack(kit);
    const text = kit.text.split("\n")[1] ?? "";
    for (const groups of [
      [second, first],
      [first, first],
      ["", ""],
      [first, "!!!!!"],
      [text.slice(0, 20), ""],
    ] as [string, string][]) {
      await assert.rejects(
        confirmRecoveryKit(vaultDependencies, ACTOR, kit.id, { groups }),
        refusal("ERR_RECOVERY_KIT", text.slice(0, 5)),
      );
    }
    assert.equal(await fixture.base.vault.recoveryPublicKey(fixture.base.database.db), undefined);
  });

  test("typing back can be skipped, knowingly: the log says so", async () => {
    await using fixture = await kitFixture(open);
    const kit = await make(fixture);
    await confirmRecoveryKit(fixture.vaultDependencies, ACTOR, kit.id, { skip: true });
    const row = await fixture.base.database.db
      .selectFrom("audit_rows")
      .select("details")
      .where("action", "=", "recovery-kit.use")
      .executeTakeFirstOrThrow();
    assert.deepEqual(JSON.parse(row.details), { typedBack: false });
  });

  test("wants one's own password", async () => {
    await using fixture = await kitFixture(open);
    await assert.rejects(
      makeRecoveryKit(fixture.vaultDependencies, ACTOR, "wrong"),
      refusal("ERR_PASSWORD_WRONG"),
    );
    const slots = await fixture.base.database.db.selectFrom("unlock_slots").select("kind").execute();
    assert.deepEqual(slots, [{ kind: "file" }]);
  });

  test("a new one replaces the old one when it is confirmed, not before", async () => {
    await using fixture = await kitFixture(open);
    const { database } = fixture.base;
    const first = await make(fixture);
    await confirm(fixture, first);
    const lost = await make(fixture);
    const second = await make(fixture);
    await assert.rejects(confirm(fixture, lost), refusal("ERR_NOT_FOUND"));
    const opens = async (kit: NewKit): Promise<boolean> => {
      try {
        (await openVault(database.db, { kind: "recovery", seed: parseRecoveryKey(kit.text) }, PORTS))[
          Symbol.dispose
        ]();
        return true;
      } catch (error) {
        return !refusal("ERR_KEY_WRONG")(error);
      }
    };
    assert.deepEqual([await opens(first), await opens(lost)], [true, false]);
    await confirm(fixture, second);
    assert.deepEqual([await opens(first), await opens(second)], [false, true]);
  });

  test("a pending kit whose public key somebody exchanges is refused", async () => {
    await using fixture = await kitFixture(open);
    const { db } = fixture.base.database;
    const kit = await make(fixture);
    const slot = await db
      .selectFrom("unlock_slots")
      .selectAll()
      .where("id", "=", kit.id)
      .executeTakeFirstOrThrow();
    const parameters = z.record(z.string(), z.unknown()).parse(JSON.parse(slot.parameters ?? ""));
    const publicKey = Buffer.alloc(1216, 4).toString("base64");
    await db
      .updateTable("unlock_slots")
      .set({ parameters: JSON.stringify({ ...parameters, publicKey }) })
      .where("id", "=", kit.id)
      .execute();
    await assert.rejects(confirm(fixture, kit), refusal("ERR_VAULT_DAMAGED"));
  });

  test("reaches repositories that are older than it: kit and storage alone open them", async () => {
    await using fixture = await kitFixture(open);
    const { database, vault } = fixture.base;
    const key = await createKey(fixture);
    const id = await addRepository(fixture, key.id);
    const before = await preparedOf(fixture, id);
    const kit = await make(fixture);
    await confirm(fixture, kit);
    assert.deepEqual((await vaultStatus(database.db, vault)).repositories, { encrypted: 1, recoverable: 0 });
    assert.equal(await addRecoverySlots(fixture.vaultDependencies), 1);
    assert.equal(await addRecoverySlots(fixture.vaultDependencies), 0, "once");
    assert.deepEqual((await vaultStatus(database.db, vault)).repositories, { encrypted: 1, recoverable: 1 });
    const after = await preparedOf(fixture, id);
    assert.deepEqual(after.slice(0, -1), before, "the first objects stay as they were");
    const storage = new MemoryStorage();
    assert.equal(await storePreparedObjects(storage, after), "created");
    const process = { host: "test", bootId: "", processId: 1, startTime: "" };
    const ports = { ...PORTS, storage, process, hasEnded: () => false };
    await openRepository(ports, { kind: "recovery", seed: parseRecoveryKey(kit.text) }, ["read"]);
    await openRepository(ports, { kind: "passphrase", passphrase: Buffer.from(VALUE) }, ["read"]);
  });

  test("an older kit that was just being given to repositories does not come back in place of a newer one", async () => {
    await using fixture = await kitFixture(open);
    const { vaultDependencies } = fixture;
    const { vault } = vaultDependencies;
    const id = await addRepository(fixture, (await createKey(fixture)).id);
    await confirm(fixture, await make(fixture));
    const older = await vault.recoveryPublicKey(fixture.base.database.db);
    await confirm(fixture, await make(fixture));
    await addRecoverySlots(vaultDependencies);
    const before = await preparedOf(fixture, id);
    let isFirst = true;
    const late: OpenedVault = {
      ...vault,
      recoveryPublicKey: async (db) => {
        const key = isFirst ? older : await vault.recoveryPublicKey(db);
        isFirst = false;
        return key;
      },
    };
    await addRecoverySlots({ ...vaultDependencies, vault: late });
    assert.deepEqual(await preparedOf(fixture, id), before);
  });

  test("a newer kit takes the place of the older one in what agents have not stored", async () => {
    await using fixture = await kitFixture(open);
    const { vaultDependencies } = fixture;
    const key = await createKey(fixture);
    const id = await addRepository(fixture, key.id);
    const before = await preparedOf(fixture, id);
    const kits: NewKit[] = [];
    for (let count = 0; count < 2; count += 1) {
      const kit = await make(fixture);
      await confirm(fixture, kit);
      await addRecoverySlots(vaultDependencies);
      kits.push(kit);
    }
    const after = await preparedOf(fixture, id);
    assert.equal(after.length, before.length + 1);
    assert.deepEqual(lateSlots(after), after.slice(-1));
    const storage = new MemoryStorage();
    await storePreparedObjects(storage, after);
    const process = { host: "test", bootId: "", processId: 1, startTime: "" };
    const ports = { ...PORTS, storage, process, hasEnded: () => false };
    const [older, newer] = kits.map(
      ({ text }) => ({ kind: "recovery", seed: parseRecoveryKey(text) }) as const,
    );
    assert(older !== undefined && newer !== undefined);
    await openRepository(ports, newer, ["read"]);
    await assert.rejects(openRepository(ports, older, ["read"]), refusal("ERR_KEY_WRONG"));
  });

  test("an encryption key that was forgotten is recovered with kit and database", async () => {
    await using fixture = await kitFixture(open);
    const { database } = fixture.base;
    const key = await createKey(fixture);
    const kit = await make(fixture);
    await confirm(fixture, kit);
    using opened = await openVault(
      database.db,
      { kind: "recovery", seed: parseRecoveryKey(kit.text) },
      PORTS,
    );
    const name = { kind: "encryption-key", id: key.id, version: 1, field: "value" } as const;
    using value = await opened.get(database.db, name);
    assert.equal(Buffer.from(value.bytes).toString(), VALUE);
  });
});

forEachDatabase("unlock slots", (open) => {
  const PASSPHRASE = "a long passphrase of mine";
  const add = ({ vaultDependencies }: Fixture, change = {}): Promise<VaultSlot> => {
    const given = { label: "safe", passphrase: PASSPHRASE, confirmation: PASSPHRASE, password: OWN_PASSWORD };
    return addPassphraseSlot(vaultDependencies, ACTOR, newVaultSlot.parse({ ...given, ...change }));
  };

  test("a passphrase can be added, opens the vault, and stands in for the file", async () => {
    await using fixture = await kitFixture(open);
    const { database, vault, place } = fixture.base;
    const status = await vaultStatus(database.db, vault);
    assert.deepEqual(
      [status.unattendedStart, status.safeWithoutMachine, status.safeWithoutUnlockFile],
      [true, false, false],
    );
    const file = status.slots[0];
    assert.equal(file?.kind, "file");
    await assert.rejects(
      removeSlot(fixture.vaultDependencies, userActor(ACTOR), file.id),
      refusal("ERR_LAST_SLOT"),
    );
    const slot = await add(fixture);
    const unlock = { kind: "passphrase", passphrase: Buffer.from(PASSPHRASE) } as const;
    (await openVault(database.db, unlock, PORTS))[Symbol.dispose]();
    await removeSlot(fixture.vaultDependencies, userActor(ACTOR), file.id);
    await assert.rejects(openVault(database.db, { kind: "file", ...place }, PORTS), refusal("ERR_KEY_WRONG"));
    (await openVault(database.db, unlock, PORTS))[Symbol.dispose]();
    const later = await vaultStatus(database.db, vault);
    assert.deepEqual(
      [later.unattendedStart, later.safeWithoutMachine, later.safeWithoutUnlockFile],
      [false, true, true],
    );
    await assert.rejects(
      removeSlot(fixture.vaultDependencies, userActor(ACTOR), slot.id),
      refusal("ERR_LAST_SLOT"),
    );
    await assert.rejects(
      removeSlot(fixture.vaultDependencies, userActor(ACTOR), file.id),
      refusal("ERR_SLOT_NOT_FOUND"),
    );
    assert.deepEqual(await actions(fixture), ["vault.slot-add", "vault.slot-remove"]);
  });

  test("a kit alone is no way to start: the last other slot stays; the kit itself may go", async () => {
    await using fixture = await kitFixture(open);
    const { database, vault } = fixture.base;
    const kit = await make(fixture);
    await confirm(fixture, kit);
    const file = (await vaultStatus(database.db, vault)).slots.find(({ kind }) => kind === "file");
    assert(file !== undefined);
    await assert.rejects(
      removeSlot(fixture.vaultDependencies, userActor(ACTOR), file.id),
      refusal("ERR_LAST_SLOT"),
    );
    await removeSlot(fixture.vaultDependencies, userActor(ACTOR), kit.id);
    assert.equal(await vault.recoveryPublicKey(database.db), undefined);
    assert.equal((await vaultStatus(database.db, vault)).recoveryKit, false);
  });

  test("wants the passphrase twice and one's own password", async () => {
    await using fixture = await kitFixture(open);
    await assert.rejects(add(fixture, { confirmation: "other" }), refusal("ERR_CONFIRMATION", PASSPHRASE));
    await assert.rejects(add(fixture, { password: "wrong" }), refusal("ERR_PASSWORD_WRONG", PASSPHRASE));
    assert.throws(() =>
      newVaultSlot.parse({ label: "l", passphrase: "short", confirmation: "short", password: "p" }),
    );
  });

  test("every route needs the right to manage protection; the kit's text is not kept for repetition", async () => {
    await using fixture = await kitFixture(open);
    const routes = vaultRoutes(fixture.vaultDependencies);
    assert(routes.every(({ right }) => right === "secrets.protect"));
    assert.equal(routes.length, 7);
    const kit = routes.find(({ operation }) => operation === "makeRecoveryKit");
    assert.equal(kit?.creates, undefined);
  });
});
