import assert from "node:assert/strict";
import { test } from "node:test";
import { format, inspect } from "node:util";
import { SecretBytes } from "../src/index.ts";
import { ascii } from "./bytes.ts";

test("never prints its content", () => {
  const secret = new SecretBytes(ascii("hunter2"));
  const shown = [
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ nested: [secret] }, { showHidden: true, depth: 9 }),
    format("%s %o %j", secret, secret, secret),
    JSON.stringify(Object.entries(secret)),
  ];
  for (const text of shown) {
    assert.ok(!text.includes("hunter2") && !text.includes("104") && !text.includes("68 75"), text);
  }
  assert.deepEqual(shown.slice(0, 3), ["[secret]", '{"secret":"[secret]"}', "[secret]"]);
});

test("wiping overwrites the bytes given, and a wiped secret cannot be used", () => {
  const bytes = ascii("hunter2");
  const secret = new SecretBytes(bytes);
  assert.equal(secret.bytes, bytes);
  secret.wipe();
  assert.ok(bytes.every((byte) => byte === 0));
  assert.throws(() => secret.bytes, { code: "ERR_ASSERTION" });
  secret.wipe();
});

test("the end of a block wipes it", () => {
  const bytes = ascii("hunter2");
  {
    using secret = new SecretBytes(bytes);
    assert.equal(secret.bytes.length, 7);
  }
  assert.ok(bytes.every((byte) => byte === 0));
});
