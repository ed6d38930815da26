// The frames' ciphers against the values of NIST and of the GCM specification, through the frames themselves.
import assert from "node:assert/strict";
import { createCipheriv, createSecretKey } from "node:crypto";
import { test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { hmacSha256, openFrame, openNonce, sealedLength, sealFrame, sealNonce } from "../src/index.ts";
import { hex, repeated } from "./bytes.ts";
import { cbcKeys, cbcSealed, gcmKeys, gcmPosition } from "./raw-frames.ts";

const GCM_PLAINTEXT = hex(`d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
  1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39`);
const GCM_AAD = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
const GCM_IV = hex("cafebabefacedbaddecaf888");
const GCM_KEY = "feffe9928665731c6d6a8f9467308308";

// McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", appendix B.
const gcmCases = [
  {
    name: "test case 4",
    key: GCM_KEY,
    sealed: `42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
      21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091 5bc94fbc3221a5db94fae95ae7121a47`,
  },
  {
    name: "test case 10",
    key: `${GCM_KEY}feffe9928665731c`,
    sealed: `3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c
      7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710 2519498e80f1478f37ba55bd6d27618c`,
  },
  {
    name: "test case 16",
    key: GCM_KEY + GCM_KEY,
    sealed: `522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
      8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662 76fc6ece0f4e1768cddf8853bb2d551b`,
  },
];

for (const { name, key, sealed } of gcmCases) {
  test(`GCM specification, ${name}`, () => {
    const keys = gcmKeys(hex(key));
    const { counter, frame } = gcmPosition(GCM_IV);
    const out = Buffer.alloc(sealedLength(keys.suite, GCM_PLAINTEXT.length));
    sealFrame(keys, counter, frame, GCM_AAD, GCM_PLAINTEXT, out);
    assert.deepEqual(out, hex(sealed));
    assert.deepEqual(openFrame(keys, counter, frame, GCM_AAD, out, "it"), GCM_PLAINTEXT);
  });
}

test("GCM with a given nonce", () => {
  const key = createSecretKey(hex(GCM_KEY + GCM_KEY));
  const out = Buffer.alloc(GCM_PLAINTEXT.length + 16);
  assert.equal(sealNonce(key, GCM_IV, GCM_AAD, GCM_PLAINTEXT, out), out.length);
  assert.deepEqual(out, hex(gcmCases[2]?.sealed ?? ""));
  assert.deepEqual(openNonce(key, GCM_IV, GCM_AAD, out, "it"), GCM_PLAINTEXT);
  for (const sealed of [out.subarray(1), out.subarray(0, 15), Buffer.alloc(0)]) {
    assert.throws(
      () => openNonce(key, GCM_IV, GCM_AAD, sealed, "it"),
      (error) => isAppError(error, "ERR_DAMAGED"),
    );
  }
});

const CBC_IV = hex("000102030405060708090a0b0c0d0e0f");
const CBC_PLAINTEXT = hex(`6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
  30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710`);

// NIST SP 800-38A, sections F.2.1, F.2.3 and F.2.5.
const cbcCases = [
  {
    name: "F.2.1",
    key: "2b7e151628aed2a6abf7158809cf4f3c",
    ciphertext: `7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
      73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7`,
  },
  {
    name: "F.2.3",
    key: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    ciphertext: `4f021db243bc633d7178183a9fa071e8 b4d9ada9ad7dedf4e5e738763f69145a
      571b242012fb7ae07fa9baac3df102e0 08b0e27988598881d920a9e64f5615cd`,
  },
  {
    name: "F.2.5",
    key: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
    ciphertext: `f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
      39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b`,
  },
];

for (const { name, key, ciphertext } of cbcCases) {
  test(`SP 800-38A ${name}, with the padding block that PKCS #7 adds`, () => {
    const keys = cbcKeys(hex(key));
    const blocks = hex(ciphertext);
    const cipher = createCipheriv(`aes-${String(hex(key).length * 8)}-cbc`, hex(key), blocks.subarray(48));
    const padding = cipher.setAutoPadding(false).update(repeated(16, 16));
    const sealed = cbcSealed(keys, CBC_IV, Buffer.concat([blocks, padding]));
    assert.deepEqual(openFrame(keys, 0, 0, Buffer.alloc(0), sealed, "it"), CBC_PLAINTEXT);
  });
}

test("CBC: wrong padding behind a good tag looks like a wrong tag", () => {
  const keys = cbcKeys(repeated(7, 32));
  const messages = new Set<string>();
  for (const last of [0x00, 0x11, 0xff, 0x02]) {
    const block = repeated(1, 16);
    block[15] = last;
    const cipher = createCipheriv("aes-256-cbc", repeated(7, 32), CBC_IV).setAutoPadding(false);
    const sealed = cbcSealed(keys, CBC_IV, cipher.update(block));
    for (const bytes of [sealed, Buffer.concat([sealed.subarray(0, -1), Buffer.from([0])])]) {
      assert.throws(
        () => openFrame(keys, 0, 0, Buffer.alloc(0), bytes, "it"),
        (error) => {
          assert.ok(isAppError(error, "ERR_DAMAGED"));
          messages.add(`${error.message} ${String(error.cause)}`);
          return true;
        },
      );
    }
  }
  assert.equal(messages.size, 1);
});

test("CBC: the MAC key is not the cipher key, and the tag covers the length", () => {
  const keys = cbcKeys(repeated(7, 32));
  const out = Buffer.alloc(sealedLength(keys.suite, 3));
  sealFrame(keys, 0, 0, Buffer.alloc(0), Buffer.from("abc"), out);
  const covered = Buffer.concat([Buffer.alloc(16), out.subarray(0, 32)]);
  const length = Buffer.from([16, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(out.subarray(32), hmacSha256(keys.macKey, covered, length));
  assert.notDeepEqual(out.subarray(32), hmacSha256(keys.macKey, covered));
});
