import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeTotpSecret, totpCode, totpStepOf } from "../src/index.ts";

const SECRET = Buffer.from("12345678901234567890", "ascii");

suite("one-time codes", () => {
  // RFC 6238, appendix B, SHA-1.
  for (const [seconds, code] of [
    [59, "94287082"],
    [1_111_111_109, "07081804"],
    [1_111_111_111, "14050471"],
    [1_234_567_890, "89005924"],
    [2_000_000_000, "69279037"],
    [20_000_000_000, "65353130"],
  ] as const) {
    test(`RFC 6238 at ${String(seconds)} seconds`, () => {
      assert.equal(totpCode(SECRET, Math.floor(seconds / 30), 8), code);
    });
  }

  test("RFC 4226, appendix D", () => {
    const codes = Array.from({ length: 10 }, (_, count) => totpCode(SECRET, count));
    assert.deepEqual(
      codes.join(" "),
      "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489",
    );
  });

  test("codes of the step before and after are taken, others not", () => {
    const now = 1000 * 30_000 + 5000;
    for (let step = 996; step <= 1004; step += 1) {
      const expected = Math.abs(step - 1000) <= 1 ? step : undefined;
      assert.equal(totpStepOf(SECRET, totpCode(SECRET, step), now, 0), expected);
    }
  });

  test("a code is not taken twice, nor an older one after it", () => {
    const now = 1000 * 30_000;
    assert.equal(totpStepOf(SECRET, totpCode(SECRET, 1000), now, 1000), undefined);
    assert.equal(totpStepOf(SECRET, totpCode(SECRET, 999), now, 1000), undefined);
    assert.equal(totpStepOf(SECRET, totpCode(SECRET, 1001), now, 1000), 1001);
  });

  test("what is no code is none", () => {
    for (const code of ["", "12345", "1234567", "abcdef", "öööööö", "     "]) {
      assert.equal(totpStepOf(SECRET, code, 30_000_000, 0), undefined);
    }
  });

  test("secrets are written in base 32 of RFC 4648", () => {
    // The vectors of section 10 whose length needs no padding, and the bytes above.
    assert.equal(encodeTotpSecret(Buffer.from("fooba")), "MZXW6YTB");
    assert.equal(encodeTotpSecret(SECRET), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
  });
});
