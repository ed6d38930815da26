import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAppError } from "@holdfast/kernel";
import {
  type Argon2Parameters,
  hashPassword,
  isHashOutdated,
  stretchPassphrase,
  verifyPassword,
} from "../src/index.ts";

const CHEAP: Argon2Parameters = { memoryKiB: 8192, passes: 1, lanes: 1 };

suite("password hash", () => {
  test("a hash is opened by its password and by no other", async () => {
    const phc = await hashPassword("correct horse", CHEAP);
    assert.match(phc, /^\$argon2id\$v=19\$m=8192,t=1,p=1\$/u);
    assert.equal(await verifyPassword("correct horse", phc), true);
    assert.equal(await verifyPassword("correct horsf", phc), false);
    assert.equal(await verifyPassword("", phc), false);
  });

  test("it is Argon2id of the password in form NFC, as for passphrases", async () => {
    const phc = await hashPassword("pa\u0301ss", CHEAP, (bytes) => bytes.fill(7));
    const expected = stretchPassphrase(Buffer.from("p\u00e1ss"), Buffer.alloc(16, 7), CHEAP);
    assert.equal(phc.split("$")[5], expected.toString("base64").replaceAll("=", ""));
    assert.equal(await verifyPassword("p\u00e1ss", phc), true);
  });

  test("the same password has another hash each time", async () => {
    assert.notEqual(await hashPassword("x", CHEAP), await hashPassword("x", CHEAP));
  });

  test("a hash says whether it has the wanted cost", async () => {
    const phc = await hashPassword("x", CHEAP);
    assert.equal(isHashOutdated(phc, CHEAP), false);
    assert.equal(isHashOutdated(phc), true);
  });

  for (const phc of [
    "",
    "$argon2i$v=19$m=8192,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$argon2id$v=19$m=8192,t=1,p=1$AAAA$AAAA",
  ]) {
    test(`refuses ${phc === "" ? "nothing" : phc}`, async () => {
      await assert.rejects(verifyPassword("x", phc), (error) => isAppError(error, "ERR_DAMAGED"));
    });
  }
});
