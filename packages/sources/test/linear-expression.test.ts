/** Patterns that would keep the regular expressions of the language busy for years, and those that both must see alike. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import picomatch from "picomatch";
import { parseGlob, PICOMATCH_OPTIONS } from "../src/selection/glob-pattern.ts";
import { linearMatcherOf } from "../src/selection/linear-expression.ts";

const PIECES = [
  "a",
  "b",
  ".",
  "/",
  "*",
  "**",
  "?",
  "[ab]",
  "[^a]",
  "{a,b}",
  "{a,b/*}",
  "\\*",
  "\n",
  "é",
  "{1..3}",
  "-",
];
const CHARACTERS = ["a", "b", ".", "/", "*", "\n", "é", "1", "-"];

suite("A pattern", () => {
  test("means the same to both engines", () => {
    const glob = fc
      .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 8 })
      .map((all) => all.join(""));
    const subject = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 8 }).map((all) => all.join(""));
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(glob, fc.array(subject, { minLength: 20, maxLength: 20 }), (pattern, subjects) => {
        const expression = picomatch.makeRe(pattern, PICOMATCH_OPTIONS);
        const isMatch = linearMatcherOf(expression);
        for (const text of subjects) {
          const expected = expression.test(text);
          seen[`${expected}`] += 1;
          assert.equal(isMatch(text), expected, `${String(expression)} of ${JSON.stringify(text)}`);
        }
      }),
      { numRuns: 5000 },
    );
    assert(seen.true > 1000 && seen.false > 1000, JSON.stringify(seen));
  });

  test("has an end for every name", () => {
    const name = "a".repeat(255);
    const path = Array.from({ length: 40 }, () => "a".repeat(100)).join("/");
    for (const [glob, subject, isMatch] of [
      [`${"*a".repeat(30)}b`, name, false],
      [`${"*a".repeat(30)}*`, name, true],
      [`/${"**/a*/".repeat(30)}b`, path, false],
      [`/${"**/*a*/".repeat(20)}*`, path, true],
      [`${"{a,a}".repeat(40)}*b`, name, false],
      [`${"{a*,a*a}".repeat(40)}b`, name, false],
    ] as const) {
      assert.equal(parseGlob(glob).test(subject, false), isMatch, glob);
    }
  });

  test("says with a backslash that a character is itself, whatever it is", () => {
    for (const character of ["d", "b", "w", "S", "1", "0", "n", "*", "?", "[", "{", "\\"]) {
      const { test: matches } = parseGlob(`x\\${character}`);
      assert(matches(`x${character}`, false), character);
      for (const other of ["5", " ", "\n", "x"]) assert(!matches(`x${other}`, false), character);
    }
    assert(parseGlob("[\\d]").test("d", false));
    assert(!parseGlob("[\\d]").test("5", false));
  });
});
