import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AppError, isAppError } from "@holdfast/kernel";
import fc from "fast-check";
import { authorityPin, formatEnrolmentCode, parseEnrolmentCode } from "../src/agent/enrolment-code.ts";

const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
const anyCode = fc.record({ secret: sixteen, pin: sixteen }, { noNullPrototype: true });

const EXAMPLE = {
  secret: Buffer.from("000102030405060708090a0b0c0d0e0f", "hex"),
  pin: Buffer.from("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "hex"),
};
const EXAMPLE_TEXT = "000G40R-40M30E2-09185GR-38E1ZRF-3WQKYKT-ZDXZRZ7-XFQZ7XZ-VZZKQ49";

function isMistyped(error: unknown): error is AppError {
  return isAppError(error, "ERR_ENROLMENT_CODE");
}

suite("enrolment code", () => {
  test("a known code has the known text: eight groups of seven", () => {
    const text = formatEnrolmentCode(EXAMPLE);
    assert.match(text, /^(?:[0-9A-HJKMNP-TV-Z]{7}-){7}[0-9A-HJKMNP-TV-Z]{7}$/u);
    assert.equal(text, EXAMPLE_TEXT);
  });

  test("reading inverts writing, typed carelessly too", () => {
    fc.assert(
      fc.property(anyCode, (code) => {
        const text = formatEnrolmentCode(code);
        assert.deepEqual(parseEnrolmentCode(text), code);
        const careless = ` ${text.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l")}\n`;
        assert.deepEqual(parseEnrolmentCode(careless), code);
      }),
    );
  });

  test("one wrong character is noticed", () => {
    fc.assert(
      fc.property(anyCode, fc.nat(55), fc.integer({ min: 1, max: 31 }), (code, at, shift) => {
        const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        const plain = formatEnrolmentCode(code).replaceAll("-", "");
        const wrong = alphabet.charAt((alphabet.indexOf(plain.charAt(at)) + shift) % 32);
        assert.throws(() => parseEnrolmentCode(plain.slice(0, at) + wrong + plain.slice(at + 1)), isMistyped);
      }),
    );
  });

  test("anything else is refused, and not repeated in the message", () => {
    for (const text of [
      "",
      "short",
      EXAMPLE_TEXT.slice(1),
      `${EXAMPLE_TEXT}0`,
      "U".repeat(56),
      "0".repeat(1e6),
    ]) {
      assert.throws(
        () => parseEnrolmentCode(text),
        (error: unknown) => isMistyped(error) && (text === "" || !error.message.includes(text)),
      );
    }
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        assert.throws(() => parseEnrolmentCode(text), isMistyped);
      }),
    );
  });

  test("the pin is the first half of a hash", () => {
    assert.equal(authorityPin(Buffer.from("abc")).toString("hex"), "ba7816bf8f01cfea414140de5dae2223");
  });
});
