import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { test } from "node:test";
import { keyPairFromSeed, signingKeyFromSeed } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import { openDatabase } from "../src/database/open-database.ts";
import { makeNewUnlockFile, verifyDatabase } from "../src/administration/vault-administration.ts";
import {
  addUnlockPassphrase,
  listUnlockSlots,
  removeUnlockSlot,
} from "../src/administration/unlock-slots.ts";
import { createVault, openOrCreateVault } from "../src/secrets/create-vault.ts";
import { sealSlot } from "../src/secrets/unlock-slots.ts";
import { forEachDatabase } from "./databases.ts";
import { newPlace, PORTS } from "./vault-fixture.ts";

forEachDatabase("administration", (open) => {
  test("who lost the unlock file and has the recovery kit starts again, and finds everything whole", async () => {
    const url = await open.newUrl();
    const { folder, place } = await newPlace();
    const seed = Buffer.alloc(32, 3);
    {
      await using database = await openDatabase(url);
      using vault = await createVault(database, { ...PORTS, unlockFile: place });
      const target = { kind: "recovery", publicKey: keyPairFromSeed(seed).publicKey } as const;
      const slot = await sealSlot(vault.vaultId, vault.keys.root.bytes, target, "kit", PORTS);
      await database.db.insertInto("unlock_slots").values(slot).execute();
    }
    await rm(place.path);
    const start = async (): Promise<void> => {
      await using database = await openDatabase(url);
      (await openOrCreateVault(database, { ...PORTS, unlockFile: place }))[Symbol.dispose]();
    };
    await assert.rejects(start(), (error) => isAppError(error, "ERR_UNLOCK_FILE"));
    await makeNewUnlockFile(url, { kind: "recovery", seed }, place);
    await start();
    const found = await verifyDatabase(url, { kind: "file", ...place });
    assert.deepEqual(found.vault, { values: 1, problems: [] });
    assert.deepEqual([found.audit.rows, found.audit.signedTo, found.audit.problem], [1, 1, undefined]);
    // With a key that was kept elsewhere and is not the vault's.
    const other = signingKeyFromSeed(Buffer.alloc(32, 1)).publicKey;
    const strange = await verifyDatabase(url, { kind: "recovery", seed }, other);
    assert.equal(strange.audit.problem?.number, 1);
    await rm(folder, { recursive: true });
  });

  test("who has the machine adds a passphrase and removes the unlock file, but not the last way in", async () => {
    const url = await open.newUrl();
    const { folder, place } = await newPlace();
    {
      await using database = await openDatabase(url);
      (await createVault(database, { ...PORTS, unlockFile: place }))[Symbol.dispose]();
    }
    const byFile = { kind: "file", ...place } as const;
    const [file] = await listUnlockSlots(url);
    assert(file?.kind === "file");
    await assert.rejects(removeUnlockSlot(url, byFile, file.id), (error) =>
      isAppError(error, "ERR_LAST_SLOT"),
    );
    for (const passphrase of ["too short", "passwordpassword"])
      await assert.rejects(addUnlockPassphrase(url, byFile, { label: "paper", passphrase }), (error) =>
        isAppError(error, "ERR_PASSWORD_WEAK"),
      );

    const passphrase = "Zq3-lantern-oboe-gravel-tundra";
    const { slot } = await addUnlockPassphrase(url, byFile, { label: "paper", passphrase });
    const listed = await listUnlockSlots(url);
    assert.deepEqual(
      listed.map(({ id, label }) => [id, label]),
      [
        [file.id, "unlock file"],
        [slot.id, "paper"],
      ],
    );

    const wrong = { kind: "passphrase", passphrase: Buffer.from("another one altogether") } as const;
    await assert.rejects(removeUnlockSlot(url, wrong, file.id), (error) =>
      isAppError(error, "ERR_KEY_WRONG"),
    );
    const byPassphrase = { kind: "passphrase", passphrase: Buffer.from(passphrase) } as const;
    await removeUnlockSlot(url, byPassphrase, file.id);
    await assert.rejects(verifyDatabase(url, byFile));
    const { vault, audit } = await verifyDatabase(url, byPassphrase);
    assert.deepEqual(vault.problems, []);
    assert.deepEqual([audit.rows, audit.signedTo, audit.problem], [2, 2, undefined]);
    await rm(folder, { recursive: true });
  });
});
