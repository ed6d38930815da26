/** Opening a repository with keys that were derived elsewhere, from objects that were prepared elsewhere. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { keyPairFromSeed, type SUITE_NONE, SUITES, suiteFor } from "@holdfast/crypto";
import { type ErrorCode, isAppError, systemClock, systemRandomness } from "@holdfast/kernel";
import { MemoryStorage } from "@holdfast/storage";
import { deriveKeySet } from "../src/keys/key-set.ts";
import { listSlots } from "../src/keys/slots.ts";
import {
  type PreparedRepository,
  prepareRepository,
  storePreparedObjects,
} from "../src/prepare-repository.ts";
import { openRepository, openRepositoryWithKeys, type RepositoryPorts } from "../src/repository.ts";

const PORTS = { clock: systemClock, randomness: systemRandomness };
const KIT_SEED = Buffer.alloc(32, 7);
const PASSPHRASE = Buffer.from("correct horse");

const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

function newPorts(): RepositoryPorts & { readonly storage: MemoryStorage } {
  const process = { host: "test", bootId: "", processId: 1, startTime: "" };
  return { ...PORTS, storage: new MemoryStorage(), process, hasEnded: () => false };
}

function prepare(cipherSuite: typeof SUITE_NONE = suiteFor("cbc", "normal")): PreparedRepository {
  if (cipherSuite.method === null) return prepareRepository(PORTS, cipherSuite, []);
  const parameters = { memoryKiB: 8192, passes: 1, lanes: 1 };
  return prepareRepository(PORTS, cipherSuite, [
    { target: { kind: "passphrase", passphrase: PASSPHRASE, parameters }, label: "key" },
    { target: { kind: "recovery", publicKey: keyPairFromSeed(KIT_SEED).publicKey }, label: "kit" },
  ]);
}

suite("a prepared repository", () => {
  for (const cipherSuite of SUITES) {
    test(`of suite ${cipherSuite.name} opens with each capability derived from its root secret`, async () => {
      const { rootSecret, config, objects } = prepare(cipherSuite);
      const ports = newPorts();
      assert.equal(await storePreparedObjects(ports.storage, objects), "created");
      for (const capability of ["write", "maintain", "read"] as const) {
        const keys = deriveKeySet(rootSecret, config.repository, [capability]);
        const opened = await openRepositoryWithKeys(ports, keys);
        assert.equal(opened.config.suite, cipherSuite);
        assert.equal(opened.keys, keys);
      }
    });
  }

  test("opens without a service, with the encryption key and with the recovery kit", async () => {
    const { objects, config } = prepare();
    const ports = newPorts();
    await storePreparedObjects(ports.storage, objects);
    await openRepository(ports, { kind: "passphrase", passphrase: PASSPHRASE }, ["read"]);
    await openRepository(ports, { kind: "recovery", seed: KIT_SEED }, ["read"]);
    assert.equal((await listSlots(ports.storage, config.repository)).slots.length, 2);
  });

  test("is completed by another device after a stop at any of its objects", async () => {
    const { objects } = prepare();
    for (let stored = 0; stored < objects.length; stored += 1) {
      const ports = newPorts();
      await storePreparedObjects(ports.storage, objects.slice(0, stored));
      assert.equal(await storePreparedObjects(ports.storage, objects), "created");
      assert.equal(await storePreparedObjects(ports.storage, objects), "exists");
      await openRepository(ports, { kind: "recovery", seed: KIT_SEED }, ["read"]);
    }
  });

  test("holds no root secret in its objects", () => {
    const { objects, rootSecret } = prepare();
    for (const { bytes } of objects) assert(!bytes.includes(rootSecret));
  });
});

suite("opening with leased keys", () => {
  test("refuses another repository, keys of another root secret, and an exchanged public key", async () => {
    const own = prepare();
    const other = prepare();
    const ports = newPorts();
    await storePreparedObjects(ports.storage, own.objects);
    const { repository } = own.config;
    const open = (keys: ReturnType<typeof deriveKeySet>): Promise<unknown> =>
      openRepositoryWithKeys(ports, keys);
    await assert.rejects(
      open(deriveKeySet(other.rootSecret, other.config.repository, ["read"])),
      hasCode("ERR_REPOSITORY_MISMATCH"),
    );
    await assert.rejects(open(deriveKeySet(other.rootSecret, repository, ["read"])), hasCode("ERR_DAMAGED"));
    const keys = deriveKeySet(own.rootSecret, repository, ["write"]);
    const exchanged = { ...keys, publicKey: other.config.publicKey };
    await assert.rejects(open(exchanged), hasCode("ERR_DAMAGED"));
  });

  test("says that there is no repository where there is none", async () => {
    const { rootSecret, config } = prepare();
    const keys = deriveKeySet(rootSecret, config.repository, ["write"]);
    await assert.rejects(openRepositoryWithKeys(newPorts(), keys), hasCode("ERR_REPOSITORY_MISSING"));
  });
});
