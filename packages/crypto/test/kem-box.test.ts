import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import {
  KEM_BOX_OVERHEAD_BYTES,
  keyPairFromSeed,
  openWithPrivateKey,
  sealToPublicKey,
} from "../src/index.ts";
import { ascii, flipped, repeated } from "./bytes.ts";

const { seed: SEED, publicKey: PUBLIC_KEY } = keyPairFromSeed(repeated(4, 32));
const CONTEXT = ascii("session key");
const PLAINTEXT = repeated(0x33, 32);

const refusedWith =
  (code: "ERR_KEY_WRONG" | "ERR_DAMAGED") =>
  (error: unknown): boolean =>
    isAppError(error, code) && error.subject === "Session 1";

test("what is sealed to a public key opens with the private key", () => {
  for (const plaintext of [PLAINTEXT, Buffer.alloc(0), repeated(1, 5000)]) {
    const sealed = sealToPublicKey(PUBLIC_KEY, CONTEXT, plaintext);
    assert.equal(sealed.length, plaintext.length + KEM_BOX_OVERHEAD_BYTES);
    assert.ok(openWithPrivateKey(SEED, CONTEXT, sealed, "it").equals(plaintext));
  }
});

test("another private key or context is a wrong key", () => {
  const sealed = sealToPublicKey(PUBLIC_KEY, CONTEXT, PLAINTEXT);
  assert.throws(
    () => openWithPrivateKey(repeated(5, 32), CONTEXT, sealed, "Session 1"),
    refusedWith("ERR_KEY_WRONG"),
  );
  assert.throws(
    () => openWithPrivateKey(SEED, ascii("label"), sealed, "Session 1"),
    refusedWith("ERR_KEY_WRONG"),
  );
});

test("changed bytes are refused: a wrong key up to the commitment, damage behind it", () => {
  const sealed = sealToPublicKey(PUBLIC_KEY, CONTEXT, PLAINTEXT);
  for (let at = 0; at < sealed.length; at += at < 1080 ? 37 : 1) {
    const code = at < 1184 ? "ERR_KEY_WRONG" : "ERR_DAMAGED";
    // The highest bit of an X25519 key is ignored by X25519, and bound by the combiner.
    const changed = flipped(sealed, at, at === 1119 ? 7 : 0);
    assert.throws(() => openWithPrivateKey(SEED, CONTEXT, changed, "Session 1"), refusedWith(code));
  }
});

test("cut and small-order ciphertexts are damaged", () => {
  const sealed = sealToPublicKey(PUBLIC_KEY, CONTEXT, PLAINTEXT);
  for (const length of [0, 1, 1119, 1120, 1184, KEM_BOX_OVERHEAD_BYTES - 1, sealed.length - 1]) {
    const cut = sealed.subarray(0, length);
    assert.throws(() => openWithPrivateKey(SEED, CONTEXT, cut, "Session 1"), refusedWith("ERR_DAMAGED"));
  }
  const zero = Buffer.from(sealed).fill(0, 1088, 1120);
  assert.throws(() => openWithPrivateKey(SEED, CONTEXT, zero, "Session 1"), refusedWith("ERR_DAMAGED"));
});
