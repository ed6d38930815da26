import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isAppError, type Randomness } from "@holdfast/kernel";
import { formatRecoveryKey, generatePassphrase, isRecoveryKeyText, parseRecoveryKey } from "../src/index.ts";
import { hex, repeated } from "./bytes.ts";
import { formatVectors } from "./vectors.ts";

const SEED = repeated(0xc5, 32);
const TEXT = formatRecoveryKey(SEED);
const [TITLE = "", ...LINES] = TEXT.trimEnd().split("\n");

const malformed =
  (message: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(isAppError(error, "ERR_KEY_FORMAT"));
    assert.match(error.message, message);
    for (const line of LINES) for (const group of line.split(" ")) assert.ok(!error.message.includes(group));
    return true;
  };

test("agrees with an independent implementation", () => {
  for (const { seed, text } of formatVectors().recoveryKeys) {
    assert.equal(formatRecoveryKey(hex(seed)), text);
    assert.equal(parseRecoveryKey(text).toString("hex"), seed);
  }
});

test("every seed comes back, in every way a person may type it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      const text = formatRecoveryKey(seed);
      const [title = "", ...lines] = text.trimEnd().split("\n");
      const typed = [
        text,
        text.toLowerCase(),
        text.replaceAll("\n", "\r\n\r\n  "),
        `\ufeff\n\n  ${text}\n`,
        [title, ...lines.map((line) => line.replaceAll(" ", "-"))].join("\n"),
        `${title}\n${lines.join("").replaceAll(" ", "")}`,
        [title, ...lines.map((line) => line.replaceAll("0", "O").replaceAll("1", "l"))].join("\n"),
        [title, ...lines.map((line) => line.replaceAll("0", "o").replaceAll("1", "I"))].join("\n"),
      ];
      for (const variant of typed) {
        assert.ok(isRecoveryKeyText(variant));
        assert.ok(parseRecoveryKey(variant).equals(seed));
      }
    }),
    { numRuns: 25 },
  );
});

test("a typing error is found in its line", () => {
  for (const [index, line] of LINES.entries()) {
    for (let at = 0; at < line.length; at += 1) {
      if (line[at] === " ") continue;
      const wrong = line[at] === "Z" ? "Y" : "Z";
      const changed = LINES.with(index, line.slice(0, at) + wrong + line.slice(at + 1));
      assert.throws(
        () => parseRecoveryKey([TITLE, ...changed].join("\n")),
        malformed(new RegExp(`^Line ${String(index + 1)} of the recovery key has a typing error`)),
      );
    }
  }
});

test("a missing, foreign or moved character names the line too", () => {
  const [first = "", second = "", third = ""] = LINES;
  const cut = [TITLE, first, second.slice(1), third].join("\n");
  assert.throws(() => parseRecoveryKey(cut), malformed(/^Line 2 .* 23 characters instead of 24/));
  const foreign = [TITLE, first, second, `U${third.slice(1)}`].join("\n");
  assert.throws(() => parseRecoveryKey(foreign), malformed(/^Line 3 .* do not use/));
  const moved = [TITLE, second, first, third].join("\n");
  assert.throws(() => parseRecoveryKey(moved), malformed(/^Line 1 .* typing error/));
  assert.throws(() => parseRecoveryKey([TITLE, first, second].join("\n")), malformed(/2 lines with 48/));
  assert.throws(() => parseRecoveryKey(TITLE), malformed(/0 lines/));
  assert.throws(() => parseRecoveryKey(`${TEXT}${first}`), malformed(/4 lines/));
});

test("lines of two different keys do not make a key", () => {
  const other = formatRecoveryKey(repeated(0x3a, 32)).trimEnd().split("\n");
  const mixed = [TITLE, LINES[0], other[2], LINES[2]].join("\n");
  assert.throws(() => parseRecoveryKey(mixed), malformed(/each line seems right/));
});

test("what is no recovery key is told apart", () => {
  for (const text of ["", "correct horse battery staple", "HOLDFAST", `x ${TEXT}`, `\n${LINES.join("\n")}`]) {
    assert.equal(isRecoveryKeyText(text), false);
    assert.throws(() => parseRecoveryKey(text), malformed(/does not begin with/));
  }
  const newer = TEXT.replace("KEY 1", "KEY 2");
  assert.equal(isRecoveryKeyText(newer), true);
  assert.throws(() => parseRecoveryKey(newer), malformed(/version/));
});

const counting: Randomness = (bytes) => {
  for (const index of bytes.keys()) bytes[index] = index + 224;
  return bytes;
};

test("passphrases have 130 random bits in 26 unambiguous characters", () => {
  assert.equal(generatePassphrase(counting), "01234-56789-abcde-fghjk-mnpqrs");
  const drawn = new Set(Array.from({ length: 200 }, () => generatePassphrase()));
  assert.equal(drawn.size, 200);
  for (const text of drawn) assert.match(text, /^(?:[0-9a-hjkmnp-tv-z]{5}-){4}[0-9a-hjkmnp-tv-z]{6}$/);
});
