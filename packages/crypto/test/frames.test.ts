import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isAppError } from "@holdfast/kernel";
import {
  type FrameKeys,
  frameKeys,
  openFrame,
  plaintextLengthMax,
  SUITES,
  type Suite,
  sealedLength,
  sealFrame,
} from "../src/index.ts";
import { ascii, bytesUpTo, flipped, hex, repeated } from "./bytes.ts";
import { formatVectors } from "./vectors.ts";

const SESSION_KEY = repeated(0x11, 32);
const REPOSITORY = repeated(0x22, 16);
const AAD = ascii("header of the record");
const keysOf = (suite: Suite): FrameKeys => frameKeys(suite, SESSION_KEY, REPOSITORY);

function seal(
  keys: FrameKeys,
  plaintext: Uint8Array,
  counter: bigint | number = 5,
  frame = 1,
  aad = AAD,
): Buffer {
  const out = Buffer.alloc(sealedLength(keys.suite, plaintext.length));
  assert.equal(sealFrame(keys, counter, frame, aad, plaintext, out), out.length);
  return out;
}

function assertDamaged(open: () => Buffer): void {
  assert.throws(open, (error) => {
    assert.ok(isAppError(error, "ERR_DAMAGED"));
    // One text for every cause: nobody can tell a padding error from a wrong tag.
    assert.equal(error.message, "Frame 1 is damaged: its authentication tag does not match.");
    assert.equal(error.subject, "Frame 1");
    assert.equal(error.cause, undefined);
    return true;
  });
}

const vectors = formatVectors();

