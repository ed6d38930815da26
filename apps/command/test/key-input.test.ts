import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { formatRecoveryKey } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import { readKeyFile, slotKeyFrom } from "../src/key-input.ts";
import { SecretLine } from "../src/prompt.ts";

suite("A key file", () => {
  test("holds the key without the line break at its end", (context) => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-key-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "key");
    const cases: readonly (readonly [string, string])[] = [
      ["word", "word"],
      ["word\n", "word"],
      ["word\r\n", "word"],
      ["word\n\n", "word\n"],
      [" spaces stay \n", " spaces stay "],
      ["\u0000\u0001\n", "\u0000\u0001"],
    ];
    for (const [text, key] of cases) {
      writeFileSync(file, text);
      assert.equal(readKeyFile(file).toString(), key);
    }
    writeFileSync(file, Buffer.alloc(4097, "x"));
    assert.throws(
      () => readKeyFile(file),
      (error) => isAppError(error, "ERR_KEY_FORMAT"),
    );
    assert.throws(
      () => readKeyFile(join(folder, "nothing")),
      (error) => isAppError(error, "ERR_KEY_MISSING"),
    );
  });

  test("with a recovery kit gives its seed", () => {
    const seed = Buffer.alloc(32, 9);
    const key = slotKeyFrom(Buffer.from(`\n ${formatRecoveryKey(seed).toLowerCase()}`), "test");
    assert(key.kind === "recovery");
    assert.deepEqual(key.seed, seed);
  });

  test("with a passphrase that begins like a kit is a passphrase", () => {
    for (const text of ["holdfast", "HOLDFAST RECOVERY", "holdfast is my backup"]) {
      const key = slotKeyFrom(Buffer.from(text), "test");
      assert(key.kind === "passphrase");
      assert.equal(Buffer.from(key.passphrase).toString(), text);
    }
  });

  test("that is empty, or holds a kit with a typing error, is refused without its content", () => {
    assert.throws(
      () => slotKeyFrom(Buffer.alloc(0), "the file x"),
      (error) => isAppError(error, "ERR_KEY_FORMAT") && error.message.includes("the file x"),
    );
    const kit = formatRecoveryKey(Buffer.alloc(32, 9)).split("\n");
    const wrong = [kit[0], kit[2], kit[1], kit[3]].join("\n");
    assert.throws(
      () => slotKeyFrom(Buffer.from(wrong), "test"),
      (error) => isAppError(error, "ERR_KEY_FORMAT") && !error.message.includes(kit[1]?.slice(0, 5) ?? "-"),
    );
  });
});

suite("A line typed without echo", () => {
  const typed = (...pieces: readonly string[]): string => {
    const line = new SecretLine();
    const ended = pieces.some((piece) => line.take(Buffer.from(piece)));
    assert(ended);
    return line.finish().toString();
  };

  test("ends with Enter, however it arrives", () => {
    assert.equal(typed("wo", "rd\r"), "word");
    assert.equal(typed("word\nmore"), "word");
  });

  test("can be corrected by character, and cleared", () => {
    assert.equal(typed("wörd\u007F\u007F\u007F", "ord\r"), "word");
    assert.equal(typed("\u007F\u007Fa\r"), "a");
    assert.equal(typed("wrong\u0015right\r"), "right");
  });

  test("is given up with Ctrl-C and bounded in length", () => {
    const cancelled = (error: unknown): boolean => isAppError(error, "ERR_CANCELLED");
    assert.throws(() => new SecretLine().take(Buffer.from("a\u0003")), cancelled);
    assert.throws(() => new SecretLine().take(Buffer.from("\u0004")), cancelled);
    assert.throws(
      () => new SecretLine().take(Buffer.alloc(5000, "x")),
      (error) => isAppError(error, "ERR_KEY_FORMAT"),
    );
  });
});
