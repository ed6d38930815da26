// C2SP Wycheproof through this package's own functions, as far as they take the inputs.
import assert from "node:assert/strict";
import { decapsulate as mlKemDecapsulate, timingSafeEqual } from "node:crypto";
import { test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { deriveKey, hmacSha256, openFrame, sealedLength, sealFrame } from "../src/index.ts";
import { exchangeX25519, importPrivateKey, importPublicKey, rawPublicKey } from "../src/raw-keys.ts";
import { hex } from "./bytes.ts";
import { cbcKeys, cbcSealed, gcmKeys, gcmPosition } from "./raw-frames.ts";
import { type WycheproofCase, type WycheproofTest, wycheproof } from "./vectors.ts";

function bytesOf(item: WycheproofTest, field: string): Buffer {
  const text = item[field];
  assert.ok(typeof text === "string", `${field} of test ${String(item.tcId)}`);
  return hex(text);
}

/** Runs `check` for each test of the file that `applies`, of which there must be `count`. */
function runFile(
  file: string,
  count: number,
  check: (item: WycheproofTest, which: WycheproofCase) => void,
  applies: (which: WycheproofCase) => boolean = () => true,
): void {
  const cases = wycheproof(file);
  test(`Wycheproof ${file}`, { skip: typeof cases === "string" ? cases : false }, () => {
    assert.ok(typeof cases !== "string");
    const applicable = cases.filter(applies);
    assert.equal(applicable.length, count);
    for (const which of applicable) {
      try {
        check(which.case, which);
      } catch (error) {
        throw new Error(`test ${String(which.case.tcId)}`, { cause: error });
      }
    }
  });
}

const isDamage = (error: unknown): boolean => isAppError(error, "ERR_DAMAGED");

runFile(
  "aes_gcm_test.json",
  197,
  (item) => {
    const keys = gcmKeys(bytesOf(item, "key"));
    const { counter, frame } = gcmPosition(bytesOf(item, "iv"));
    const [aad, plaintext] = [bytesOf(item, "aad"), bytesOf(item, "msg")];
    const sealed = Buffer.concat([bytesOf(item, "ct"), bytesOf(item, "tag")]);
    if (item.result === "invalid") {
      assert.throws(() => openFrame(keys, counter, frame, aad, sealed, "it"), isDamage);
      return;
    }
    const out = Buffer.alloc(sealedLength(keys.suite, plaintext.length));
    sealFrame(keys, counter, frame, aad, plaintext, out);
    assert.deepEqual(out, sealed);
    assert.deepEqual(openFrame(keys, counter, frame, aad, sealed, "it"), plaintext);
  },
  ({ group }) => group.ivSize === 96,
);

runFile("aes_cbc_pkcs5_test.json", 216, (item) => {
  const keys = cbcKeys(bytesOf(item, "key"));
  const sealed = cbcSealed(keys, bytesOf(item, "iv"), bytesOf(item, "ct"));
  const open = (): Buffer => openFrame(keys, 0, 0, Buffer.alloc(0), sealed, "it");
  if (item.result === "invalid") assert.throws(open, isDamage);
  else assert.deepEqual(open(), bytesOf(item, "msg"));
});

runFile("hkdf_sha256_test.json", 86, (item) => {
  const size = Number(item["size"]);
  const derive = (): Buffer =>
    deriveKey(bytesOf(item, "ikm"), bytesOf(item, "salt"), bytesOf(item, "info"), size);
  if (item.result === "invalid") assert.throws(derive, { code: "ERR_ASSERTION" });
  else assert.deepEqual(derive(), bytesOf(item, "okm"));
});

runFile("hmac_sha256_test.json", 174, (item, { group }) => {
  const tag = bytesOf(item, "tag");
  assert.equal(tag.length * 8, group.tagSize);
  const computed = hmacSha256(bytesOf(item, "key"), bytesOf(item, "msg")).subarray(0, tag.length);
  assert.equal(timingSafeEqual(computed, tag), item.result === "valid");
});

runFile("x25519_test.json", 518, (item) => {
  const privateKey = importPrivateKey("x25519", bytesOf(item, "private"));
  const exchange = (): Buffer => exchangeX25519(privateKey, bytesOf(item, "public"));
  if (item.flags.includes("ZeroSharedSecret")) assert.throws(exchange);
  else assert.deepEqual(exchange(), bytesOf(item, "shared"));
});

runFile("mlkem_768_test.json", 193, (item) => {
  const decapsulate = (): Buffer =>
    mlKemDecapsulate(importPrivateKey("ml-kem-768", bytesOf(item, "seed")), bytesOf(item, "c"));
  if (item.result === "invalid") {
    assert.throws(decapsulate);
    return;
  }
  assert.deepEqual(decapsulate(), bytesOf(item, "K"));
  const publicKey = bytesOf(item, "ek");
  const privateKey = importPrivateKey("ml-kem-768", bytesOf(item, "seed"));
  assert.deepEqual(rawPublicKey("ml-kem-768", privateKey), publicKey);
  assert.deepEqual(rawPublicKey("ml-kem-768", importPublicKey("ml-kem-768", publicKey)), publicKey);
});