for (const suite of SUITES) {
  const keys = keysOf(suite);
  const boundaries = [0, 1, 15, 16, 17, 31, 32, 33, 4096, 65_536, 131_071, 131_072, 131_073, 1_048_576];

  test(`${suite.name}: what is sealed opens, at every boundary`, () => {
    for (const length of boundaries) {
      const plaintext = Buffer.from(Array.from({ length: Math.min(length, 300) }, (_, i) => i));
      const full = Buffer.alloc(length);
      plaintext.copy(full);
      const sealed = seal(keys, full);
      assert.ok(openFrame(keys, 5n, 1, AAD, sealed, "Frame 1").equals(full), String(length));
      assert.equal(
        sealed.includes(ascii("\x07\x08\x09\x0a\x0b\x0c\x0d")),
        suite.keyBits === 0 && length > 13,
      );
    }
  });

  test(`${suite.name}: agrees with an independent implementation`, () => {
    const known = vectors.frames.filter((vector) => vector.suite === suite.name);
    assert.equal(known.length, 3);
    const theirKeys = frameKeys(suite, hex(vectors.sessionKey), hex(vectors.repository));
    for (const { counter, frame, aad, plaintext, sealed } of known) {
      const opened = openFrame(theirKeys, BigInt(counter), frame, hex(aad), hex(sealed), "it");
      assert.equal(opened.toString("hex"), plaintext);
      if (suite.method === "cbc") continue;
      assert.equal(seal(theirKeys, hex(plaintext), BigInt(counter), frame, hex(aad)).toString("hex"), sealed);
    }
  });

  test(`${suite.name}: every changed bit, cut and addition is refused`, () => {
    for (const length of [0, 5, 40]) {
      const sealed = seal(keys, repeated(0x61, length));
      for (let at = 0; at < sealed.length; at += 1) {
        assertDamaged(() => openFrame(keys, 5, 1, AAD, flipped(sealed, at, at % 8), "Frame 1"));
        assertDamaged(() => openFrame(keys, 5, 1, AAD, sealed.subarray(0, at), "Frame 1"));
      }
      for (const extra of [1, 16, 32]) {
        const longer = Buffer.concat([sealed, Buffer.alloc(extra)]);
        assertDamaged(() => openFrame(keys, 5, 1, AAD, longer, "Frame 1"));
      }
    }
  });

  test(`${suite.name}: the position and the associated data are bound`, () => {
    const sealed = seal(keys, ascii("content"));
    assertDamaged(() => openFrame(keys, 6, 1, AAD, sealed, "Frame 1"));
    assertDamaged(() => openFrame(keys, 5n + (1n << 32n), 1, AAD, sealed, "Frame 1"));
    assertDamaged(() => openFrame(keys, 5, 2, AAD, sealed, "Frame 1"));
    assertDamaged(() => openFrame(keys, 1, 5, AAD, sealed, "Frame 1"));
    assertDamaged(() => openFrame(keys, 5, 1, Buffer.alloc(0), sealed, "Frame 1"));
    for (let at = 0; at < AAD.length; at += 1) {
      assertDamaged(() => openFrame(keys, 5, 1, flipped(AAD, at), sealed, "Frame 1"));
      assertDamaged(() => openFrame(keys, 5, 1, AAD.subarray(0, at), sealed, "Frame 1"));
    }
  });

  test(`${suite.name}: another session, repository or suite has other keys`, () => {
    const sealed = seal(keys, repeated(3, 47));
    const others = [
      frameKeys(suite, flipped(SESSION_KEY, 31), REPOSITORY),
      frameKeys(suite, SESSION_KEY, flipped(REPOSITORY, 0)),
      ...SUITES.filter((other) => other !== suite).map(keysOf),
    ];
    for (const other of others) assertDamaged(() => openFrame(other, 5, 1, AAD, sealed, "Frame 1"));
  });

  test(`${suite.name}: number and bigint counters are one, views on shared memory work`, () => {
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
    const plaintext = new Uint8Array(memory.buffer, 8, 70_000).fill(0x42);
    const out = new Uint8Array(memory.buffer, 131_072, sealedLength(suite, plaintext.length) + 7);
    const counter = 2 ** 33 + 9;
    const length = sealFrame(keys, counter, 4_294_967_295, AAD, plaintext, out);
    assert.ok(out.subarray(length).every((byte) => byte === 0));
    const opened = openFrame(keys, BigInt(counter), 4_294_967_295, AAD, out.subarray(0, length), "it");
    assert.ok(opened.equals(plaintext));
    assert.notEqual(opened.buffer, memory.buffer);
    out.fill(0);
    assert.ok(opened.every((byte) => byte === 0x42));
  });

  test(`${suite.name}: lengths`, () => {
    const minimum = sealedLength(suite, 0);
    for (let length = 0; length < 100; length += 1) {
      const max = plaintextLengthMax(suite, minimum + length);
      assert.ok(sealedLength(suite, max) <= minimum + length);
      assert.ok(sealedLength(suite, max + 1) > minimum + length);
    }
    assert.equal(plaintextLengthMax(suite, 3), 0);
  });

  test(`${suite.name}: wrong arguments are a bug of the caller`, () => {
    const small = Buffer.alloc(sealedLength(suite, 10) - 1);
    assert.throws(() => sealFrame(keys, 0, 0, AAD, repeated(0, 10), small), { code: "ERR_ASSERTION" });
    assert.throws(() => seal(keys, AAD, -1));
    assert.throws(() => seal(keys, AAD, 2 ** 53));
    assert.throws(() => seal(keys, AAD, 1n << 64n));
    assert.throws(() => seal(keys, AAD, 1, 2 ** 32));
    assert.throws(() => frameKeys(suite, repeated(0, 31), REPOSITORY));
    assert.throws(() => frameKeys(suite, SESSION_KEY, repeated(0, 15)));
  });
}

test("any plaintext, associated data and position come back", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SUITES),
      bytesUpTo(700),
      bytesUpTo(700),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      (suite, plaintext, aad, counter, frame) => {
        const keys = keysOf(suite);
        const sealed = seal(keys, plaintext, counter, frame, Buffer.from(aad));
        assert.ok(openFrame(keys, counter, frame, aad, sealed, "it").equals(plaintext));
      },
    ),
    { numRuns: 100 },
  );
});

test("CBC draws a fresh IV for every frame, across refills of the pool", () => {
  for (const suite of SUITES.filter(({ method }) => method === "cbc")) {
    const keys = keysOf(suite);
    const ivs = new Set<string>();
    for (let index = 0; index < 600; index += 1) {
      ivs.add(seal(keys, Buffer.alloc(0)).subarray(0, 16).toString("hex"));
    }
    assert.equal(ivs.size, 600);
  }
});
