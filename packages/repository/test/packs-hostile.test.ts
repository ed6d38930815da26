/**
 * What somebody with the table key or a session key can seal into a pack although it makes no sense: every tag is right, and each
 * number is refused by the check that is meant for it.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { frameKeys, sealFrame, sealNonce, suiteFor } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import { deriveKeySet } from "../src/keys/key-set.ts";
import { openDirectory, openPackEnd, PACK_END_BYTES } from "../src/packs/pack-format.ts";
import { packKeyOf } from "../src/packs/pack-key.ts";
import {
  decodeHeader,
  HEADER_BYTES,
  newFrameAad,
  RECORD_TYPES,
  SEALED_HEADER_BYTES,
  setFrame,
  writeFrameAad,
  writeHeader,
} from "../src/packs/record-header.ts";
import { openPlaintext, openRecord } from "../src/packs/record-opener.ts";
import { RecordDecoder } from "../src/reading/record-decoder.ts";

const PACK = "packs/test";
const PACK_LENGTH = 8192;
const key = packKeyOf(randomBytes(32), randomBytes(16), randomBytes(32));

function refused(action: () => unknown, reason: RegExp): void {
  assert.throws(action, (error) => isAppError(error, "ERR_DAMAGED") && reason.test(error.message));
}

function sealed(nonce: Uint8Array, aad: Uint8Array, plaintext: Buffer): Buffer {
  const out = Buffer.alloc(plaintext.length + 16);
  sealNonce(key.key, nonce, aad, plaintext, out);
  return out;
}

suite("the end of a pack", () => {
  const endOf = (length: number, mark = "HFPE"): Buffer => {
    const plain = Buffer.alloc(8);
    plain.writeUInt32LE(length, 0);
    plain.write(mark, 4, "latin1");
    return sealed(key.endNonce, key.endAad, plain);
  };

  test("gives a length that entries of 48 bytes and a tag have", () => {
    assert.equal(openPackEnd(key, endOf(16 + 48 * 3), PACK, PACK_LENGTH), 16 + 48 * 3);
    assert.equal(openPackEnd(key, endOf(16), PACK, PACK_LENGTH), 16);
  });

  for (const [what, length, packLength] of [
    ["shorter than a tag", 15, PACK_LENGTH],
    ["of half an entry", 16 + 24, PACK_LENGTH],
    ["longer than the pack", 16 + 48 * 200, PACK_LENGTH],
    ["of more entries than there may be", 16 + 48 * 65_537, 64 * 1024 * 1024],
  ] as const) {
    test(`refuses a directory ${what}`, () => {
      refused(() => openPackEnd(key, endOf(length), PACK, packLength), /impossible length/u);
    });
  }

  test("refuses another mark, and one that is cut", () => {
    refused(() => openPackEnd(key, endOf(16, "HFPX"), PACK, PACK_LENGTH), /end is missing/u);
    refused(() => openPackEnd(key, endOf(16).subarray(1), PACK, PACK_LENGTH), /./u);
    assert.equal(endOf(16).length, PACK_END_BYTES);
  });
});

suite("the directory of a pack", () => {
  const directoryOf = (offset: number, length: number): Buffer => {
    const entry = Buffer.alloc(48);
    entry.writeUInt32LE(offset, 32);
    entry.writeUInt32LE(length, 36);
    return sealed(key.directoryNonce, key.directoryAad, entry);
  };

  test("has records inside of the pack only", () => {
    assert.equal(openDirectory(key, directoryOf(PACK_LENGTH - 128, 128), PACK, PACK_LENGTH).length, 48);
    for (const [offset, length] of [
      [PACK_LENGTH - 127, 128],
      [0xffff_ffff, 128],
      [0, 0xffff_ffff],
      [1312, SEALED_HEADER_BYTES - 1],
      [1312, 0],
    ] as const)
      refused(() => openDirectory(key, directoryOf(offset, length), PACK, PACK_LENGTH), /outside/u);
  });
});

suite("the header of a record", () => {
  const suiteCode = suiteFor("gcm", "high").code;
  const session = Buffer.alloc(16, 1);
  const sound = (): Buffer => {
    const header = Buffer.alloc(HEADER_BYTES);
    const id = Buffer.alloc(32, 2);
    const fields = { type: RECORD_TYPES.chunk, suite: suiteCode, session, id, counter: 7 };
    writeHeader(header, { ...fields, plaintextLength: 9000, frameSize: 4096, refsLength: 0 });
    for (let frame = 0; frame < 3; frame += 1) setFrame(header, frame, false, 100);
    return header;
  };

  test("is taken as writers make it", () => {
    assert.equal(decodeHeader(sound(), "it").frames.length, 3);
  });

  for (const [what, change] of [
    ["of no type", (header) => header.writeUInt8(0, 0)],
    ["of a type that there is not", (header) => header.writeUInt8(6, 0)],
    ["with a reserved byte set", (header) => header.writeUInt8(1, 3)],
    ["with something behind its frames", (header) => header.writeUInt8(1, 104)],
    ["of a frame too many", (header) => header.writeUInt8(4, 2)],
    ["of a frame too few", (header) => header.writeUInt8(2, 2)],
    [
      "of more frames than there may be",
      (header) => {
        header.writeUInt8(9, 2);
        header.writeUInt32LE(9 * 4096, 4);
      },
    ],
    [
      "of more bytes than there may be",
      (header) => {
        header.writeUInt8(2, 2);
        header.writeUInt32LE(8 * 1024 * 1024 + 1, 4);
        header.writeUInt32LE(8 * 1024 * 1024, 8);
        header.writeUInt32LE(0, 72 + 8);
      },
    ],
    ["of more references than there may be", (header) => header.writeUInt32LE(4 * 1024 * 1024 + 1, 12)],
    ["with frames of no power of two", (header) => header.writeUInt32LE(4097, 8)],
    [
      "with frames that are too small",
      (header) => {
        header.writeUInt8(5, 2);
        header.writeUInt32LE(2048, 8);
      },
    ],
    ["with a frame that is too long", (header) => header.writeUInt32LE(8 * 1024 * 1024 + 65, 72)],
    ["with a frame that is not counted", (header) => header.writeUInt32LE(100, 72 + 12)],
  ] satisfies readonly (readonly [string, (header: Buffer) => unknown])[]) {
    test(`is refused ${what}`, () => {
      const header = sound();
      change(header);
      refused(() => decodeHeader(header, "it"), /makes no sense/u);
    });
  }
});

suite("a record", () => {
  const cipherSuite = suiteFor("gcm", "high");
  const keys = frameKeys(cipherSuite, randomBytes(32), randomBytes(16));
  const OFFSET = 1312;

  /** Of one frame, which holds `content` whatever the header says. */
  function record(content: Buffer, plaintextLength: number): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    const [session, id] = [Buffer.alloc(16, 1), Buffer.alloc(32, 2)];
    const fields = { type: RECORD_TYPES.chunk, suite: cipherSuite.code, counter: 1, session, id };
    writeHeader(header, { ...fields, plaintextLength, frameSize: 4096, refsLength: 0 });
    const body = Buffer.alloc(content.length + 64);
    const aad = writeFrameAad(newFrameAad(), header, 0, true, false);
    const length = sealFrame(keys, 1, 0, aad, content, body);
    setFrame(header, 0, false, length);
    return Buffer.concat([sealed(key.nonce(OFFSET), key.headerAad, header), body.subarray(0, length)]);
  }

  test("opens when header and content say the same", () => {
    const opened = openRecord(key, record(Buffer.from("abc"), 3), OFFSET, PACK);
    assert.equal(openPlaintext(opened, keys).toString(), "abc");
  });

  test("is refused when its frame holds another length than its header says", () => {
    for (const length of [2, 4]) {
      const opened = openRecord(key, record(Buffer.from("abc"), length), OFFSET, PACK);
      refused(() => openPlaintext(opened, keys), /wrong length/u);
    }
  });

  test("is refused when its place has another length than its header says", () => {
    const bytes = record(Buffer.from("abc"), 3);
    for (const wrong of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.alloc(1)])])
      refused(() => openRecord(key, wrong, OFFSET, PACK), /its length is not what its header says/u);
  });
});

test("a chunk that an index says to be longer than its record is refused, although what is there has its id", () => {
  const decoder = new RecordDecoder(deriveKeySet(randomBytes(32), randomBytes(16), ["read"]));
  const plaintext = randomBytes(100);
  const place = {
    pack: randomBytes(32),
    packLength: PACK_LENGTH,
    packKind: 1,
    offset: 0,
    length: 200,
    type: 2,
  };
  const id = decoder.idOf(RECORD_TYPES.chunk, plaintext.subarray(60));
  const chunk = (chunkLength: number): Buffer =>
    decoder.chunk(plaintext, { ...place, chunkOffset: 60, chunkLength }, id);
  assert.deepEqual(chunk(40), plaintext.subarray(60));
  refused(() => chunk(41), /outside its record/u);
});
