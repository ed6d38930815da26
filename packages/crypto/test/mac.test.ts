import assert from "node:assert/strict";
import { test } from "node:test";
import { chunkIdHasher, hmacSha256, sha256 } from "../src/index.ts";
import { ascii, hex, repeated } from "./bytes.ts";

// RFC 4231, section 4.
const cases: readonly [name: string, key: Buffer, data: Buffer, mac: string][] = [
  [
    "1",
    repeated(0x0b, 20),
    ascii("Hi There"),
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  ],
  [
    "2",
    ascii("Jefe"),
    ascii("what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  ],
  [
    "3",
    repeated(0xaa, 20),
    repeated(0xdd, 50),
    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
  ],
  [
    "4",
    hex("0102030405060708090a0b0c0d0e0f10111213141516171819"),
    repeated(0xcd, 50),
    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
  ],
  [
    "6",
    repeated(0xaa, 131),
    ascii("Test Using Larger Than Block-Size Key - Hash Key First"),
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
  ],
  [
    "7",
    repeated(0xaa, 131),
    ascii(
      "This is a test using a larger than block-size key and a larger than block-size data. " +
        "The key needs to be hashed before being used by the HMAC algorithm.",
    ),
    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
  ],
];

for (const [name, key, data, mac] of cases) {
  test(`RFC 4231 test case ${name}`, () => {
    assert.equal(hmacSha256(key, data).toString("hex"), mac);
    assert.equal(hmacSha256(key, data.subarray(0, 3), data.subarray(3)).toString("hex"), mac);
    assert.equal(chunkIdHasher(key)(data).toString("hex"), mac);
  });
}

test("SHA-256 (FIPS 180-4 examples)", () => {
  assert.equal(
    sha256(ascii("abc")).toString("hex"),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assert.equal(
    sha256(Buffer.alloc(0)).toString("hex"),
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
});

test("a chunk id hasher writes into an array, reads shared memory and keeps its key", () => {
  const key = repeated(5, 32);
  const idOf = chunkIdHasher(key);
  const shared = new Uint8Array(new SharedArrayBuffer(4096), 16, 1000).fill(7);
  const expected = hmacSha256(key, repeated(7, 1000));
  key.fill(0);
  const out = new Uint8Array(100);
  assert.deepEqual(idOf(shared, out, 40), expected);
  assert.deepEqual(Buffer.from(out.subarray(40, 72)), expected);
  assert.ok(out.subarray(0, 40).every((byte) => byte === 0) && out.subarray(72).every((byte) => byte === 0));
});
