import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import {
  decapsulate,
  encapsulate,
  KEM_CIPHERTEXT_BYTES,
  KEM_PUBLIC_KEY_BYTES,
  keyPairFromSeed,
} from "../src/index.ts";
import { exchangeX25519, importPrivateKey, rawPublicKey } from "../src/raw-keys.ts";
import { flipped, hex, repeated } from "./bytes.ts";
import { xWingVectors } from "./vectors.ts";

for (const [index, { seed, pk, ct, ss }] of xWingVectors().entries()) {
  test(`draft-connolly-cfrg-xwing-kem, vector ${String(index + 1)}`, () => {
    assert.equal(keyPairFromSeed(hex(seed)).publicKey.toString("hex"), pk);
    assert.equal(decapsulate(hex(seed), hex(ct)).toString("hex"), ss);
  });
}

test("RFC 7748 section 6.1", () => {
  const alice = importPrivateKey(
    "x25519",
    hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
  );
  const bob = importPrivateKey(
    "x25519",
    hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
  );
  assert.equal(
    rawPublicKey("x25519", alice).toString("hex"),
    "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
  );
  assert.equal(
    rawPublicKey("x25519", bob).toString("hex"),
    "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
  );
  const shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  assert.equal(exchangeX25519(alice, rawPublicKey("x25519", bob)).toString("hex"), shared);
  assert.equal(exchangeX25519(bob, rawPublicKey("x25519", alice)).toString("hex"), shared);
});

test("both sides get one secret; each encapsulation gets another", () => {
  const { seed, publicKey } = keyPairFromSeed(repeated(9, 32));
  assert.equal(publicKey.length, KEM_PUBLIC_KEY_BYTES);
  const secrets = new Set<string>();
  for (let run = 0; run < 10; run += 1) {
    const { sharedSecret, ciphertext } = encapsulate(publicKey);
    assert.equal(ciphertext.length, KEM_CIPHERTEXT_BYTES);
    assert.equal(sharedSecret.length, 32);
    assert.ok(decapsulate(seed, ciphertext).equals(sharedSecret));
    secrets.add(sharedSecret.toString("hex"));
  }
  assert.equal(secrets.size, 10);
});

test("a changed ciphertext or another key gives another secret", () => {
  const { seed, publicKey } = keyPairFromSeed(repeated(9, 32));
  const { sharedSecret, ciphertext } = encapsulate(publicKey);
  for (const at of [0, 500, 1087, 1088, 1119]) {
    assert.ok(!decapsulate(seed, flipped(ciphertext, at)).equals(sharedSecret));
  }
  assert.ok(!decapsulate(repeated(8, 32), ciphertext).equals(sharedSecret));
});

test("points of small order and wrong lengths are refused", () => {
  const { seed, publicKey } = keyPairFromSeed(repeated(9, 32));
  const { ciphertext } = encapsulate(publicKey);
  // RFC 7748 section 6.1: u = 0, 1 and p - 1 all give zero.
  const smallOrder = [
    repeated(0, 32),
    Buffer.concat([Buffer.from([1]), repeated(0, 31)]),
    hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
  ];
  for (const point of smallOrder) {
    const badCiphertext = Buffer.concat([ciphertext.subarray(0, 1088), point]);
    assert.throws(
      () => decapsulate(seed, badCiphertext, "The session"),
      (error) => isAppError(error, "ERR_DAMAGED") && error.subject === "The session",
    );
    const badKey = Buffer.concat([publicKey.subarray(0, 1184), point]);
    assert.throws(
      () => encapsulate(badKey),
      (error) => isAppError(error, "ERR_KEY_FORMAT"),
    );
  }
  const outOfRange = Buffer.concat([repeated(0xff, 1184), publicKey.subarray(1184)]);
  for (const key of [outOfRange, publicKey.subarray(1), Buffer.alloc(0)]) {
    assert.throws(
      () => encapsulate(key),
      (error) => isAppError(error, "ERR_KEY_FORMAT"),
    );
  }
  assert.throws(
    () => decapsulate(seed, ciphertext.subarray(1)),
    (error) => isAppError(error, "ERR_DAMAGED"),
  );
  assert.throws(() => keyPairFromSeed(repeated(1, 31)), { code: "ERR_ASSERTION" });
});
