import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isAppError, type Randomness } from "@holdfast/kernel";
import { BOX_OVERHEAD_BYTES, openBox, openSecretBox, sealBox } from "../src/index.ts";
import { ascii, bytesUpTo, flipped, hex, repeated } from "./bytes.ts";
import { formatVectors } from "./vectors.ts";

const KEY = repeated(3, 32);
const CONTEXT = ascii("the root secret of slot 1");
const PLAINTEXT = ascii("thirty-two bytes of root secret!");

const refusedWith =
  (code: "ERR_KEY_WRONG" | "ERR_DAMAGED") =>
  (error: unknown): boolean =>
    isAppError(error, code) && error.subject === "Slot 1" && error.message.startsWith("Slot 1 ");

test("agrees with an independent implementation", () => {
  for (const { key, salt, context, plaintext, sealed } of formatVectors().boxes) {
    const randomness: Randomness = (bytes) => {
      bytes.set(hex(salt));
      return bytes;
    };
    assert.equal(sealBox(hex(key), hex(context), hex(plaintext), randomness).toString("hex"), sealed);
    assert.equal(openBox(hex(key), hex(context), hex(sealed), "it").toString("hex"), plaintext);
  }
});

test("what is sealed opens, and two boxes of the same secret differ everywhere", () => {
  fc.assert(
    fc.property(bytesUpTo(300), bytesUpTo(1500), (plaintext, context) => {
      const sealed = sealBox(KEY, context, plaintext);
      assert.equal(sealed.length, plaintext.length + BOX_OVERHEAD_BYTES);
      assert.ok(openBox(KEY, context, sealed, "it").equals(plaintext));
      assert.ok(openSecretBox(KEY, context, sealed, "it").equals(plaintext));
      const other = sealBox(KEY, context, plaintext);
      assert.ok(!other.subarray(0, 32).equals(sealed.subarray(0, 32)));
      assert.ok(!other.subarray(32, 64).equals(sealed.subarray(32, 64)));
      assert.ok(!other.subarray(64).equals(sealed.subarray(64)));
    }),
    { numRuns: 30 },
  );
});

test("another key or context is a wrong key, refused before decryption", () => {
  const sealed = sealBox(KEY, CONTEXT, PLAINTEXT);
  // With the ciphertext destroyed too: what answers is the commitment, not the tag.
  for (const bytes of [sealed, flipped(sealed, 70)]) {
    for (let at = 0; at < 32; at += 1) {
      assert.throws(() => openBox(flipped(KEY, at), CONTEXT, bytes, "Slot 1"), refusedWith("ERR_KEY_WRONG"));
    }
    for (const context of [Buffer.alloc(0), flipped(CONTEXT, 0), CONTEXT.subarray(1)]) {
      assert.throws(() => openBox(KEY, context, bytes, "Slot 1"), refusedWith("ERR_KEY_WRONG"));
    }
  }
});

test("every changed byte is refused: salt and commitment as a wrong key, the rest as damage", () => {
  const sealed = sealBox(KEY, CONTEXT, PLAINTEXT);
  for (let at = 0; at < sealed.length; at += 1) {
    const code = at < 64 ? "ERR_KEY_WRONG" : "ERR_DAMAGED";
    const changed = flipped(sealed, at, at % 8);
    assert.throws(() => openBox(KEY, CONTEXT, changed, "Slot 1"), refusedWith(code));
    assert.throws(() => openSecretBox(KEY, CONTEXT, changed, "Slot 1"), refusedWith(code));
  }
});

test("a box that was cut or lengthened is damaged", () => {
  const sealed = sealBox(KEY, CONTEXT, PLAINTEXT);
  for (let length = 0; length < sealed.length; length += 1) {
    const cut = sealed.subarray(0, length);
    assert.throws(() => openBox(KEY, CONTEXT, cut, "Slot 1"), refusedWith("ERR_DAMAGED"));
  }
  const longer = Buffer.concat([sealed, Buffer.from([0])]);
  assert.throws(() => openBox(KEY, CONTEXT, longer, "Slot 1"), refusedWith("ERR_DAMAGED"));
});

test("a key of another length is a bug of the caller", () => {
  assert.throws(() => sealBox(repeated(1, 16), CONTEXT, PLAINTEXT), { code: "ERR_ASSERTION" });
});
