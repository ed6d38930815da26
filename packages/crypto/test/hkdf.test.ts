import assert from "node:assert/strict";
import { hkdfSync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { deriveKey, hkdfExpand, hkdfExtract } from "../src/index.ts";
import { bytesUpTo, hex, repeated } from "./bytes.ts";

const range = (from: number, to: number): Buffer =>
  Buffer.from(Array.from({ length: to - from }, (_, i) => from + i));

// RFC 5869, appendix A.
const cases = [
  {
    name: "A.1",
    ikm: repeated(0x0b, 22),
    salt: range(0, 0x0d),
    info: range(0xf0, 0xfa),
    prk: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
    okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  },
  {
    name: "A.2",
    ikm: range(0, 0x50),
    salt: range(0x60, 0xb0),
    info: range(0xb0, 0x100),
    prk: "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
    okm:
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09" +
      "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
  },
  {
    name: "A.3",
    ikm: repeated(0x0b, 22),
    salt: Buffer.alloc(0),
    info: Buffer.alloc(0),
    prk: "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
    okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  },
];

for (const { name, ikm, salt, info, prk, okm } of cases) {
  test(`RFC 5869 ${name}`, () => {
    assert.equal(hkdfExtract(salt, ikm).toString("hex"), prk);
    assert.equal(hkdfExpand(hex(prk), info, okm.length / 2).toString("hex"), okm);
    assert.equal(deriveKey(ikm, salt, info, okm.length / 2).toString("hex"), okm);
  });
}

test("agrees with the platform's HKDF", () => {
  fc.assert(
    fc.property(
      bytesUpTo(80),
      bytesUpTo(80),
      bytesUpTo(200),
      fc.integer({ min: 1, max: 300 }),
      (ikm, salt, info, length) => {
        const expected = Buffer.from(hkdfSync("sha256", ikm, salt, info, length));
        assert.deepEqual(deriveKey(ikm, salt, info, length), expected);
      },
    ),
    { numRuns: 50 },
  );
});

test("takes text and long info, and refuses more output than there is", () => {
  const key = repeated(1, 32);
  assert.deepEqual(deriveKey(key, key, "label", 32), deriveKey(key, key, Buffer.from("label"), 32));
  assert.equal(deriveKey(key, key, repeated(7, 5000), 8160).length, 8160);
  assert.throws(() => deriveKey(key, key, "label", 8161), { code: "ERR_ASSERTION" });
  assert.throws(() => deriveKey(key, key, "label", 0), { code: "ERR_ASSERTION" });
});
