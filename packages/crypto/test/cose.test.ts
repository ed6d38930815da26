import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { isAppError } from "@holdfast/kernel";
import { coseKeyLength, decodeCbor, verifyCoseSignature } from "../src/index.ts";
import { encodeCbor } from "./encode-cbor.ts";

const MESSAGE = Buffer.from("what is signed");
const isInputError = (error: unknown): boolean => isAppError(error, "ERR_INPUT");

function coseOf(publicKey: KeyObject): Buffer {
  const { kty, x = "", y = "", n = "", e = "" } = publicKey.export({ format: "jwk" });
  const bytes = (text: string): Buffer => Buffer.from(text, "base64url");
  if (kty === "EC")
    return encodeCbor(
      new Map<number, unknown>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, bytes(x)],
        [-3, bytes(y)],
      ]),
    );
  if (kty === "OKP")
    return encodeCbor(
      new Map<number, unknown>([
        [1, 1],
        [3, -8],
        [-1, 6],
        [-2, bytes(x)],
      ]),
    );
  return encodeCbor(
    new Map<number, unknown>([
      [1, 3],
      [3, -257],
      [-1, bytes(n)],
      [-2, bytes(e)],
    ]),
  );
}

suite("CBOR of WebAuthn", () => {
  // RFC 8949, appendix A.
  for (const [hex, value] of [
    ["00", 0],
    ["17", 23],
    ["1818", 24],
    ["1903e8", 1000],
    ["1a000f4240", 1_000_000],
    ["20", -1],
    ["3903e7", -1000],
    ["f4", false],
    ["f5", true],
    ["f6", null],
    ["4401020304", Buffer.from([1, 2, 3, 4])],
    ["62c3bc", undefined],
    ["6449455446", "IETF"],
    ["62225c", '"\\'],
    ["83010203", [1, 2, 3]],
    [
      "a201020304",
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    [
      "a26161016162820203",
      new Map<string, unknown>([
        ["a", 1],
        ["b", [2, 3]],
      ]),
    ],
  ] as const) {
    test(`decodes ${hex}`, () => {
      if (value === undefined) assert.equal(decodeCbor(Buffer.from(hex, "hex")).value, "ü");
      else assert.deepEqual(decodeCbor(Buffer.from(hex, "hex")), { value, length: hex.length / 2 });
    });
  }

  for (const [hex, why] of [
    ["", "nothing"],
    ["1817", "a number that is not in its shortest form"],
    ["1b000000e8d4a51000", "64 bits"],
    ["5f42010243030405ff", "an indefinite length"],
    ["c11a514b67b0", "a tag"],
    ["f93c00", "a float"],
    ["a2010201 03", "a key twice"],
    ["a1f501", "a key that is no number or text"],
    ["62c328", "text that is no UTF-8"],
    ["5affffffff00", "a length beyond the end"],
    ["9affffffff00", "too many items"],
    ["81".repeat(20) + "00", "depth"],
  ] as const) {
    test(`refuses ${why}`, () => {
      assert.throws(() => decodeCbor(Buffer.from(hex.replaceAll(" ", ""), "hex")), isInputError);
    });
  }

  test("never fails in another way on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          assert.ok(decodeCbor(bytes).length <= bytes.length);
        } catch (error) {
          assert.ok(isInputError(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

suite("keys of authenticators", () => {
  for (const [name, pair, hash] of [
    ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" }), "sha256"],
    ["EdDSA", generateKeyPairSync("ed25519"), null],
    ["RS256", generateKeyPairSync("rsa", { modulusLength: 2048 }), "sha256"],
  ] as const) {
    test(`${name} verifies its signature of this message and no other`, () => {
      const key = coseOf(pair.publicKey);
      const signature = sign(hash, MESSAGE, pair.privateKey);
      assert.equal(verifyCoseSignature(key, MESSAGE, signature), true);
      assert.equal(verifyCoseSignature(key, Buffer.from("another"), signature), false);
      signature[20] = (signature[20] ?? 0) ^ 1;
      assert.equal(verifyCoseSignature(key, MESSAGE, signature), false);
      assert.equal(verifyCoseSignature(key, MESSAGE, Buffer.alloc(0)), false);
      assert.equal(coseKeyLength(Buffer.concat([key, Buffer.alloc(5)])), key.length);
    });
  }

  test("refuses weak RSA keys, points off the curve, other algorithms, and what follows", () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
    assert.throws(() => coseKeyLength(coseOf(weak)), isInputError);
    const off = new Map<number, unknown>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Buffer.alloc(32, 1)],
      [-3, Buffer.alloc(32, 1)],
    ]);
    assert.throws(() => coseKeyLength(encodeCbor(off)), isInputError);
    assert.throws(() => coseKeyLength(encodeCbor(new Map([...off, [3, -65535]]))), isInputError);
    assert.throws(() => coseKeyLength(encodeCbor(new Map([[1, 2]]))), isInputError);
    assert.throws(() => coseKeyLength(encodeCbor([1, 2])), isInputError);
    const good = coseOf(generateKeyPairSync("ed25519").publicKey);
    assert.throws(
      () => verifyCoseSignature(Buffer.concat([good, Buffer.alloc(1)]), MESSAGE, MESSAGE),
      isInputError,
    );
  });
});
