/** Packs and records: what is sealed opens again, and nothing that was changed, moved or cut does. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { frameKeys, type Suite, SUITES } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import { deriveKeySet, type KeySet } from "../src/keys/key-set.ts";
import { newDirectoryEntry } from "../src/packs/directory-entry.ts";
import { type FinishedPack, newPackRegion, PackBuilder } from "../src/packs/pack-builder.ts";
import { PACK_KINDS } from "../src/packs/pack-format.ts";
import { openPackInMemory } from "../src/packs/read-directory.ts";
import { RECORD_TYPES } from "../src/packs/record-header.ts";
import { idHasher } from "../src/packs/record-id.ts";
import { openPlaintext, openRecord, openRefs } from "../src/packs/record-opener.ts";
import { RecordSealer } from "../src/packs/record-sealer.ts";
import { newSessionKey, openEnvelope, SessionKeyring } from "../src/packs/session-keys.ts";
import { requireKey } from "../src/keys/key-set.ts";

const repository = randomBytes(16);
const keys: KeySet = deriveKeySet(randomBytes(32), repository, ["write", "read"]);
const idOf = idHasher(requireKey(keys, "idKey"));
const session = newSessionKey(repository, requireKey(keys, "publicKey"));
const PLAINTEXTS = [
  Buffer.alloc(0),
  Buffer.from("x"),
  Buffer.alloc(300_000, "compressible "),
  randomBytes(1024 * 1024),
  randomBytes(2 * 1024 * 1024 + 1),
];
const REFS = randomBytes(64);

function buildPack(cipherSuite: Suite): { readonly pack: FinishedPack; readonly ids: readonly Buffer[] } {
  let counter = 0;
  const sealer = new RecordSealer({
    repository,
    tableKey: keys.tableKey,
    session: session.session,
    frameKeys: frameKeys(cipherSuite, session.sessionKey, repository),
    nextCounter: () => counter++,
    compressionLevel: 3,
  });
  const builder = new PackBuilder(newPackRegion(), { repository, tableKey: keys.tableKey });
  builder.begin(PACK_KINDS.data, [session.envelope]);
  const ids = PLAINTEXTS.map((plaintext, index) => {
    const type = index === 0 ? RECORD_TYPES.page : RECORD_TYPES.chunk;
    const id = idOf(type, plaintext);
    const refs = index === 0 ? REFS : Buffer.alloc(0);
    const record = sealer.seal({ type, id, plaintext, frameSize: 1024 * 1024, refs });
    builder.append(record, newDirectoryEntry(id, type, plaintext.length));
    return id;
  });
  return { pack: builder.finish(true), ids };
}

/** Opens everything in a pack, as verification does. */
function readPack(bytes: Buffer, keyring: SessionKeyring): { id: Buffer; plaintext: Buffer; refs: Buffer }[] {
  const { open, directory } = openPackInMemory(bytes, keys, "packs/test");
  keyring.add(open.front.envelopes, "packs/test");
  const records: { id: Buffer; plaintext: Buffer; refs: Buffer }[] = [];
  for (let at = 0; at < directory.length; at += 48) {
    const offset = directory.readUInt32LE(at + 32);
    const length = directory.readUInt32LE(at + 36);
    const record = openRecord(open.key, bytes.subarray(offset, offset + length), offset, "packs/test");
    const { session: owner, suite: code } = record.header;
    const plaintext = openPlaintext(record, keyring.frameKeys(owner, code, record.what));
    records.push({
      id: directory.subarray(at, at + 32),
      plaintext,
      refs: openRefs(record, keys.tableKey, repository),
    });
  }
  return records;
}

const newKeyring = (): SessionKeyring => new SessionKeyring(repository, requireKey(keys, "privateSeed"));

for (const cipherSuite of SUITES) {
  suite(`packs with ${cipherSuite.name}`, () => {
    const { pack, ids } = buildPack(cipherSuite);
    const bytes = Buffer.from(pack.bytes);

    test("give back every record", () => {
      const records = readPack(bytes, newKeyring());
      assert.deepEqual(
        records.map(({ id }) => id),
        ids,
      );
      for (const [index, { plaintext }] of records.entries())
        assert.ok(plaintext.equals(PLAINTEXTS[index] ?? Buffer.alloc(1)));
      assert.deepEqual(records[0]?.refs, REFS);
    });

    test("are a multiple of 4096 bytes long", () => assert.equal(bytes.length % 4096, 0));

    test("show neither ids nor content nor refs", () => {
      for (const id of ids) assert.equal(bytes.indexOf(id), -1);
      assert.equal(bytes.indexOf(REFS), -1);
      const isEncrypted = cipherSuite.method !== null;
      assert.equal(bytes.indexOf(PLAINTEXTS[3]?.subarray(0, 64) ?? Buffer.alloc(1)) === -1, isEncrypted);
    });

    test("refuse every changed byte of headers, refs, frames and directory", () => {
      const keyring = newKeyring();
      for (const position of interestingPositions(bytes, pack)) {
        const changed = Buffer.from(bytes);
        changed[position] = (changed[position] ?? 0) ^ 0x10;
        assert.throws(
          () => readPack(changed, keyring),
          (error) => isAppError(error, "ERR_DAMAGED"),
          `byte ${String(position)}`,
        );
      }
    });

    test("refuse records that changed places", () => {
      const first = pack.directory.readUInt32LE(48 + 32);
      const length = pack.directory.readUInt32LE(48 + 36);
      const { open } = openPackInMemory(bytes, keys, "packs/test");
      const record = bytes.subarray(first, first + length);
      assert.throws(
        () => openRecord(open.key, record, first + 1, "packs/test"),
        (error) => isAppError(error, "ERR_DAMAGED"),
      );
    });
  });
}

/** One byte in each part of each record, the salt, the directory, and both sides of every border. */
function interestingPositions(bytes: Buffer, pack: FinishedPack): number[] {
  const positions = [
    0,
    4,
    6,
    8,
    24,
    26,
    32,
    63,
    bytes.length - 1,
    bytes.length - 5,
    bytes.length - 8,
    bytes.length - 9,
  ];
  for (let at = 0; at < pack.directory.length; at += 48) {
    const offset = pack.directory.readUInt32LE(at + 32);
    const length = pack.directory.readUInt32LE(at + 36);
    positions.push(
      offset,
      offset + 127,
      offset + 128,
      offset + 150,
      offset + length - 1,
      offset + Math.floor(length / 2),
    );
  }
  return positions.filter((position) => position < bytes.length);
}

suite("session envelopes", () => {
  test("open with the private seed alone", () => {
    const opened = openEnvelope(session.envelope, repository, requireKey(keys, "privateSeed"), "packs/test");
    assert.deepEqual(opened, session.sessionKey);
  });

  test("are damaged for every changed byte", () => {
    for (const position of [0, 15, 16, 1135, 1136, 1200, 1247]) {
      const changed = Buffer.from(session.envelope);
      changed[position] = (changed[position] ?? 0) ^ 1;
      assert.throws(
        () => openEnvelope(changed, repository, requireKey(keys, "privateSeed"), "packs/test"),
        (error) => isAppError(error, "ERR_DAMAGED"),
      );
    }
  });
});
