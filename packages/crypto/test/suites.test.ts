import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import { type Level, SUITES, suiteByCode, suiteFor } from "../src/index.ts";

test("codes and names are those of the format", () => {
  assert.deepEqual(
    SUITES.map(({ code, name, keyBits }) => [code, name, keyBits]),
    [
      [0, "none", 0],
      [1, "aes-128-gcm", 128],
      [2, "aes-192-gcm", 192],
      [3, "aes-256-gcm", 256],
      [4, "aes-128-cbc-hmac-sha-256", 128],
      [5, "aes-192-cbc-hmac-sha-256", 192],
      [6, "aes-256-cbc-hmac-sha-256", 256],
    ],
  );
});

test("every suite is found by its code, and by its method and level", () => {
  for (const suite of SUITES) assert.equal(suiteByCode(suite.code), suite);
  const levels: readonly Level[] = ["low", "normal", "high"];
  for (const [index, level] of levels.entries()) {
    assert.equal(suiteFor("gcm", level).code, 1 + index);
    assert.equal(suiteFor("cbc", level).code, 4 + index);
    assert.equal(suiteFor("cbc", level).level, level);
  }
});

test("an unknown code is refused", () => {
  for (const code of [7, 255, -1, 1.5]) {
    assert.throws(
      () => suiteByCode(code),
      (error) => isAppError(error, "ERR_FORMAT_VERSION"),
    );
  }
});
