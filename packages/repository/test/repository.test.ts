/** Making and opening a repository: who gets in, with what, and what each refusal says. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ARGON2_DEFAULT, keyPairFromSeed, SUITE_NONE, SUITES, suiteFor } from "@holdfast/crypto";
import { type ErrorCode, isAppError, systemClock, systemRandomness } from "@holdfast/kernel";
import { MemoryStorage } from "@holdfast/storage";
import { withChecksum } from "../src/format/head.ts";
import { CONFIG_NAME, PREFIXES } from "../src/format/object-names.ts";
import { publicKeyOf } from "../src/keys/key-set.ts";
import type { SlotKey, SlotTarget } from "../src/keys/slot.ts";
import { addSlot, labelOf, listSlots, removeSlot } from "../src/keys/slots.ts";
import {
  createRepository,
  openRepository,
  readConfig,
  type RepositoryPorts,
  rootSecretOf,
} from "../src/repository.ts";

const FAST_ARGON2 = { memoryKiB: 8192, passes: 1, lanes: 1 };
const passphrase = (text: string): SlotKey => ({ kind: "passphrase", passphrase: Buffer.from(text) });
const forPassphrase = (text: string): SlotTarget => ({
  kind: "passphrase",
  passphrase: Buffer.from(text),
  parameters: FAST_ARGON2,
});
const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isAppError(error, code);

function newPorts(storage = new MemoryStorage()): RepositoryPorts & { readonly storage: MemoryStorage } {
  const process = { host: "test", bootId: "", processId: 1, startTime: "" };
  return { storage, clock: systemClock, randomness: systemRandomness, process, hasEnded: () => false };
}

async function newEncrypted(key = "correct horse"): Promise<ReturnType<typeof newPorts>> {
  const ports = newPorts();
  const slot = { target: forPassphrase(key), label: "first" };
  await createRepository(ports, { suite: suiteFor("gcm", "high"), slot });
  return ports;
}

/** Replaces an object, which the contract of a storage does not allow. */
async function replace(storage: MemoryStorage, name: string, bytes: Buffer): Promise<void> {
  await storage.delete(name);
  await storage.put(name, bytes);
}

suite("a new repository", () => {
  for (const cipherSuite of SUITES) {
    test(`with ${cipherSuite.name} opens again`, async () => {
      const ports = newPorts();
      const encrypted = cipherSuite.method !== null;
      const protection = encrypted ? { slot: { target: forPassphrase("k"), label: "" } } : {};
      await createRepository(ports, { suite: cipherSuite, ...protection });
      const opened = await openRepository(ports, encrypted ? passphrase("k") : undefined, ["read"]);
      assert.equal(opened.config.suite, cipherSuite);
      assert.ok(opened.keys.privateSeed !== undefined);
    });
  }

  test("is refused where one is", async () => {
    const ports = await newEncrypted();
    await assert.rejects(createRepository(ports, { suite: SUITE_NONE }), hasCode("ERR_REPOSITORY_EXISTS"));
  });

  test("stretches passphrases by default with 64 MiB and three passes", () => {
    assert.deepEqual(ARGON2_DEFAULT, { memoryKiB: 65_536, passes: 3, lanes: 4 });
  });
});

