import assert from "node:assert/strict";
import crypto from "node:crypto";
import { mock, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import {
  ARGON2_DEFAULT,
  type Argon2Parameters,
  checkArgon2Parameters,
  stretchPassphrase,
} from "../src/index.ts";
import { ascii, repeated } from "./bytes.ts";

const SALT = repeated(0x5a, 16);
const LIGHT: Argon2Parameters = { memoryKiB: 8192, passes: 1, lanes: 1 };
const key = (passphrase: Buffer): string => stretchPassphrase(passphrase, SALT, LIGHT).toString("hex");
const utf8 = (text: string): Buffer => Buffer.from(text, "utf8");

test("RFC 9106 section 5.3", () => {
  const tag = crypto.argon2Sync("argon2id", {
    message: repeated(1, 32),
    nonce: repeated(2, 16),
    secret: repeated(3, 8),
    associatedData: repeated(4, 12),
    memory: 32,
    passes: 3,
    parallelism: 4,
    tagLength: 32,
  });
  assert.equal(tag.toString("hex"), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
});

test("passes every parameter on", () => {
  const parameters = { memoryKiB: 9000, passes: 2, lanes: 3 };
  const expected = crypto.argon2Sync("argon2id", {
    message: ascii("correct horse"),
    nonce: SALT,
    memory: 9000,
    passes: 2,
    parallelism: 3,
    tagLength: 32,
  });
  const passphrase = ascii("correct horse");
  assert.deepEqual(stretchPassphrase(passphrase, SALT, parameters), expected);
  assert.deepEqual(passphrase, ascii("correct horse"));
  const others = [
    stretchPassphrase(passphrase, SALT, { ...parameters, lanes: 2 }),
    stretchPassphrase(passphrase, SALT, { ...parameters, passes: 1 }),
    stretchPassphrase(passphrase, SALT, { ...parameters, memoryKiB: 9100 }),
    stretchPassphrase(passphrase, repeated(0x5b, 16), parameters),
  ];
  for (const other of others) assert.notDeepEqual(other, expected);
});

test("text is normalised, other bytes are not", () => {
  assert.equal(key(utf8("Schl\u00fcssel")), key(utf8("Schlu\u0308ssel")));
  assert.notEqual(key(utf8("Schl\u00fcssel")), key(utf8("Schlussel")));
  assert.notEqual(key(Buffer.from([0xff, 0x61])), key(Buffer.from([0xfe, 0x61])));
  assert.notEqual(key(utf8("\ufeffa")), key(utf8("a")));
});

test("the defaults are 64 MiB, 3 passes, 4 lanes, and within the bounds", () => {
  assert.deepEqual(ARGON2_DEFAULT, { memoryKiB: 65_536, passes: 3, lanes: 4 });
  assert.equal(checkArgon2Parameters(ARGON2_DEFAULT), ARGON2_DEFAULT);
});

test("parameters out of bounds are refused before any work", () => {
  const bad: readonly Partial<Argon2Parameters>[] = [
    { memoryKiB: 8191 },
    { memoryKiB: 4 * 1024 * 1024 + 1 },
    { memoryKiB: Number.NaN },
    { passes: 0 },
    { passes: 65 },
    { passes: 1.5 },
    { lanes: 0 },
    { lanes: 65 },
  ];
  for (const change of bad) {
    assert.throws(
      () => stretchPassphrase(ascii("x"), SALT, { ...LIGHT, ...change }),
      (error) => isAppError(error, "ERR_DAMAGED"),
    );
  }
  for (const change of [{ memoryKiB: 8192 }, { memoryKiB: 4_194_304 }, { passes: 64 }, { lanes: 64 }]) {
    assert.doesNotThrow(() => checkArgon2Parameters({ ...LIGHT, ...change }));
  }
});

const failWith =
  (code: string): (() => never) =>
  () => {
    throw Object.assign(new Error("no"), { code });
  };

test("says what is wrong when the runtime has no Argon2, or no memory", () => {
  const runs = [
    ["ERR_CRYPTO_ARGON2_NOT_SUPPORTED", "ERR_UNSUPPORTED"],
    ["ERR_CRYPTO_OPERATION_FAILED", "ERR_FAILED"],
  ] as const;
  for (const [cause, code] of runs) {
    const mocked = mock.method(crypto, "argon2Sync", failWith(cause));
    try {
      assert.throws(
        () => stretchPassphrase(ascii("hunter2"), SALT, LIGHT),
        (error) => isAppError(error, code) && !JSON.stringify(error).includes("hunter2"),
      );
    } finally {
      mocked.mock.restore();
    }
  }
});