suite("opening", () => {
  test("gives exactly the keys of the capability", async () => {
    const ports = await newEncrypted();
    const open = (capability: "write" | "maintain" | "read") =>
      openRepository(ports, passphrase("correct horse"), [capability]);
    const names = async (capability: "write" | "maintain" | "read"): Promise<string[]> =>
      Object.keys((await open(capability)).keys).toSorted();
    assert.deepEqual(await names("write"), ["chunkerKey", "idKey", "publicKey", "repository", "tableKey"]);
    assert.deepEqual(await names("maintain"), ["repository", "tableKey"]);
    assert.deepEqual(await names("read"), ["idKey", "privateSeed", "repository", "tableKey"]);
  });

  test("tells a wrong key, a missing key, a key too many and no repository apart", async () => {
    const ports = await newEncrypted();
    await assert.rejects(openRepository(ports, passphrase("wrong"), ["read"]), hasCode("ERR_KEY_WRONG"));
    await assert.rejects(openRepository(ports, undefined, ["read"]), hasCode("ERR_KEY_MISSING"));
    await assert.rejects(
      openRepository(newPorts(), passphrase("x"), ["read"]),
      hasCode("ERR_REPOSITORY_MISSING"),
    );
    const open = newPorts();
    await createRepository(open, { suite: SUITE_NONE });
    await assert.rejects(openRepository(open, passphrase("x"), ["read"]), hasCode("ERR_NOT_ENCRYPTED"));
  });

  test("says damaged for a changed byte of the config", async () => {
    const ports = await newEncrypted();
    const bytes = await ports.storage.get(CONFIG_NAME);
    for (const position of [0, 8, 24, 28, 40, 52, 600, bytes.length - 33, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[position] = (changed[position] ?? 0) ^ 1;
      await replace(ports.storage, CONFIG_NAME, changed);
      await assert.rejects(
        openRepository(ports, passphrase("correct horse"), ["read"]),
        hasCode("ERR_DAMAGED"),
      );
    }
  });

  test("notices a public key that somebody exchanged, checksum and all", async () => {
    const ports = await newEncrypted();
    const bytes = await ports.storage.get(CONFIG_NAME);
    const changed = Buffer.from(bytes.subarray(0, bytes.length - 32));
    changed.set(keyPairFromSeed(Buffer.alloc(32, 7)).publicKey, changed.length - 32 - 1216);
    await replace(ports.storage, CONFIG_NAME, withChecksum(changed));
    await assert.rejects(
      openRepository(ports, passphrase("correct horse"), ["write"]),
      hasCode("ERR_DAMAGED"),
    );
  });

  test("notices a suite that somebody took down to none", async () => {
    const ports = await newEncrypted();
    const bytes = await ports.storage.get(CONFIG_NAME);
    const changed = Buffer.from(bytes.subarray(0, bytes.length - 32));
    changed[24] = 0;
    await replace(ports.storage, CONFIG_NAME, withChecksum(changed));
    await assert.rejects(
      openRepository(ports, passphrase("correct horse"), ["write"]),
      hasCode("ERR_NOT_ENCRYPTED"),
    );
    await assert.rejects(openRepository(ports, undefined, ["write"]), hasCode("ERR_DAMAGED"));
  });
});

suite("slots", () => {
  async function rootOf(ports: RepositoryPorts, key: SlotKey): Promise<Buffer> {
    const { config } = await readConfig(ports.storage);
    return rootSecretOf(ports.storage, config, key);
  }

  async function add(ports: RepositoryPorts, target: SlotTarget, label: string): Promise<string> {
    const { keys } = await openRepository(ports, passphrase("correct horse"), ["maintain"]);
    const rootSecret = await rootOf(ports, passphrase("correct horse"));
    const { repository, tableKey } = keys;
    return addSlot(ports.storage, { repository, rootSecret, tableKey, label, createdMs: 0, target });
  }

  test("open the same root secret by passphrase and by recovery kit", async () => {
    const ports = await newEncrypted();
    const seed = Buffer.alloc(32, 5);
    await add(ports, { kind: "recovery", publicKey: keyPairFromSeed(seed).publicKey }, "the kit");
    await add(ports, forPassphrase("another"), "second");
    const first = await rootOf(ports, passphrase("correct horse"));
    assert.deepEqual(await rootOf(ports, passphrase("another")), first);
    assert.deepEqual(await rootOf(ports, { kind: "recovery", seed }), first);
    const stranger = { kind: "recovery", seed: Buffer.alloc(32, 6) } as const;
    await assert.rejects(rootOf(ports, stranger), hasCode("ERR_KEY_WRONG"));
    const { config } = await readConfig(ports.storage);
    assert.deepEqual(config.publicKey, publicKeyOf(first, config.repository));
  });

  test("carry labels that only the table key shows", async () => {
    const ports = await newEncrypted();
    await add(ports, forPassphrase("another"), "office safe");
    const { keys } = await openRepository(ports, passphrase("another"), ["maintain"]);
    const { slots } = await listSlots(ports.storage, keys.repository);
    const labels = slots.map((slot) => labelOf(slot, keys.tableKey)).toSorted();
    assert.deepEqual(labels, ["first", "office safe"]);
    for (const { name } of slots) assert.equal((await ports.storage.get(name)).indexOf("office safe"), -1);
  });

  test("can be removed, but not the last one", async () => {
    const ports = await newEncrypted();
    const added = await add(ports, forPassphrase("another"), "second");
    const { config } = await readConfig(ports.storage);
    assert.equal(await removeSlot(ports.storage, config.repository, added.slice(0, 8)), added);
    await assert.rejects(rootOf(ports, passphrase("another")), hasCode("ERR_KEY_WRONG"));
    const [last] = (await listSlots(ports.storage, config.repository)).slots;
    await assert.rejects(
      removeSlot(ports.storage, config.repository, last?.id ?? ""),
      hasCode("ERR_LAST_SLOT"),
    );
    await assert.rejects(removeSlot(ports.storage, config.repository, "0000"), hasCode("ERR_SLOT_NOT_FOUND"));
  });

  test("say damaged, not wrong key, for every changed byte", async () => {
    const ports = await newEncrypted();
    const { config } = await readConfig(ports.storage);
    const [slot] = (await listSlots(ports.storage, config.repository)).slots;
    const name = slot?.name ?? PREFIXES.slot;
    const bytes = await ports.storage.get(name);
    for (let position = 0; position < bytes.length; position += 7) {
      const changed = Buffer.from(bytes);
      changed[position] = (changed[position] ?? 0) ^ 0x80;
      await replace(ports.storage, name, changed);
      await assert.rejects(rootOf(ports, passphrase("correct horse")), hasCode("ERR_DAMAGED"));
    }
  });
});
